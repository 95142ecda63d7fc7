// The microkernels: c[kRows][kColumns] (+)= a b for one strip of packed a and one of packed b, kept in registers over k.
// An engine is a microkernel with its layouts; all engines look alike to gemm.cpp, which knows no instruction. `words` of
// k are multiplied, of the `a_words` to which a was packed; rows from `rows` on need not be computed.
// May include only pack.h, tiles.h and what they include.
#pragma once
#include "pack.h"
#include "tiles.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {

// Accumulators: as many as the registers hold beside one strip of b and a spread element of a. 16 vector registers hold
// 6 x 2 (SSE: 4 x 2, which has no fused multiply-add and needs one more for the product), 32 hold 14 x 2. Two vectors
// wide keeps loads (2 + kRows a step) below fused multiply-adds (2 kRows), of which two start in a cycle.
constexpr int kVectorRows = kLanes == 16 ? 14 : kLanes == 8 ? 6 : 4;
constexpr int kVectorColumns = 2 * kLanes;
// Rows of the short form, for a last strip that is not full: enough accumulators to hide a multiply-add's latency.
constexpr int kShortRows = kVectorRows / 2 + 1;

// What a task does before its products and undoes after them; only tiles need anything.
struct NoSession {
  NoSession() {}
  ~NoSession() {}
};

// Adds the product of one word of a and one vector of words of b.
struct FloatStep {
  static vf spread(const float* word) { return splat(*word); }
  static vf add(vf acc, vf a, vf b) { return acc + a * b; }
};

// The first kCount rows of a strip.
template <class Step, int kCount>
inline void multiply_vectors(int64_t words, const float* a, const float* b, float* c, int64_t ldc, bool accumulate) {
  vf acc[kCount][2] = {};
#pragma GCC unroll 2
  for (int64_t k = 0; k < words; k++) {
    const vf b0 = load(b), b1 = load(b + kLanes);
#pragma GCC unroll 14
    for (int i = 0; i < kCount; i++) {
      const vf spread = Step::spread(a + i);
      acc[i][0] = Step::add(acc[i][0], spread, b0);
      acc[i][1] = Step::add(acc[i][1], spread, b1);
    }
    a += kVectorRows;
    b += kVectorColumns;
  }
#pragma GCC unroll 14
  for (int i = 0; i < kCount; i++) {
    float* row = c + i * ldc;
    store(row, accumulate ? load(row) + acc[i][0] : acc[i][0]);
    store(row + kLanes, accumulate ? load(row + kLanes) + acc[i][1] : acc[i][1]);
  }
}

template <class WordType, class Step>
struct VectorEngine {
  using Word = WordType;
  using Session = NoSession;
  using LayoutA = StripLayout<Word, kVectorRows>;
  using LayoutB = StripLayout<Word, kVectorColumns>;
  static constexpr int kRows = kVectorRows, kColumns = kVectorColumns;
  static constexpr int kDepthUnit = Word::kDepth;  // k is padded to a multiple
  static void multiply(int64_t words, const float* a, int64_t, const float* b, float* c, int64_t ldc, bool accumulate,
                       int64_t rows) {
    if (rows > kShortRows) multiply_vectors<Step, kVectorRows>(words, a, b, c, ldc, accumulate);
    else multiply_vectors<Step, kShortRows>(words, a, b, c, ldc, accumulate);
  }
};

using FloatEngine = VectorEngine<FloatWord<false>, FloatStep>;

#if defined(NANOGPT_TILES)

// Tile registers belong to a thread and must be configured before use; giving them back keeps switches cheap.
struct TileSession {
  TileSession() {
    TileShapes shapes{};
    shapes.palette = 1;
    for (int t = 0; t < 8; t++) {
      shapes.rows[t] = kTileRows;
      shapes.row_bytes[t] = kTileWords * 4;
    }
    load_tile_shapes(shapes);
  }
  ~TileSession() { release_tiles(); }
  TileSession(const TileSession&) = delete;
  TileSession& operator=(const TileSession&) = delete;
};

// 2 x 2 accumulator tiles (0 to 3), two of a (4, 5), two of b (6, 7): four loads for four products, the most that the
// eight tiles allow.
struct TileEngine {
  using Word = PairWord;
  using Session = TileSession;
  using LayoutA = TileLayout<Word>;
  using LayoutB = StripLayout<Word, kTileWords>;
  static constexpr int kRows = 2 * kTileRows, kColumns = 2 * kTileWords;
  static constexpr int kDepthUnit = kTileWords * Word::kDepth;

  // Not inlined: its few pointers then stay in registers.
  [[gnu::noinline]] static void multiply(int64_t words, const float* a, int64_t a_words, const float* b, float* c,
                                         int64_t ldc, bool accumulate, int64_t) {
    constexpr int kTile = kTileRows * kTileWords;
    const int64_t stride = ldc * 4;
    float* const lower = c + kTileRows * ldc;
    if (accumulate) {
      load_tile<0>(c, stride), load_tile<1>(c + kTileWords, stride);
      load_tile<2>(lower, stride), load_tile<3>(lower + kTileWords, stride);
    } else {
      zero_tile<0>(), zero_tile<1>(), zero_tile<2>(), zero_tile<3>();
    }
    const float* const a_end = a + kTileRows * words;
    const float *a1 = a + kTileRows * a_words, *b1 = b + kTileWords * words;
    for (; a < a_end; a += kTile, b += kTile, a1 += kTile, b1 += kTile) {
      load_tile<4>(a, 64), load_tile<6>(b, 64);
      dot_tiles<0, 4, 6>();
      load_tile<7>(b1, 64);
      dot_tiles<1, 4, 7>();
      load_tile<5>(a1, 64);
      dot_tiles<2, 5, 6>();
      dot_tiles<3, 5, 7>();
    }
    store_tile<0>(c, stride), store_tile<1>(c + kTileWords, stride);
    store_tile<2>(lower, stride), store_tile<3>(lower + kTileWords, stride);
  }
};
using Bf16Engine = TileEngine;

#elif defined(NANOGPT_BF16_DOTS)

struct DotStep {
  static vf spread(const float* word) { return bits_as<vf>(splat(bits_as<int32_t>(*word))); }
  static vf add(vf acc, vf a, vf b) { return dot_pairs(acc, a, b); }
};
using Bf16Engine = VectorEngine<PairWord, DotStep>;

#else

// bf16 values are float32 values: products of two are exact in float32, and so are widened operands.
using Bf16Engine = VectorEngine<FloatWord<true>, FloatStep>;

#endif

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
