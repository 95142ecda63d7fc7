// The ABI's matrix products: checks arguments, then runs them through gemm.h, in the form that the caller names. Holds no
// arithmetic. Refuses, before anything is enqueued, sizes of 0, null addresses, codes that the ABI does not have and sums
// into bf16. May include only context.h and gemm.h.
#include "context.h"
#include "gemm.h"

namespace nanogpt::cuda {
namespace {

Product product_of(uint64_t c, uint64_t a, uint64_t b, uint32_t m, uint32_t n, uint32_t k, uint32_t trans_a,
                   uint32_t trans_b, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b) {
  const Operand left{memory<const void>(a), trans_a ? m : k, trans_a, dtype_a};
  const Operand right{memory<const void>(b), trans_b ? k : n, trans_b, dtype_b};
  return {m, n, k, left, right, memory<void>(c), n, dtype_c};
}

void check_product(Check& check, const Product& p) {
  check.address("c", reinterpret_cast<uint64_t>(p.c)).address("a", reinterpret_cast<uint64_t>(p.a.data));
  check.address("b", reinterpret_cast<uint64_t>(p.b.data)).size("m", p.m).size("n", p.n).size("k", p.k);
  check.flag("trans_a", p.a.transposed).flag("trans_b", p.b.transposed);
  check.dtype("dtype_c", p.dtype_c).dtype("dtype_a", p.a.dtype).dtype("dtype_b", p.b.dtype);
}

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_matmul(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint32_t m, uint32_t n,
                                      uint32_t k, uint32_t trans_a, uint32_t trans_b, uint32_t dtype_c, uint32_t dtype_a,
                                      uint32_t dtype_b, uint32_t accumulate, uint32_t form) {
  Check check(context, "matmul");
  Product product = product_of(c, a, b, m, n, k, trans_a, trans_b, dtype_c, dtype_a, dtype_b);
  check_product(check, product);
  check.flag("accumulate", accumulate);
  if (check.failed()) return check.status();
  if (accumulate == 1 && dtype_c != NANOGPT_F32)
    return check.context().fail(NANOGPT_INVALID, "Kernel matmul accumulates into float32 only, found a bf16 result of [%u,%u]", m, n);
  if (accumulate == 1) product.added = product.c;
  return multiply(check.context(), check.op(), product, form);
}

NANOGPT_EXPORT int32_t nanogpt_matmul_add(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint64_t r, uint32_t m,
                                          uint32_t n, uint32_t k, uint32_t trans_a, uint32_t trans_b, uint32_t dtype_c,
                                          uint32_t dtype_a, uint32_t dtype_b, uint32_t form) {
  Check check(context, "matmul_add");
  Product product = product_of(c, a, b, m, n, k, trans_a, trans_b, dtype_c, dtype_a, dtype_b);
  check_product(check, product);
  check.address("r", r);
  if (check.failed()) return check.status();
  product.added = memory<const void>(r);
  return multiply(check.context(), check.op(), product, form);
}

NANOGPT_EXPORT int32_t nanogpt_matmul_relu_squared(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t m, uint32_t n,
                                                   uint32_t k, uint32_t dtype_y, uint32_t dtype_a, uint32_t dtype_b,
                                                   uint32_t form) {
  Check check(context, "matmul_relu_squared");
  Product product = product_of(y, a, b, m, n, k, 0, 1, dtype_y, dtype_a, dtype_b);
  check_product(check, product);
  if (check.failed()) return check.status();
  product.finish.kind = FinishKind::relu_squared;
  return multiply(check.context(), check.op(), product, form);
}

NANOGPT_EXPORT int32_t nanogpt_matmul_relu_squared_grad(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint64_t y,
                                                        uint32_t m, uint32_t n, uint32_t k, uint32_t dtype_c,
                                                        uint32_t dtype_a, uint32_t dtype_b, uint32_t form) {
  Check check(context, "matmul_relu_squared_grad");
  Product product = product_of(c, a, b, m, n, k, 0, 0, dtype_c, dtype_a, dtype_b);
  check_product(check, product);
  check.address("y", y);
  if (check.failed()) return check.status();
  product.finish.kind = FinishKind::relu_squared_grad;
  product.added = memory<const void>(y);
  return multiply(check.context(), check.op(), product, form);
}
