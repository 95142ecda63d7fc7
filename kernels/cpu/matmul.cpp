// The ABI's matrix products: checks arguments, then runs them on the pool through gemm.h; one that is mixed is followed by
// the mix. Holds no arithmetic of its own and refuses, before anything is written, sizes of 0, null addresses and codes that
// the ABI does not have. May include only check.h, gemm.h, kernels.h and the standard library.
#include "check.h"
#include "gemm.h"
#include "kernels.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {
namespace {

bool is_dtype(uint32_t dtype) { return dtype == NANOGPT_F32 || dtype == NANOGPT_BF16; }

// The checks of both functions; `op` is the name that the error text carries.
int32_t check(Context& context, const char* op, const Product& p, uint32_t trans_a, uint32_t trans_b, uint32_t form) {
  const auto size = [](int64_t x) { return static_cast<long long>(x); };
  if (p.m == 0 || p.n == 0 || p.k == 0)
    return context.fail(NANOGPT_INVALID, "%s takes sizes of 1 or more, found m = %lld, n = %lld, k = %lld", op, size(p.m),
                        size(p.n), size(p.k));
  if (p.a.data == nullptr || p.b.data == nullptr || p.c == nullptr)
    return context.fail(NANOGPT_INVALID, "%s of [%lld,%lld] and [%lld,%lld]: expected addresses, found a null one", op,
                        size(p.m), size(p.k), size(p.k), size(p.n));
  if (!is_dtype(p.dtype_c) || !is_dtype(p.a.dtype) || !is_dtype(p.b.dtype))
    return context.fail(NANOGPT_INVALID, "%s takes dtype codes 0 (float32) and 1 (bf16), found c %u, a %u, b %u", op,
                        p.dtype_c, p.a.dtype, p.b.dtype);
  if (trans_a > 1 || trans_b > 1)
    return context.fail(NANOGPT_INVALID, "%s takes 0 or 1 for trans_a and trans_b, found %u and %u", op, trans_a, trans_b);
  if (form != NANOGPT_FORM_SIMPLE)
    return context.fail(NANOGPT_UNSUPPORTED, "%s: a cpu has form 0 only, found %u", op, form);
  return NANOGPT_OK;
}

Product product_of(uint64_t c, uint64_t a, uint64_t b, uint32_t m, uint32_t n, uint32_t k, uint32_t trans_a,
                   uint32_t trans_b, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b) {
  const Operand left{reinterpret_cast<const void*>(a), trans_a ? m : k, trans_a != 0, dtype_a};
  const Operand right{reinterpret_cast<const void*>(b), trans_b ? k : n, trans_b != 0, dtype_b};
  return {m, n, k, left, right, reinterpret_cast<void*>(c), n, dtype_c};
}

}  // namespace

int32_t matmul(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint32_t m, uint32_t n, uint32_t k, uint32_t trans_a,
               uint32_t trans_b, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t accumulate,
               uint32_t form) {
  Context& on = context_at(context);
  Product product = product_of(c, a, b, m, n, k, trans_a, trans_b, dtype_c, dtype_a, dtype_b);
  if (const int32_t status = check(on, "Matmul", product, trans_a, trans_b, form)) return status;
  if (accumulate > 1) return on.fail(NANOGPT_INVALID, "Matmul takes 0 or 1 for accumulate, found %u", accumulate);
  if (accumulate == 1 && dtype_c != NANOGPT_F32)
    return on.fail(NANOGPT_INVALID, "Matmul accumulates into float32 only, found a bf16 result of [%u,%u]", m, n);
  product.accumulate = accumulate == 1;
  multiply(on, product);
  return NANOGPT_OK;
}

int32_t matmul_add(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint64_t r, uint32_t m, uint32_t n, uint32_t k,
                   uint32_t trans_a, uint32_t trans_b, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b,
                   uint32_t form) {
  Context& on = context_at(context);
  Product product = product_of(c, a, b, m, n, k, trans_a, trans_b, dtype_c, dtype_a, dtype_b);
  if (const int32_t status = check(on, "Matmul_add", product, trans_a, trans_b, form)) return status;
  if (r == 0) return on.fail(NANOGPT_INVALID, "Matmul_add of [%u,%u]: expected an address for r, found null", m, n);
  product.residual = reinterpret_cast<const void*>(r);
  multiply(on, product);
  return NANOGPT_OK;
}

int32_t matmul_relu_squared(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t m, uint32_t n, uint32_t k,
                            uint32_t dtype_y, uint32_t dtype_a, uint32_t dtype_b, uint32_t form) {
  Context& on = context_at(context);
  Product product = product_of(y, a, b, m, n, k, 0, 1, dtype_y, dtype_a, dtype_b);
  if (const int32_t status = check(on, "Matmul_relu_squared", product, 0, 1, form)) return status;
  product.finish = Finish::relu_squared;
  multiply(on, product);
  return NANOGPT_OK;
}

int32_t matmul_relu_squared_grad(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint64_t y, uint32_t m, uint32_t n,
                                 uint32_t k, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t form) {
  Context& on = context_at(context);
  Product product = product_of(c, a, b, m, n, k, 0, 0, dtype_c, dtype_a, dtype_b);
  if (const int32_t status = check(on, "Matmul_relu_squared_grad", product, 0, 0, form)) return status;
  if (y == 0)
    return on.fail(NANOGPT_INVALID, "Matmul_relu_squared_grad of [%u,%u]: expected an address for y, found null", m, n);
  product.residual = reinterpret_cast<const void*>(y);
  product.finish = Finish::relu_squared_grad;
  multiply(on, product);
  return NANOGPT_OK;
}

int32_t matmul_mix(uint64_t context, uint64_t y, uint64_t own, uint64_t a, uint64_t b, uint64_t v1, uint64_t s, uint32_t m,
                   uint32_t n, uint32_t k, uint32_t dtype, uint32_t dtype_b, uint32_t form) {
  Check check(context, "matmul_mix");
  check.address("y", y).address("v1", v1).address("s", s);
  if (check.failed()) return check.status();
  if (uint64_t{m} * n > UINT32_MAX)
    return check.context().fail(NANOGPT_INVALID, "Kernel matmul_mix: expected m*n of at most %u, found m %u, n %u", UINT32_MAX, m, n);
  if (const int32_t status = matmul(context, own, a, b, m, n, k, 0, 1, dtype, dtype, dtype_b, 0, form)) return status;
  return mix(context, y, own, v1, s, m * n, 1, NANOGPT_MIX_LERP, 0, dtype);
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
