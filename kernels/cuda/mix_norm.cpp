// Launchers of the residual mix with its norm and of its gradients: a warp a row; after a gradient one block for the scalars.
// A gradient's grid follows from its sizes alone, as its sums do. Refuses nothing but what abi.h says. May include only
// launches.h, partial_sums.h and mix_norm.h.
#include "mix_norm.h"
#include "launches.h"
#include "partial_sums.h"

namespace nanogpt::cuda {
namespace {

struct Rows {
  uint32_t rows, width, dtype;
  double eps;
};

void check_rows(Check& check, const Rows& n) {
  check.matrices(1, n.rows, n.width).dtype("dtype", n.dtype).not_negative("eps", n.eps);
}

// Of a skip: its weights and which of them.
void check_skip(Check& check, uint64_t w, uint32_t size, uint32_t index) {
  check.address("w", w).size("size", size).below("index", index, "size", size);
}

MixNormScalars scalars_of(uint64_t s, uint64_t w = 0, uint32_t index = 0) {
  return {memory<const float>(s), w == 0 ? nullptr : memory<const float>(w) + index};
}

// Addresses of terms, or of what belongs to each of them; 0 for none.
struct Addresses {
  uint64_t of[kMostTerms];
};

int32_t launch_mix_norm(Check& check, const char* kernel, uint64_t x, uint64_t y, const Addresses& terms,
                        const MixNormScalars& scalars, const Rows& n) {
  MixNormParams params{memory<void>(x), memory<void>(y), {}, scalars, n.rows, n.width, n.eps};
  for (uint32_t i = 0; i < kMostTerms; i++) params.terms[i] = memory<const void>(terms.of[i]);
  return launch(check.context(), kernel, warp_shape(check.context(), n.rows), params);
}

struct GradAddresses {
  uint64_t dy, dx;
  Addresses d, terms, r;
};

// Where the scalars' gradients go, and what is added to the skip's; 0 for none.
struct ScalarTargets {
  uint64_t ds, dw, r;
  uint32_t size, index;
};

int32_t launch_mix_norm_grad(Check& check, const char* kernel, Mixed mixed, const GradAddresses& g, const MixNormScalars& scalars,
                             const ScalarTargets& to, const Rows& n) {
  Context& context = check.context();
  const uint32_t blocks = sum_blocks(n.rows * n.width);
  MixNormGradParams params{};
  for (uint32_t i = 0; i < kMostTerms; i++) {
    params.d[i] = memory<void>(g.d.of[i]);
    params.terms[i] = memory<const void>(g.terms.of[i]);
    params.r[i] = memory<const void>(g.r.of[i]);
  }
  params.dy = memory<const void>(g.dy), params.dx = memory<const void>(g.dx);
  params.partials = memory<double>(context.scratch());
  params.scalars = scalars;
  params.rows = n.rows, params.width = n.width, params.eps = n.eps;
  if (const int32_t status = launch(context, kernel, {{blocks}, kSumThreads, kTotalBytes}, params)) return status;
  const MixNormTotalParams total{memory<float>(to.ds), memory<float>(to.dw), memory<const float>(to.r), params.partials,
                                 scalars, mixed, to.size, to.index, blocks};
  return launch(context, "mix_norm_grad_total", {{1}, kSumThreads, kTotalBytes}, total);
}

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_mix_norm(uint64_t context, uint64_t x, uint64_t y, uint64_t a, uint64_t b, uint64_t s,
                                        uint32_t rows, uint32_t width, uint32_t dtype, double eps) {
  Check check(context, "mix_norm");
  const Rows n{rows, width, dtype, eps};
  check.address("x", x).address("y", y).address("a", a).address("b", b).address("s", s);
  check_rows(check, n);
  if (check.failed()) return check.status();
  return launch_mix_norm(check, by_type(dtype, "mix_norm_f32", "mix_norm_bf16"), x, y, {{a, b, 0}}, scalars_of(s), n);
}

NANOGPT_EXPORT int32_t nanogpt_skip_mix_norm(uint64_t context, uint64_t x, uint64_t y, uint64_t a, uint64_t b, uint64_t s,
                                             uint64_t skip, uint64_t w, uint32_t rows, uint32_t width, uint32_t size,
                                             uint32_t index, uint32_t dtype, double eps) {
  Check check(context, "skip_mix_norm");
  const Rows n{rows, width, dtype, eps};
  check.address("x", x).address("y", y).address("a", a).address("b", b).address("s", s).address("skip", skip);
  check_skip(check, w, size, index);
  check_rows(check, n);
  if (check.failed()) return check.status();
  return launch_mix_norm(check, by_type(dtype, "skip_mix_norm_f32", "skip_mix_norm_bf16"), x, y, {{a, b, skip}},
                         scalars_of(s, w, index), n);
}

NANOGPT_EXPORT int32_t nanogpt_mix_norm_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy,
                                                      uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t r0, uint64_t r1,
                                                      uint32_t rows, uint32_t width, uint32_t dtype, double eps) {
  Check check(context, "mix_norm_grad_add_both");
  const Rows n{rows, width, dtype, eps};
  check.address("da", da).address("db", db).address("ds", ds).address("dy", dy).address("dx", dx).address("a", a);
  check.address("b", b).address("s", s).address("r0", r0).address("r1", r1);
  check_rows(check, n);
  if (check.failed()) return check.status();
  return launch_mix_norm_grad(check, by_type(dtype, "mix_norm_grad_f32", "mix_norm_grad_bf16"), Mixed::pair,
                              {dy, dx, {{da, db, 0}}, {{a, b, 0}}, {{r0, r1, 0}}}, scalars_of(s), {ds, 0, 0, 0, 0}, n);
}

NANOGPT_EXPORT int32_t nanogpt_mix_norm_self_grad_add(uint64_t context, uint64_t da, uint64_t ds, uint64_t dy, uint64_t dx,
                                                      uint64_t a, uint64_t s, uint64_t r0, uint32_t rows, uint32_t width,
                                                      uint32_t dtype, double eps) {
  Check check(context, "mix_norm_self_grad_add");
  const Rows n{rows, width, dtype, eps};
  check.address("da", da).address("ds", ds).address("dy", dy).address("dx", dx).address("a", a).address("s", s);
  check.address("r0", r0);
  check_rows(check, n);
  if (check.failed()) return check.status();
  return launch_mix_norm_grad(check, by_type(dtype, "mix_norm_self_grad_f32", "mix_norm_self_grad_bf16"), Mixed::self,
                              {dy, dx, {{da, 0, 0}}, {{a, 0, 0}}, {{r0, 0, 0}}}, scalars_of(s), {ds, 0, 0, 0, 0}, n);
}

NANOGPT_EXPORT int32_t nanogpt_skip_mix_norm_grad(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dskip,
                                                  uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s,
                                                  uint64_t skip, uint64_t w, uint32_t rows, uint32_t width, uint32_t size,
                                                  uint32_t index, uint32_t dtype, double eps) {
  Check check(context, "skip_mix_norm_grad");
  const Rows n{rows, width, dtype, eps};
  check.address("da", da).address("db", db).address("ds", ds).address("dskip", dskip).address("dw", dw).address("dy", dy);
  check.address("dx", dx).address("a", a).address("b", b).address("s", s).address("skip", skip);
  check_skip(check, w, size, index);
  check_rows(check, n);
  if (check.failed()) return check.status();
  return launch_mix_norm_grad(check, by_type(dtype, "skip_mix_norm_grad_f32", "skip_mix_norm_grad_bf16"), Mixed::skip,
                              {dy, dx, {{da, db, dskip}}, {{a, b, skip}}, {}}, scalars_of(s, w, index), {ds, dw, 0, size, index},
                              n);
}

NANOGPT_EXPORT int32_t nanogpt_skip_mix_norm_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds,
                                                           uint64_t dskip, uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a,
                                                           uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint64_t r0,
                                                           uint64_t r1, uint32_t rows, uint32_t width, uint32_t size,
                                                           uint32_t index, uint32_t dtype, double eps) {
  Check check(context, "skip_mix_norm_grad_add_both");
  const Rows n{rows, width, dtype, eps};
  check.address("da", da).address("db", db).address("ds", ds).address("dskip", dskip).address("dw", dw).address("dy", dy);
  check.address("dx", dx).address("a", a).address("b", b).address("s", s).address("skip", skip);
  check.address("r0", r0).address("r1", r1);
  check_skip(check, w, size, index);
  check_rows(check, n);
  if (check.failed()) return check.status();
  return launch_mix_norm_grad(check, by_type(dtype, "skip_mix_norm_grad_f32", "skip_mix_norm_grad_bf16"), Mixed::skip,
                              {dy, dx, {{da, db, dskip}}, {{a, b, skip}}, {{0, r0, 0}}}, scalars_of(s, w, index),
                              {ds, dw, r1, size, index}, n);
}

NANOGPT_EXPORT int32_t nanogpt_skip_mix_norm_self_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds,
                                                                uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b,
                                                                uint64_t s, uint64_t w, uint64_t r0, uint64_t r1, uint32_t rows,
                                                                uint32_t width, uint32_t size, uint32_t index, uint32_t dtype,
                                                                double eps) {
  Check check(context, "skip_mix_norm_self_grad_add_both");
  const Rows n{rows, width, dtype, eps};
  check.address("da", da).address("db", db).address("ds", ds).address("dw", dw).address("dy", dy).address("dx", dx);
  check.address("a", a).address("b", b).address("s", s).address("r0", r0).address("r1", r1);
  check_skip(check, w, size, index);
  check_rows(check, n);
  if (check.failed()) return check.status();
  return launch_mix_norm_grad(check, by_type(dtype, "skip_mix_norm_self_grad_f32", "skip_mix_norm_self_grad_bf16"),
                              Mixed::skip_self, {dy, dx, {{da, db, 0}}, {{a, b, 0}}, {{0, r0, 0}}}, scalars_of(s, w, index),
                              {ds, dw, r1, size, index}, n);
}
