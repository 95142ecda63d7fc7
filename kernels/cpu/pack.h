// Packing: copies a block of a stored matrix into the order in which a microkernel reads it, as 32-bit words. A word is
// one float32, or two bf16 that are neighbours in k. Rows here are the rows of a, or the columns of b; `depth` counts k.
// Rows and words beyond the block are zero. Writes nothing outside the packed block; reads nothing outside the matrix.
// May include only gemm.h, simd.h and the standard library.
#pragma once
#include "gemm.h"
#include <utility>

namespace nanogpt::NANOGPT_ISA_NAMESPACE {

inline int64_t round_up(int64_t x, int64_t unit) { return (x + unit - 1) / unit * unit; }

// ---- Transposition of kLanes x kLanes words --------------------------------------------------------------------

// Each map gives, for element i of the result, its place in the pair (x, y): below kLanes in x, else in y. The first four
// work inside each group of four lanes, where every x86 set shuffles in one instruction.
struct UnpackLow {
  static constexpr int at(int i) { return i / 4 * 4 + i % 4 / 2 + i % 2 * kLanes; }
};
struct UnpackHigh {
  static constexpr int at(int i) { return UnpackLow::at(i) + 2; }
};
struct LowPairs {
  static constexpr int at(int i) { return i / 4 * 4 + i % 2 + i % 4 / 2 * kLanes; }
};
struct HighPairs {
  static constexpr int at(int i) { return LowPairs::at(i) + 2; }
};
// Exchange of groups of four lanes whose numbers differ in bit kBit.
template <int kBit>
struct FirstGroups {
  static constexpr int at(int i) { return (i / 4 & kBit) != 0 ? i - 4 * kBit + kLanes : i; }
};
template <int kBit>
struct SecondGroups {
  static constexpr int at(int i) { return (i / 4 & kBit) != 0 ? i + kLanes : i + 4 * kBit; }
};

template <class Map, int... kIndex>
inline vf shuffle_as(vf x, vf y, std::integer_sequence<int, kIndex...>) {
  return __builtin_shufflevector(x, y, Map::at(kIndex)...);
}
template <class Map>
inline vf shuffle(vf x, vf y) {
  return shuffle_as<Map>(x, y, std::make_integer_sequence<int, kLanes>());
}

template <int kBit>
inline void exchange_groups(vf (&rows)[kLanes]) {
  if constexpr (kBit * 4 < kLanes) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i++) {
      if ((i / 4 & kBit) != 0) continue;
      const vf x = rows[i], y = rows[i + 4 * kBit];
      rows[i] = shuffle<FirstGroups<kBit>>(x, y);
      rows[i + 4 * kBit] = shuffle<SecondGroups<kBit>>(x, y);
    }
    exchange_groups<kBit * 2>(rows);
  }
}

inline void transpose(vf (&rows)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; i += 4) {
    const vf low01 = shuffle<UnpackLow>(rows[i], rows[i + 1]), high01 = shuffle<UnpackHigh>(rows[i], rows[i + 1]);
    const vf low23 = shuffle<UnpackLow>(rows[i + 2], rows[i + 3]), high23 = shuffle<UnpackHigh>(rows[i + 2], rows[i + 3]);
    rows[i] = shuffle<LowPairs>(low01, low23);
    rows[i + 1] = shuffle<HighPairs>(low01, low23);
    rows[i + 2] = shuffle<LowPairs>(high01, high23);
    rows[i + 3] = shuffle<HighPairs>(high01, high23);
  }
  exchange_groups<1>(rows);
}

// ---- Words -----------------------------------------------------------------------------------------------------

template <class T>
inline vf load_up_to(const T* p, int64_t n) {
  return n >= kLanes ? load(p) : load_part(p, static_cast<int>(n > 0 ? n : 0));
}

// One float32 a word; kRound keeps only what bf16 can hold, for sets that multiply bf16 as float32.
template <bool kRound>
struct FloatWord {
  static constexpr int kDepth = 1;

  static vf rounded(vf x) {
    if constexpr (kRound) return bits_as<vf>(__builtin_convertvector(round_to_bf16(x), vu) << 16);
    return x;
  }
  static vf rounded_if(vf x, const float*) { return rounded(x); }
  static vf rounded_if(vf x, const bf16*) { return x; }

  // kLanes words of one row from p on, of which n elements exist.
  template <class T>
  static vf along_k(const T* p, int64_t n) {
    return rounded_if(load_up_to(p, n), p);
  }
  // One word of each of kLanes rows from p on, of which `rows` exist. (Pairs also use the line `ld` further on.)
  template <class T>
  static vf along_rows(const T* p, int64_t, int64_t, int64_t rows) {
    return rounded_if(load_up_to(p, rows), p);
  }
};

// Two bf16 a word, the lower k in the lower half.
struct PairWord {
  static constexpr int kDepth = 2;

  static vu bits_of(const bf16* p, int64_t n) { return bits_as<vu>(load_up_to(p, n)) >> 16; }
  static vu bits_of(const float* p, int64_t n) { return __builtin_convertvector(round_to_bf16(load_up_to(p, n)), vu); }

  static vf along_k(const bf16* p, int64_t n) {
    vf words = {};
    if (n >= 2 * kLanes) {
      std::memcpy(&words, p, sizeof words);
    } else if (n > 0) {
      std::memcpy(&words, p, static_cast<size_t>(n) * sizeof(bf16));
    }
    return words;
  }
  static vf along_k(const float* p, int64_t n) {
    const vh halves[2] = {round_to_bf16(load_up_to(p, n)), round_to_bf16(load_up_to(n > kLanes ? p + kLanes : p, n - kLanes))};
    vf words;
    std::memcpy(&words, halves, sizeof words);
    return words;
  }
  template <class T>
  static vf along_rows(const T* p, int64_t ld, int64_t depth, int64_t rows) {
    const vu low = bits_of(p, rows);
    return bits_as<vf>(depth > 1 ? low | bits_of(p + ld, rows) << 16 : low);
  }
};

