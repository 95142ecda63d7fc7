// Parameters of the kernels that find each row's first visible row, and the tiles of rows that both sides must agree on.
// Computes nothing and knows no device: attention_start in abi.h says what the numbers mean. May include only the standard
// library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda {

constexpr uint32_t kMaskThreads = 256;
constexpr uint32_t kMaskTile = 8 * kMaskThreads;  // rows of a block

// start, tokens: int32[N]. lasts: int32 a tile: the tile's last beginning of a document, -1 if it has none.
struct MaskParams {
  int32_t* start;
  int32_t* lasts;
  const int32_t* tokens;
  uint32_t N, T, window, eos;
};

}  // namespace nanogpt::cuda
