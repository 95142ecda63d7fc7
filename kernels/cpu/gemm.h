// General matrix products for the other kernels: whole products over the pool, and packed blocks inside one task.
// Declares only; gemm.cpp defines them once per instruction set, over that set's microkernel.
// Each element of a product is summed over k in one fixed order that depends on (m, n, k) only.
#pragma once
#include "context.h"
#include "simd.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {

// A stored matrix: element (i, j) of the operand is data[i*ld + j], or data[j*ld + i] when transposed.
struct Operand {
  const void* data;
  int64_t ld;
  bool transposed;
  uint32_t dtype;  // NANOGPT_F32 or NANOGPT_BF16
};

// What becomes of finished sums on their way into c.
enum class Finish : uint8_t {
  added,              // c = a b (+ c) (+ residual)
  relu_squared,       // c = max(a b, 0)^2
  relu_squared_grad,  // c = 2 sqrt(residual) a b
};

// c = a b (+ c) (+ residual), or what `finish` says; a is [m,k], b is [k,n] after transposition, c is row-major with row
// stride ldc.
struct Product {
  int64_t m, n, k;
  Operand a, b;
  void* c;
  int64_t ldc;
  uint32_t dtype_c;
  bool accumulate = false;         // c += (float32 c only)
  const void* residual = nullptr;  // same type, shape and stride as c, added before the one rounding; may equal c
  Finish finish = Finish::added;
};

// Runs a product on the whole pool. If a or b is bf16 both are rounded to bf16 before multiplying; sums are float32.
// Uses the context's shared and per-thread scratch.
void multiply(Context& context, const Product& product);

// Blocks inside one task, for attention: operands packed once into the microkernel's order, then multiplied as often
// as needed. `precise` true packs float32, false rounds to bf16 (or keeps bf16 values in float32 where the set has no
// bf16 products). Packed sizes cover padding to whole tiles; padding is zero.
size_t packed_a_bytes(int64_t m, int64_t k, bool precise);
size_t packed_b_bytes(int64_t k, int64_t n, bool precise);
void pack_a(void* packed, const Operand& a, int64_t m, int64_t k, bool precise);
void pack_b(void* packed, const Operand& b, int64_t k, int64_t n, bool precise);
// c[i*ldc + j] = (accumulate ? c : 0) + a b for packed a, b, over the first k of the `depth` to which a was packed (b: k).
// c must have room for whole tiles: rows up to padded_rows(m), and ldc >= padded_cols(n).
int64_t padded_rows(int64_t m, bool precise);
int64_t padded_cols(int64_t n, bool precise);
void multiply_packed(float* c, int64_t ldc, const void* packed_a, int64_t depth, const void* packed_b, int64_t m, int64_t n,
                     int64_t k, bool accumulate, bool precise);

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
