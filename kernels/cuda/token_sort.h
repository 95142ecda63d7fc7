// Parameters of the kernels that sort the positions of tokens by token, and what both sides must agree on. A stable sort by
// digits of eight bits, the lowest first: tiles of positions count their digits, one block turns the counts into places,
// every tile puts its positions there. Computes nothing.
// May include only input_error.h and the standard library.
#pragma once
#include "input_error.h"
#include <cstdint>

namespace nanogpt::cuda {

constexpr uint32_t kDigits = 256;
constexpr uint32_t kSortThreads = kDigits;  // one digit a thread, too
constexpr uint32_t kSortTile = 8 * kSortThreads;
constexpr uint32_t kSortScanThreads = 1024;

// Tokens sort by their number; those outside 0..V-1 are reported and sort as V.
struct TokenKeys {
  const int32_t* tokens;  // int32[N]
  uint32_t N, V;
};

// One digit's pass. from, to: uint32[N], positions; from is null before the first pass: positions in order. counts:
// uint32[kDigits, tiles].
struct TokenSortParams {
  TokenKeys keys;
  const uint32_t* from;
  uint32_t* to;
  uint32_t* counts;
  InputError* error;
  uint32_t shift, tiles;
};

}  // namespace nanogpt::cuda
