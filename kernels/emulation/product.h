// The arithmetic of matrix instructions: products of small tiles of float, as vectors wide as the machine has them.
// Knows no lane, no memory and no bf16; the order of the sum over k is that of the tiles' k.
// May include only the standard library.
#pragma once
#include <cstdint>

namespace nanogpt::emulation {

constexpr uint32_t kProductDepth = 16;  // k of one instruction on bf16
constexpr uint32_t kWgmmaRows = 64;
constexpr uint32_t kWgmmaMostColumns = 256;

// Operands of one wgmma, spread for its accumulators' layout: a[row][k]; b[q][k][i] is b's element (k, column) of which
// accumulator i of a thread with thread % 4 = q is a sum.
struct WgmmaTiles {
  alignas(64) float a[kWgmmaRows][kProductDepth];
  alignas(64) float b[4][kProductDepth][kWgmmaMostColumns / 2];

  void set_b(uint32_t k, uint32_t column, float x) {
    float* const i = &b[column % 8 / 2][k][column / 8 * 4 + column % 2];
    i[0] = x;  // rows g
    i[2] = x;  // rows g + 8
  }
};
// d[thread][n / 2] of 128 threads; n a multiple of 32.
void multiply(float* const* d, const WgmmaTiles& tiles, uint32_t n, bool accumulate);

// d[16][8] += a[16][16] b[16][8].
struct MmaTiles {
  alignas(64) float a[16][kProductDepth];
  alignas(64) float b[kProductDepth][8];
  alignas(64) float d[16][8];
};
void multiply(MmaTiles& tiles);

// sums[i] += factor * row[i], for whole matrices as the fake cuBLASLt multiplies them.
void add_scaled(float* sums, const float* row, float factor, uint64_t count);

}  // namespace nanogpt::emulation
