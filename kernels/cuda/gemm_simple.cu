// Matrix products of any shape, type and transposition, on plain float32 arithmetic: 64 x 64 tiles of c, 8 x 8 of them a
// thread, through shared memory. Sums run over k in order. The oracle of the faster forms. May include only
// gemm_finish_relu.h, gemm_order.h and gemm_simple.h.
#include "../abi.h"
#include "gemm_finish_relu.h"
#include "gemm_order.h"
#include "gemm_simple.h"

namespace nanogpt::cuda {
namespace {

using namespace simple_gemm;

constexpr uint32_t kPitch = kTile + 4;   // of a row of shared memory: spreads a column over the banks
constexpr uint32_t kSide = 8;            // elements of c along each side of a thread's share
constexpr uint32_t kPerLine = kTile / kSide;
static_assert(kSharedBytes == 2 * kDepth * kPitch * sizeof(float));

// Fills tile[k][i] with element (first + i, begin + k) of x, or (begin + k, first + i) if x is k-first; 0 beyond its ends.
template <class T>
DEVICE void load_tile(float* tile, const T* data, uint64_t ld, bool along_k, uint32_t first, uint32_t size, uint32_t begin,
                      uint32_t end, bool rounded) {
  for (uint32_t at = threadIdx.x; at < kTile * kDepth; at += kThreads) {
    const uint32_t i = along_k ? at / kDepth : at % kTile, k = along_k ? at % kDepth : at / kTile;
    const uint64_t row = first + i, column = begin + k;
    float x = 0.0f;
    if (row < size && column < end) x = to_float(data[along_k ? row * ld + column : column * ld + row]);
    tile[k * kPitch + i] = rounded ? to_float(to_bf16(x)) : x;
  }
}

DEVICE void load_operand(float* tile, const Operand& x, bool along_k, uint32_t first, uint32_t size, uint32_t begin,
                         uint32_t end, bool rounded) {
  const uint64_t batch = blockIdx.z * x.batch_stride;
  if (x.dtype == NANOGPT_BF16) {
    load_tile(tile, static_cast<const bf16*>(x.data) + batch, x.ld, along_k, first, size, begin, end, false);
  } else {
    load_tile(tile, static_cast<const float*>(x.data) + batch, x.ld, along_k, first, size, begin, end, rounded);
  }
}

// A thread's rows (or columns) of the tile are two runs of four, half a tile apart: neighbours read neighbouring words.
DEVICE uint32_t share(uint32_t thread, uint32_t i) { return i / 4 * (kTile / 2) + thread * 4 + i % 4; }

DEVICE void multiply_tiles(float (&sums)[kSide][kSide], const float* a, const float* b, uint32_t row, uint32_t column) {
  for (uint32_t k = 0; k < kDepth; k++, a += kPitch, b += kPitch) {
    float left[kSide], right[kSide];
    for (uint32_t i = 0; i < kSide; i++) left[i] = a[share(row, i)];
    for (uint32_t j = 0; j < kSide; j++) right[j] = b[share(column, j)];
    for (uint32_t i = 0; i < kSide; i++)
      for (uint32_t j = 0; j < kSide; j++) sums[i][j] += left[i] * right[j];
  }
}

template <class T, class Ending>
DEVICE void store_tile(const Product& p, const float (&sums)[kSide][kSide], const TileIndex& tile, uint32_t row,
                       uint32_t column) {
  const ScaledSum<T, Ending> epilogue(p, blockIdx.z);
  for (uint32_t i = 0; i < kSide; i++)
    for (uint32_t j = 0; j < kSide; j++)
      epilogue.store(tile.row * kTile + share(row, i), tile.column * kTile + share(column, j), sums[i][j]);
}

// Block x: tile; z: product of the batch.
template <class Ending>
DEVICE void multiply(const Product& params) {
  float* const a = reinterpret_cast<float*>(dynamic_shared());
  float* const b = a + kDepth * kPitch;
  const uint32_t row = threadIdx.x / kPerLine, column = threadIdx.x % kPerLine;
  const TileIndex tile = grouped_tile(blockIdx.x, (params.m + kTile - 1) / kTile, (params.n + kTile - 1) / kTile);
  const bool rounded = params.a.dtype == NANOGPT_BF16 || params.b.dtype == NANOGPT_BF16;
  float sums[kSide][kSide] = {};
  for (uint32_t begin = 0; begin < params.k; begin += kDepth) {
    load_operand(a, params.a, params.a.transposed == 0, tile.row * kTile, params.m, begin, params.k, rounded);
    load_operand(b, params.b, params.b.transposed != 0, tile.column * kTile, params.n, begin, params.k, rounded);
    block_sync();
    multiply_tiles(sums, a, b, row, column);
    block_sync();
  }
  if (params.dtype_c == NANOGPT_BF16) {
    store_tile<bf16, Ending>(params, sums, tile, row, column);
  } else {
    store_tile<float, Ending>(params, sums, tile, row, column);
  }
}

}  // namespace

KERNEL(gemm_simple, Product, kThreads) { multiply<Scaled>(params); }
KERNEL(gemm_simple_relu_squared, Product, kThreads) { multiply<ReluSquared>(params); }
KERNEL(gemm_simple_relu_squared_grad, Product, kThreads) { multiply<ReluSquaredGrad>(params); }

}  // namespace nanogpt::cuda
