// General matrix products for the other ops' launchers: what a product is, and multiply(), which runs one. The struct is at
// the same time the parameter of the kernels. Each element's sum over k has a fixed order that depends on the product
// and the form only. Refuses nothing that fits in memory in the simple form; the limits of the others are at multiply().
// May include only the standard library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda {

struct Context;

// A stored matrix: element (i, j) of the operand is data[i*ld + j], or data[j*ld + i] when transposed. A batch holds one
// every `batch_stride` elements.
struct Operand {
  const void* data;
  uint64_t ld;
  uint32_t transposed;
  uint32_t dtype;  // NANOGPT_F32 or NANOGPT_BF16
  uint64_t batch_stride = 0;
};

// What becomes of sums on their way into c, beside alpha a b + beta added.
enum class FinishKind : uint32_t {
  none,
  relu_squared,       // c = max(alpha a b, 0)^2; nothing is added
  relu_squared_grad,  // c = 2 sqrt(added) alpha a b: the gradient through relu squared whose result is `added`
  softcap,            // c = cap tanh(a b / cap); only on wgmma, and into bf16
  norm_rope,          // c = alpha a b with each kNormedWidth columns, a head, normed and rotated; only on wgmma
  mix,                // c = (1 - share) alpha a b + share added, and alpha a b beside it; only on wgmma, both bf16
};
constexpr uint32_t kNormedWidth = 128;
struct Finish {
  FinishKind kind = FinishKind::none;
  // softcap: of each row of c and each 256 columns, [m][ceil(n/256)], the sum of exp(c - cap) over the elements as rounded.
  float cap = 0.0f;
  float* exponentials = nullptr;
  // norm_rope: r[row, head] = 1/sqrt(mean of squares + eps) of each head; table: float32[T, kNormedWidth], cosines, then
  // sines; row n has position n mod T.
  float* r = nullptr;
  const float* table = nullptr;
  uint32_t T = 0;
  float eps = 0.0f;
  // mix: where alpha a b goes, of c's type and shape; and one number.
  void* own = nullptr;
  const float* share = nullptr;
};

// c = alpha a b + beta added, or what `finish` says, rounded once to c's type; a is [m,k], b is [k,n] after transposition, c is
// row-major with row stride ldc. If a or b is bf16 both are rounded to bf16 before multiplying; sums are float32.
struct Product {
  uint32_t m, n, k;
  Operand a, b;
  void* c;
  uint64_t ldc;
  uint32_t dtype_c;
  const void* added = nullptr;  // c's type, shape and strides, or nothing; may be c itself
  float alpha = 1.0f, beta = 1.0f;
  uint32_t symmetric = 0;  // 1: a b equals its transpose (m = n): computed on and below the diagonal, c holds all; added is
                           // symmetric too and not c
  uint32_t batch = 1;      // products of these sizes, `batch_stride` apart in a, b and c (and added): at most 65535
  uint64_t batch_stride_c = 0;
  uint32_t whole = 0;  // 1: sums over k are never cut into parts, so that a batch gives the bits of its products one by one
  Finish finish = {};
};

// Enqueues a product in a form (a NANOGPT_FORM code). `op` names the caller in error texts. Limits of NANOGPT_FORM_MMA
// and NANOGPT_FORM_WGMMA: a and b are bf16, their rows (ld) and batch strides multiples of 8 elements, their addresses of 16
// bytes; m, n and k are any. They may use the context's scratch memory. A finish is there for the transpositions that its op
// has (relu_squared_grad: neither, the others: b transposed). NANOGPT_FORM_CUBLASLT has no finish; its limits are in
// gemm_cublaslt.h.
int32_t multiply(Context& context, const char* op, const Product& product, uint32_t form);

}  // namespace nanogpt::cuda
