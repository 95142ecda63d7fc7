// Launchers of the rotary ops, and of the product that ends with one: on wgmma a single kernel, in the other forms the
// product, then the norm and rotation in place. Refuses, beyond what abi.h says, more than 4,294,967,295 head rows. May
// include only gemm.h, launches.h, rope.h and the standard library.
// Head rows of whole packs share warps; how many do is decided in the kernel by the head's width and the addresses.
#include "rope.h"
#include "gemm.h"
#include "launches.h"
#include <cmath>

namespace nanogpt::cuda {
namespace {

void check_heads(Check& check, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype) {
  check.size("N", N).size("T", T).size("H", H).size("D", D).multiple("N", N, "T", T).even("D", D).dtype("dtype", dtype);
  if (!check.failed() && uint64_t{N} * H > 0xffffffffu)
    check.failure(check.context().fail(NANOGPT_INVALID, "Kernel %s: expected N*H of at most 4294967295, found N %u, H %u",
                                       check.op(), N, H));
}

int32_t launch_rows(Context& context, const char* kernel, const RopeParams& params) {
  // A warp takes several rows only where they are short; then some blocks have nothing to do.
  return launch(context, kernel, warp_shape(context, params.rows), params);
}

// position: an address, or 0 for none.
int32_t launch_table(Check& check, uint64_t table, uint64_t position, uint32_t T, uint32_t D, double base) {
  check.address("table", table).size("T", T).size("D", D).even("D", D).positive("base", base);
  if (check.failed()) return check.status();
  const RopeTableParams params{memory<float>(table), memory<const int32_t>(position), T, D / 2, std::log2(base)};
  return launch(check.context(), "rope_table", warp_shape(check.context(), T), params);
}

struct Heads {
  uint32_t N, T, H, D;
};

// y may be x.
int32_t launch_norm_rope(Context& context, uint64_t y, uint64_t r, uint64_t x, uint64_t table, const Heads& heads, uint32_t dtype,
                         double eps) {
  const RopeParams params{memory<void>(y), memory<float>(r), memory<const void>(x), nullptr, memory<const float>(table),
                          heads.N * heads.H, heads.T, heads.H, heads.D / 2, 1.0f, eps};
  return launch_rows(context, by_type(dtype, "norm_rope_f32", "norm_rope_bf16"), params);
}

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_rope_table(uint64_t context, uint64_t table, uint32_t T, uint32_t D, double base) {
  Check check(context, "rope_table");
  return launch_table(check, table, 0, T, D, base);
}

NANOGPT_EXPORT int32_t nanogpt_rope_table_at(uint64_t context, uint64_t table, uint64_t position, uint32_t T, uint32_t D,
                                             double base) {
  Check check(context, "rope_table_at");
  check.address("position", position);
  return launch_table(check, table, position, T, D, base);
}

NANOGPT_EXPORT int32_t nanogpt_rope(uint64_t context, uint64_t y, uint64_t x, uint64_t table, uint32_t N, uint32_t T,
                                    uint32_t H, uint32_t D, uint32_t inverse, uint32_t dtype) {
  Check check(context, "rope");
  check.address("y", y).address("x", x).address("table", table).flag("inverse", inverse);
  check_heads(check, N, T, H, D, dtype);
  if (check.failed()) return check.status();
  const RopeParams params{memory<void>(y), nullptr, memory<const void>(x), nullptr, memory<const float>(table), N * H, T, H,
                          D / 2, inverse == 1 ? -1.0f : 1.0f, 0.0};
  return launch_rows(check.context(), by_type(dtype, "rope_f32", "rope_bf16"), params);
}

NANOGPT_EXPORT int32_t nanogpt_norm_rope(uint64_t context, uint64_t y, uint64_t r, uint64_t x, uint64_t table, uint32_t N,
                                         uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, double eps) {
  Check check(context, "norm_rope");
  check.address("y", y).address("r", r).address("x", x).address("table", table).not_negative("eps", eps);
  check_heads(check, N, T, H, D, dtype);
  if (check.failed()) return check.status();
  return launch_norm_rope(check.context(), y, r, x, table, {N, T, H, D}, dtype, eps);
}

NANOGPT_EXPORT int32_t nanogpt_norm_rope_grad(uint64_t context, uint64_t dx, uint64_t dy, uint64_t y, uint64_t r, uint64_t table,
                                              uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype) {
  Check check(context, "norm_rope_grad");
  check.address("dx", dx).address("dy", dy).address("y", y).address("r", r).address("table", table);
  check_heads(check, N, T, H, D, dtype);
  if (check.failed()) return check.status();
  const RopeParams params{memory<void>(dx), memory<float>(r), memory<const void>(y), memory<const void>(dy),
                          memory<const float>(table), N * H, T, H, D / 2, 1.0f, 0.0};
  return launch_rows(check.context(), by_type(dtype, "norm_rope_grad_f32", "norm_rope_grad_bf16"), params);
}

NANOGPT_EXPORT int32_t nanogpt_matmul_norm_rope(uint64_t context, uint64_t y, uint64_t r, uint64_t a, uint64_t b, uint64_t table,
                                                uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t C, uint32_t dtype,
                                                uint32_t dtype_b, uint32_t form, double eps) {
  Check check(context, "matmul_norm_rope");
  check.address("y", y).address("r", r).address("a", a).address("b", b).address("table", table).not_negative("eps", eps);
  check.size("C", C).dtype("dtype_b", dtype_b);
  check_heads(check, N, T, H, D, dtype);
  if (check.failed()) return check.status();
  Product product{N, H * D, C, {memory<const void>(a), C, 0, dtype}, {memory<const void>(b), C, 1, dtype_b}, memory<void>(y),
                  H * D, dtype};
  if (form == NANOGPT_FORM_WGMMA) {
    if (D != kNormedWidth)
      return check.context().fail(NANOGPT_INVALID, "Kernel %s: form %u takes heads of width %u, found %u", check.op(), form,
                                  kNormedWidth, D);
    Finish& finish = product.finish;
    finish.kind = FinishKind::norm_rope;
    finish.r = memory<float>(r), finish.table = memory<const float>(table), finish.T = T, finish.eps = static_cast<float>(eps);
    return multiply(check.context(), check.op(), product, form);
  }
  if (const int32_t status = multiply(check.context(), check.op(), product, form)) return status;
  return launch_norm_rope(check.context(), y, r, y, table, {N, T, H, D}, dtype, eps);
}
