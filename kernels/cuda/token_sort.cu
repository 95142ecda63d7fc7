// Kernels of one pass of the sort of positions by token (token_sort.h). Equal digits keep their order: a tile takes its
// positions in rounds of a block, and a lane's place among equals is told by votes, never by who came first.
// May include only reduce.h, token_sort.h and token_keys.h.
#include "token_sort.h"
#include "reduce.h"
#include "token_keys.h"

namespace nanogpt::cuda {

// A position of the pass's input and its digit; `any` is false past the end.
struct Sorted {
  uint32_t position, digit;
  bool any;
};

DEVICE Sorted sorted_at(const TokenSortParams& p, uint32_t i) {
  if (i >= p.keys.N) return {0, 0, false};
  const uint32_t position = p.from == nullptr ? i : p.from[i];
  return {position, key_at(p.keys, position) >> p.shift & (kDigits - 1), true};
}

KERNEL(token_sort_count, TokenSortParams, 256) {
  const TokenSortParams& p = params;
  uint32_t* const counts = reinterpret_cast<uint32_t*>(dynamic_shared());
  counts[threadIdx.x] = 0;
  block_sync();
  for (uint32_t i = threadIdx.x; i < kSortTile; i += kSortThreads) {
    const Sorted s = sorted_at(p, blockIdx.x * kSortTile + i);
    if (!s.any) continue;
    atomic_add(counts + s.digit, 1);
    const int32_t token = p.keys.tokens[s.position];
    if (p.from == nullptr && key_at(p.keys, s.position) == p.keys.V)
      report_input(p.error, InputLimit::token, s.position, token, p.keys.V);
  }
  block_sync();
  p.counts[threadIdx.x * p.tiles + blockIdx.x] = counts[threadIdx.x];
}

// Sum over the lanes up to this one.
DEVICE uint32_t running_sum(uint32_t x) {
  for (uint32_t lanes = 1; lanes < 32; lanes *= 2) {
    const uint32_t below = shuffle_up(x, lanes);
    if (lane_index() >= lanes) x += below;
  }
  return x;
}

// Counts become places: of each digit in each tile, the number of positions with a smaller digit, or with this one in an
// earlier tile. One block; a warp takes a digit's row at a time.
KERNEL(token_sort_places, TokenSortParams, 1024) {
  const TokenSortParams& p = params;
  uint32_t* const totals = reinterpret_cast<uint32_t*>(dynamic_shared());
  const auto add = [](uint32_t a, uint32_t b) { return a + b; };
  for (uint32_t digit = warp_index(); digit < kDigits; digit += kSortScanThreads / 32) {
    uint32_t sum = 0;
    for (uint32_t tile = lane_index(); tile < p.tiles; tile += 32) sum += p.counts[digit * p.tiles + tile];
    sum = warp_reduce(sum, add);
    if (lane_index() == 0) totals[digit] = sum;
  }
  block_sync();
  if (warp_index() == 0) {
    uint32_t before = 0;
    for (uint32_t first = 0; first < kDigits; first += 32) {
      const uint32_t total = totals[first + lane_index()];
      const uint32_t up_to_here = running_sum(total);
      totals[first + lane_index()] = before + up_to_here - total;
      before += shuffle(up_to_here, 31);
    }
  }
  block_sync();
  for (uint32_t digit = warp_index(); digit < kDigits; digit += kSortScanThreads / 32) {
    uint32_t before = totals[digit];
    for (uint32_t first = 0; first < p.tiles; first += 32) {
      const uint32_t tile = first + lane_index();
      const uint32_t count = tile < p.tiles ? p.counts[digit * p.tiles + tile] : 0;
      const uint32_t up_to_here = running_sum(count);
      if (tile < p.tiles) p.counts[digit * p.tiles + tile] = before + up_to_here - count;
      before += shuffle(up_to_here, 31);
    }
  }
}

// The lanes of this warp that have the same digit.
DEVICE uint32_t lanes_alike(const Sorted& s) {
  uint32_t alike = ballot(s.any);
  for (uint32_t bit = 1; bit < kDigits; bit *= 2) {
    const uint32_t set = ballot((s.digit & bit) != 0);
    alike &= (s.digit & bit) != 0 ? set : ~set;
  }
  return alike;
}

KERNEL(token_sort_scatter, TokenSortParams, 256) {
  const TokenSortParams& p = params;
  constexpr uint32_t kWarps = kSortThreads / 32;
  uint32_t* const places = reinterpret_cast<uint32_t*>(dynamic_shared());  // [kWarps, kDigits]
  uint32_t next = p.counts[threadIdx.x * p.tiles + blockIdx.x];  // the place of the next position with this thread's digit
  for (uint32_t i = threadIdx.x; i < kSortTile; i += kSortThreads) {
    for (uint32_t warp = 0; warp < kWarps; warp++) places[warp * kDigits + threadIdx.x] = 0;
    block_sync();
    const Sorted s = sorted_at(p, blockIdx.x * kSortTile + i);
    const uint32_t alike = lanes_alike(s);
    const uint32_t below = alike & ((1u << lane_index()) - 1);
    if (s.any && below == 0) places[warp_index() * kDigits + s.digit] = count_bits(alike);
    block_sync();
    for (uint32_t warp = 0; warp < kWarps; warp++) {
      const uint32_t count = places[warp * kDigits + threadIdx.x];
      places[warp * kDigits + threadIdx.x] = next;
      next += count;
    }
    block_sync();
    if (s.any) p.to[places[warp_index() * kDigits + s.digit] + count_bits(below)] = s.position;
    block_sync();
  }
}

}  // namespace nanogpt::cuda