// ---- Layouts ---------------------------------------------------------------------------------------------------

// A block of a stored matrix, from its first element on.
template <class T>
struct Block {
  const T* data;
  int64_t ld;
  int64_t rows, depth;  // elements that exist
};

// Strips of kWidth rows; in a strip, words[k][row].
template <class Word, int kWidth>
struct StripLayout {
  static_assert(kWidth % kLanes == 0 || kWidth < kLanes);
  static constexpr int kStrip = kWidth;
  static constexpr int kStore = kWidth < kLanes ? kWidth : kLanes;

  // Stores a vector at word k of a strip. A strip narrower than a vector is written in rising k, each store's surplus
  // overwritten by the next; its last must be exact.
  static void put(float* strip, int64_t k, int64_t words, int offset, vf x) {
    float* to = strip + k * kWidth + offset;
    if (kStore == kLanes || k + 1 < words) {
      store(to, x);
    } else {
      store_part(to, x, kStore);
    }
  }

  // Elements of a row are neighbours in k: transposes kLanes rows by kLanes words at a time.
  template <class T>
  static void pack_rows(float* strip, const Block<T>& block, int64_t words) {
    constexpr int64_t kStep = int64_t{kLanes} * Word::kDepth;
    for (int64_t k = 0; k < words; k += kLanes) {
      const int64_t left = block.depth - k * Word::kDepth;
      for (int offset = 0; offset < kWidth; offset += kLanes) {
        vf rows[kLanes] = {};
        const T* from = block.data + offset * block.ld + k * Word::kDepth;
        if (left >= kStep && block.rows >= offset + kStore) {
#pragma GCC unroll 16
          for (int i = 0; i < kStore; i++) rows[i] = Word::along_k(from + i * block.ld, kStep);
        } else if (left > 0) {
          for (int i = 0; i < kStore && offset + i < block.rows; i++) rows[i] = Word::along_k(from + i * block.ld, left);
        }
        transpose(rows);
        for (int i = 0; i < kLanes && k + i < words; i++) put(strip, k + i, words, offset, rows[i]);
      }
    }
  }

  // Rows are neighbours in memory: a word of kLanes rows is one load (two for pairs).
  template <class T>
  static void pack_columns(float* strip, const Block<T>& block, int64_t k_begin, int64_t k_end, int64_t words) {
    for (int64_t k = k_begin; k < k_end; k++) {
      const T* from = block.data + k * Word::kDepth * block.ld;
      const int64_t left = block.depth - k * Word::kDepth;
      for (int offset = 0; offset < kWidth; offset += kLanes) {
        vf x = {};
        if (left > 0 && block.rows > offset) x = Word::along_rows(from + offset, block.ld, left, block.rows - offset);
        put(strip, k, words, offset, x);
      }
    }
  }
};

#if defined(NANOGPT_TILES)

// Strips of 16 rows cut into tiles of 16 words of k; in a tile, words[row][k]. For operand a of a tile product.
template <class Word>
struct TileLayout {
  static constexpr int kStrip = 16;
  static_assert(kLanes == kStrip);

  template <class T>
  static void pack_rows(float* strip, const Block<T>& block, int64_t words) {
    for (int64_t k = 0; k < words; k += kLanes) {
      const int64_t left = block.depth - k * Word::kDepth;
      for (int i = 0; i < kStrip; i++) {
        vf x = {};
        if (i < block.rows && left > 0) x = Word::along_k(block.data + i * block.ld + k * Word::kDepth, left);
        store(strip + k * kStrip + i * kLanes, x);
      }
    }
  }

  template <class T>
  static void pack_columns(float* strip, const Block<T>& block, int64_t k_begin, int64_t k_end, int64_t) {
    for (int64_t k = k_begin; k < k_end; k += kLanes) {
      vf columns[kLanes] = {};
      for (int i = 0; i < kLanes; i++) {
        const int64_t left = block.depth - (k + i) * Word::kDepth;
        const T* from = block.data + (k + i) * Word::kDepth * block.ld;
        if (left > 0 && block.rows > 0) columns[i] = Word::along_rows(from, block.ld, left, block.rows);
      }
      transpose(columns);
      for (int i = 0; i < kLanes; i++) store(strip + k * kStrip + i * kLanes, columns[i]);
    }
  }
};

#endif

// Packs `padded_rows` rows (a multiple of the strip, of which block.rows exist) by `words` words.
template <class Layout, class T>
void pack_block(float* out, const Block<T>& block, bool columns, int64_t padded_rows, int64_t words) {
  constexpr int64_t kStrip = Layout::kStrip;
  const auto strip_of = [&](int64_t row) {
    const int64_t step = columns ? 1 : block.ld;
    const int64_t rows = block.rows - row;  // those beyond the strip may be read, and are not kept
    return Block<T>{rows > 0 ? block.data + row * step : block.data, block.ld, rows, block.depth};
  };
  if (!columns) {
    for (int64_t row = 0; row < padded_rows; row += kStrip) Layout::pack_rows(out + row * words, strip_of(row), words);
    return;
  }
  // A few lines of memory at a time across all strips, so that each line and page is read once.
  constexpr int64_t kLines = 16;
  for (int64_t k = 0; k < words; k += kLines) {
    const int64_t end = k + kLines < words ? k + kLines : words;
    for (int64_t row = 0; row < padded_rows; row += kStrip)
      Layout::pack_columns(out + row * words, strip_of(row), k, end, words);
  }
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
