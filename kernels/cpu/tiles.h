// The two instruction groups that GCC's vectors cannot express: AVX-512's bf16 dot product and AMX tiles. Each has two
// bodies: the instruction, and with NANOGPT_SIMULATE_ISA plain C++ with the documented semantics, so that layouts and
// packing are proven on machines without them. Defines what NANOGPT_BF16_DOTS and NANOGPT_TILES ask for, nothing else.
// Source of the semantics: Intel, "Architecture Instruction Set Extensions Programming Reference", chapter on AMX, and
// the SDM entry of VDPBF16PS. May include only simd.h, the standard library and the compiler's intrinsics.
#pragma once
#include "simd.h"
#include <cmath>
#include <cstdio>
#include <cstdlib>
#if !defined(NANOGPT_SIMULATE_ISA) && (defined(NANOGPT_BF16_DOTS) || defined(NANOGPT_TILES))
#include <immintrin.h>
#endif

namespace nanogpt::NANOGPT_ISA_NAMESPACE {

constexpr int kTileRows = 16;   // rows of a tile
constexpr int kTileWords = 16;  // 32-bit words in a row of a tile

// The layout that LDTILECFG reads (palette 1): bytes a row and rows of each of the eight tiles.
struct alignas(64) TileShapes {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};
static_assert(sizeof(TileShapes) == 64);

#if defined(NANOGPT_SIMULATE_ISA)

// Both instructions read denormal inputs as zero and flush denormal results, whatever MXCSR says.
inline float flush_denormal(float x) { return std::fabs(x) < 1.17549435e-38f ? std::copysign(0.0f, x) : x; }
inline float half_of(uint32_t word, int index) {
  return flush_denormal(bits_as<float>(index == 0 ? word << 16 : word & 0xffff0000u));
}

#if defined(NANOGPT_BF16_DOTS)
// acc[i] += a[2i+1]*b[2i+1], then += a[2i]*b[2i], each step rounded once.
inline vf dot_pairs(vf acc, vf a, vf b) {
  const vu wa = bits_as<vu>(a), wb = bits_as<vu>(b);
  for (int i = 0; i < kLanes; i++)
    for (int half = 1; half >= 0; half--)
      acc[i] = flush_denormal(std::fma(half_of(wa[i], half), half_of(wb[i], half), flush_denormal(acc[i])));
  return acc;
}
#endif

#if defined(NANOGPT_TILES)
struct TileState {
  TileShapes shapes;
  uint32_t words[8][kTileRows][kTileWords];
};
inline TileState& tile_state() {
  static thread_local TileState state{};
  return state;
}
// What the processor would answer with an exception.
inline void require_tiles(bool legal, const char* what) {
  if (legal) return;
  std::fprintf(stderr, "internal: simulated tiles: %s\n", what);
  std::abort();
}

inline void load_tile_shapes(const TileShapes& shapes) {
  require_tiles(shapes.palette == 1 && shapes.start_row == 0, "expected palette 1 from row 0");
  for (int t = 0; t < 8; t++)
    require_tiles(shapes.rows[t] <= kTileRows && shapes.row_bytes[t] <= 64, "a tile is at most 16 rows of 64 bytes");
  for (int t = 8; t < 16; t++) require_tiles(shapes.rows[t] == 0 && shapes.row_bytes[t] == 0, "palette 1 has 8 tiles");
  tile_state() = TileState{shapes, {}};
}
inline void release_tiles() { tile_state() = TileState{}; }

inline void check_tile(int t) {
  const TileShapes& s = tile_state().shapes;
  require_tiles(s.palette == 1 && s.rows[t] > 0 && s.row_bytes[t] > 0 && s.row_bytes[t] % 4 == 0, "tile not configured");
}
template <int kTile>
inline void zero_tile() {
  check_tile(kTile);
  std::memset(tile_state().words[kTile], 0, sizeof tile_state().words[kTile]);
}
template <int kTile>
inline void load_tile(const void* from, int64_t stride_bytes) {
  zero_tile<kTile>();
  const TileShapes& s = tile_state().shapes;
  for (int r = 0; r < s.rows[kTile]; r++)
    std::memcpy(tile_state().words[kTile][r], static_cast<const char*>(from) + r * stride_bytes, s.row_bytes[kTile]);
}
template <int kTile>
inline void store_tile(void* to, int64_t stride_bytes) {
  check_tile(kTile);
  const TileShapes& s = tile_state().shapes;
  for (int r = 0; r < s.rows[kTile]; r++)
    std::memcpy(static_cast<char*>(to) + r * stride_bytes, tile_state().words[kTile][r], s.row_bytes[kTile]);
}
// TDPBF16PS: sums of the even and of the odd products over k, fused multiply-adds; their sum is added to c.
template <int kC, int kA, int kB>
inline void dot_tiles() {
  TileState& state = tile_state();
  const TileShapes& s = state.shapes;
  check_tile(kC), check_tile(kA), check_tile(kB);
  require_tiles(s.rows[kC] == s.rows[kA] && s.row_bytes[kC] == s.row_bytes[kB] && s.row_bytes[kA] / 4 == s.rows[kB],
                "shapes of c, a and b do not multiply");
  const int columns = s.row_bytes[kC] / 4;
  for (int m = 0; m < s.rows[kA]; m++) {
    float even[kTileWords] = {}, odd[kTileWords] = {};
    for (int k = 0; k < s.row_bytes[kA] / 4; k++) {
      const uint32_t a = state.words[kA][m][k];
      for (int n = 0; n < columns; n++) {
        even[n] = std::fma(half_of(a, 0), half_of(state.words[kB][k][n], 0), even[n]);
        odd[n] = std::fma(half_of(a, 1), half_of(state.words[kB][k][n], 1), odd[n]);
      }
    }
    for (int n = 0; n < columns; n++) {
      const float c = flush_denormal(bits_as<float>(state.words[kC][m][n]));
      state.words[kC][m][n] = bits_as<uint32_t>(flush_denormal(c + flush_denormal(even[n] + odd[n])));
    }
  }
}
#endif

#else  // the instructions

#if defined(NANOGPT_BF16_DOTS)
inline vf dot_pairs(vf acc, vf a, vf b) { return (vf)_mm512_dpbf16_ps((__m512)acc, (__m512bh)a, (__m512bh)b); }
#endif

#if defined(NANOGPT_TILES)
// Own statements rather than intrinsics: GCC's tile loads do not say that they read memory, so that it may move the
// stores of packed operands behind them.
inline void load_tile_shapes(const TileShapes& shapes) { asm volatile("ldtilecfg %0" ::"m"(shapes)); }
inline void release_tiles() { asm volatile("tilerelease"); }
template <int kTile>
inline void zero_tile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}
template <int kTile>
inline void load_tile(const void* from, int64_t stride_bytes) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride_bytes), "i"(kTile) : "memory");
}
template <int kTile>
inline void store_tile(void* to, int64_t stride_bytes) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride_bytes), "i"(kTile) : "memory");
}
template <int kC, int kA, int kB>
inline void dot_tiles() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kC), "i"(kA), "i"(kB));
}
#endif

#endif

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
