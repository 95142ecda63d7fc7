// Launchers of the ops that scale and mix activations by learned scalars, and of their gradients: a pass over the
// activations, then one block for the scalars. And of the product that is mixed: on wgmma a single kernel, in the other forms
// the product, then the mix. Refuses nothing but what abi.h says. May include only gemm.h, launches.h, partial_sums.h and
// mix.h.
#include "mix.h"
#include "gemm.h"
#include "launches.h"
#include "partial_sums.h"

namespace nanogpt::cuda {
namespace {

void check_mix(Check& check, uint32_t size, uint32_t form, uint32_t index) {
  check.below("form", form, "the number of forms", NANOGPT_MIX_SKIP + 1);
  if (form == NANOGPT_MIX_PAIR) check.at_least("size", size, 2);
  if (form == NANOGPT_MIX_SKIP) check.below("index", index, "size", size);
}

LaunchShape total_shape() { return {{1}, kSumThreads, kTotalBytes}; }

// The two kernels of a gradient by name. r: what is added to ds, or null.
int32_t launch_gradient(Context& context, const char* pass, const char* total, float* ds, const MixGradParams& params,
                        const float* r = nullptr) {
  const uint32_t blocks = sum_blocks(params.count);
  if (const int32_t status = launch(context, pass, {{blocks}, kSumThreads, kTotalBytes}, params)) return status;
  return launch(context, total, total_shape(), MixGradTotalParams{ds, params.partials, r, params.scalars, blocks});
}

struct MixGradArguments {
  uint64_t da, db, ds, dy, a, b, s;
  uint32_t count, size, form, index, dtype;
};

// What is added to each output; 0: nothing.
struct MixGradSummands {
  uint64_t a = 0, b = 0, s = 0;
};

int32_t mix_grad_of(Check& check, const MixGradArguments& g, const MixGradSummands& r) {
  check.address("da", g.da).address("db", g.db).address("ds", g.ds).address("dy", g.dy).address("a", g.a);
  check.address("b", g.b).address("s", g.s).size("count", g.count).size("size", g.size).dtype("dtype", g.dtype);
  check_mix(check, g.size, g.form, g.index);
  if (check.failed()) return check.status();
  const MixGradParams params{memory<void>(g.da),       memory<void>(g.db),
                             memory<double>(check.context().scratch()),
                             memory<const void>(g.dy), memory<const void>(g.a),
                             memory<const void>(g.b),  memory<const void>(r.a),
                             memory<const void>(r.b),  {memory<const float>(g.s), g.size, g.form, g.index},
                             g.count};
  return launch_gradient(check.context(), by_type(g.dtype, "mix_grad_f32", "mix_grad_bf16"), "mix_grad_total",
                         memory<float>(g.ds), params, memory<const float>(r.s));
}

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_scale(uint64_t context, uint64_t y, uint64_t x, uint64_t s, uint32_t count, uint32_t size,
                                     uint32_t index, uint32_t dtype) {
  Check check(context, "scale");
  check.address("y", y).address("x", x).address("s", s).size("count", count).size("size", size);
  check.below("index", index, "size", size).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  const MixParams params{memory<void>(y), memory<const void>(x), nullptr, {memory<const float>(s), size, 0, index}, count};
  return launch(check.context(), by_type(dtype, "scale_f32", "scale_bf16"), elementwise_shape(check.context(), count, dtype),
                params);
}

NANOGPT_EXPORT int32_t nanogpt_scale_grad(uint64_t context, uint64_t ds, uint64_t dy, uint64_t x, uint32_t count, uint32_t size,
                                          uint32_t index, uint32_t dtype) {
  Check check(context, "scale_grad");
  check.address("ds", ds).address("dy", dy).address("x", x).size("count", count).size("size", size);
  check.below("index", index, "size", size).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  MixGradParams params{};
  params.partials = memory<double>(check.context().scratch());
  params.dy = memory<const void>(dy);
  params.a = memory<const void>(x);
  params.scalars = {nullptr, size, 0, index};
  params.count = count;
  return launch_gradient(check.context(), by_type(dtype, "scale_grad_f32", "scale_grad_bf16"), "scale_grad_total",
                         memory<float>(ds), params);
}

NANOGPT_EXPORT int32_t nanogpt_mix(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint32_t count,
                                   uint32_t size, uint32_t form, uint32_t index, uint32_t dtype) {
  Check check(context, "mix");
  check.address("y", y).address("a", a).address("b", b).address("s", s).size("count", count).size("size", size);
  check.dtype("dtype", dtype);
  check_mix(check, size, form, index);
  if (check.failed()) return check.status();
  const MixParams params{memory<void>(y), memory<const void>(a), memory<const void>(b),
                         {memory<const float>(s), size, form, index}, count};
  return launch(check.context(), by_type(dtype, "mix_f32", "mix_bf16"), elementwise_shape(check.context(), count, dtype), params);
}

NANOGPT_EXPORT int32_t nanogpt_mix_grad(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a,
                                        uint64_t b, uint64_t s, uint32_t count, uint32_t size, uint32_t form, uint32_t index,
                                        uint32_t dtype) {
  Check check(context, "mix_grad");
  return mix_grad_of(check, {da, db, ds, dy, a, b, s, count, size, form, index, dtype}, {});
}

NANOGPT_EXPORT int32_t nanogpt_mix_grad_add(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a,
                                            uint64_t b, uint64_t s, uint64_t r, uint32_t count, uint32_t size, uint32_t form,
                                            uint32_t index, uint32_t into, uint32_t dtype) {
  Check check(context, "mix_grad_add");
  check.address("r", r).below("into", into, "the number of outputs", 3);
  return mix_grad_of(check, {da, db, ds, dy, a, b, s, count, size, form, index, dtype},
                     {into == 0 ? r : 0, into == 1 ? r : 0, into == 2 ? r : 0});
}

NANOGPT_EXPORT int32_t nanogpt_mix_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy,
                                                 uint64_t a, uint64_t b, uint64_t s, uint64_t ra, uint64_t rb, uint32_t count,
                                                 uint32_t size, uint32_t form, uint32_t index, uint32_t dtype) {
  Check check(context, "mix_grad_add_both");
  check.address("ra", ra).address("rb", rb);
  return mix_grad_of(check, {da, db, ds, dy, a, b, s, count, size, form, index, dtype}, {ra, rb, 0});
}

NANOGPT_EXPORT int32_t nanogpt_matmul_mix(uint64_t context, uint64_t y, uint64_t own, uint64_t a, uint64_t b, uint64_t v1,
                                          uint64_t s, uint32_t m, uint32_t n, uint32_t k, uint32_t dtype, uint32_t dtype_b,
                                          uint32_t form) {
  Check check(context, "matmul_mix");
  check.address("y", y).address("own", own).address("a", a).address("b", b).address("v1", v1).address("s", s);
  check.size("m", m).size("n", n).size("k", k).dtype("dtype", dtype).dtype("dtype_b", dtype_b);
  if (check.failed()) return check.status();
  if (uint64_t{m} * n > UINT32_MAX)
    return check.context().fail(NANOGPT_INVALID, "Kernel %s: expected m*n of at most %u, found m %u, n %u", check.op(), UINT32_MAX,
                                m, n);
  Product product{m, n, k, {memory<const void>(a), k, 0, dtype}, {memory<const void>(b), k, 1, dtype_b}, memory<void>(own), n,
                  dtype};
  if (form == NANOGPT_FORM_WGMMA) {
    product.c = memory<void>(y);
    product.added = memory<const void>(v1);
    product.finish.kind = FinishKind::mix;
    product.finish.own = memory<void>(own), product.finish.share = memory<const float>(s);
    return multiply(check.context(), check.op(), product, form);
  }
  if (const int32_t status = multiply(check.context(), check.op(), product, form)) return status;
  const MixParams params{memory<void>(y), memory<const void>(own), memory<const void>(v1),
                         {memory<const float>(s), 1, NANOGPT_MIX_LERP, 0}, m * n};
  return launch(check.context(), by_type(dtype, "mix_f32", "mix_bf16"), elementwise_shape(check.context(), m * n, dtype), params);
}
