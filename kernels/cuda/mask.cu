// Kernels of attention_start: for each row the latest beginning of a document at or before it, where a sequence's first row
// begins one too, so that no sequence needs to be told apart. Tiles of rows: the last beginning of each, then every tile
// looks back over those of its sequence and runs a prefix maximum. May include only reduce.h and mask.h.
#include "mask.h"
#include "reduce.h"

namespace nanogpt::cuda {

constexpr uint32_t kEach = kMaskTile / kMaskThreads;

// Row n where it begins a document, else -1.
DEVICE int32_t beginning_at(const MaskParams& p, uint64_t n) {
  const bool begins = n < p.N && (static_cast<uint32_t>(p.tokens[n]) == p.eos || n % p.T == 0);
  return begins ? static_cast<int32_t>(n) : -1;
}

DEVICE int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }

// The largest over a block, in every thread; `shared` has room for one number a warp.
DEVICE int32_t block_largest(int32_t x, int32_t* shared) {
  x = warp_reduce(x, larger);
  if (lane_index() == 0) shared[warp_index()] = x;
  block_sync();
  int32_t largest = shared[0];
  for (uint32_t i = 1; i < kMaskThreads / 32; i++) largest = larger(largest, shared[i]);
  block_sync();
  return largest;
}

KERNEL(mask_lasts, MaskParams, 256) {
  int32_t last = -1;
  for (uint32_t i = 0; i < kEach; i++)
    last = larger(last, beginning_at(params, uint64_t{blockIdx.x} * kMaskTile + i * kMaskThreads + threadIdx.x));
  last = block_largest(last, reinterpret_cast<int32_t*>(dynamic_shared()));
  if (threadIdx.x == 0) params.lasts[blockIdx.x] = last;
}

// The last beginning before the tile that a row of it may need: none is earlier than its first row's sequence.
DEVICE int32_t last_before(const MaskParams& p, uint64_t first, int32_t* shared) {
  const uint32_t oldest = static_cast<uint32_t>((first - first % p.T) / kMaskTile);
  int32_t last = -1;
  for (uint32_t i = oldest + threadIdx.x; i < blockIdx.x; i += kMaskThreads) last = larger(last, p.lasts[i]);
  return block_largest(last, shared);
}

KERNEL(attention_start, MaskParams, 256) {
  const MaskParams& p = params;
  int32_t* const shared = reinterpret_cast<int32_t*>(dynamic_shared());
  const uint64_t first = uint64_t{blockIdx.x} * kMaskTile;
  const int32_t before = last_before(p, first, shared);

  // Each thread's rows are neighbours: `mine` is the last beginning among them, then among those of all lanes up to here.
  const uint64_t row = first + threadIdx.x * kEach;
  int32_t mine = -1;
  for (uint32_t i = 0; i < kEach; i++) mine = larger(mine, beginning_at(p, row + i));
  for (uint32_t lanes = 1; lanes < 32; lanes *= 2) mine = larger(mine, shuffle_up(mine, lanes));
  if (lane_index() == 31) shared[warp_index()] = mine;
  block_sync();
  int32_t document = before;
  for (uint32_t i = 0; i < warp_index(); i++) document = larger(document, shared[i]);
  const int32_t left = shuffle_up(mine, 1);
  if (lane_index() > 0) document = larger(document, left);

  for (uint32_t i = 0; i < kEach && row + i < p.N; i++) {
    const int64_t n = static_cast<int64_t>(row + i);
    document = larger(document, beginning_at(p, row + i));
    const int64_t oldest = n - p.window + 1;
    p.start[n] = oldest > document ? static_cast<int32_t>(oldest) : document;
  }
}

}  // namespace nanogpt::cuda
