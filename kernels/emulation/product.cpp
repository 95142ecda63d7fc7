// Products of tiles in vectors of 16 floats, compiled for several machines and chosen when the library is loaded. No
// intrinsics: the compiler splits the vectors where the machine's are narrower. May include only product.h and the standard
// library.
#include "product.h"
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_MACHINE __attribute__((target_clones("avx512f", "fma", "default")))
#else
#define FOR_EACH_MACHINE
#endif

namespace nanogpt::emulation {
namespace {

using Floats = float __attribute__((vector_size(64)));
constexpr uint32_t kFloats = 16;

}  // namespace

FOR_EACH_MACHINE
void multiply(float* const* d, const WgmmaTiles& tiles, uint32_t n, bool accumulate) {
  for (uint32_t octet = 0; octet < kWgmmaRows / 8; octet += 2) {
    for (uint32_t g = 0; g < 8; g++) {
      // Accumulators alternate in pairs between rows g and g + 8, in all four threads of these rows.
      Floats rows[kProductDepth];
      for (uint32_t k = 0; k < kProductDepth; k++) {
        const float low = tiles.a[octet * 8 + g][k], high = tiles.a[octet * 8 + g + 8][k];
        rows[k] = Floats{low, low, high, high, low, low, high, high, low, low, high, high, low, low, high, high};
      }
      for (uint32_t q = 0; q < 4; q++) {
        float* const own = d[octet / 2 * 32 + g * 4 + q];
        for (uint32_t i = 0; i < n / 2; i += kFloats) {
          Floats sum{};
          if (accumulate) std::memcpy(&sum, own + i, sizeof sum);
          for (uint32_t k = 0; k < kProductDepth; k++) {
            Floats column;
            std::memcpy(&column, &tiles.b[q][k][i], sizeof column);
            sum += rows[k] * column;
          }
          std::memcpy(own + i, &sum, sizeof sum);
        }
      }
    }
  }
}

FOR_EACH_MACHINE
void multiply(MmaTiles& tiles) {
  // Two rows of d at a time fill a vector.
  for (uint32_t row = 0; row < 16; row += 2) {
    Floats sum;
    std::memcpy(&sum, tiles.d[row], sizeof sum);
    for (uint32_t k = 0; k < kProductDepth; k++) {
      const float x = tiles.a[row][k], y = tiles.a[row + 1][k];
      const float* const b = tiles.b[k];
      sum += Floats{x, x, x, x, x, x, x, x, y, y, y, y, y, y, y, y} *
             Floats{b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]};
    }
    std::memcpy(tiles.d[row], &sum, sizeof sum);
  }
}

FOR_EACH_MACHINE
void add_scaled(float* sums, const float* row, float factor, uint64_t count) {
  uint64_t i = 0;
  for (; i + kFloats <= count; i += kFloats) {
    Floats sum, x;
    std::memcpy(&sum, sums + i, sizeof sum);
    std::memcpy(&x, row + i, sizeof x);
    sum += factor * x;
    std::memcpy(sums + i, &sum, sizeof sum);
  }
  for (; i < count; i++) sums[i] += factor * row[i];
}

}  // namespace nanogpt::emulation
