// What the attention kernels share: which tile of which head a block serves, and the interval mask, by which row n sees the
// rows start[n]..n of its sequence. For the simple ones also tiles of rows in shared memory as floats. Computes no
// attention itself. May include only attention.h and device.h.
#pragma once
#include "attention.h"
#include "device.h"

namespace nanogpt::cuda {

constexpr float kLog2E = 1.4426950408889634f;

// Rows [first, first + count) of the whole [N].
struct TileRows {
  uint32_t first, count;
  DEVICE uint32_t end() const { return first + count; }
};

// The tile of a block. Heads vary fastest: blocks that run at the same time then read neighbouring keys.
struct Place {
  uint32_t head, sequence, tile;
};

DEVICE Place place_of_block(const AttentionShape& s) {
  const uint32_t rest = blockIdx.x / s.H;
  return {blockIdx.x % s.H, rest / s.tiles, rest % s.tiles};
}

DEVICE TileRows rows_of(const AttentionShape& s, uint32_t sequence, uint32_t tile) {
  const uint32_t begin = tile * s.rows, left = s.T - begin;
  return {sequence * s.T + begin, left < s.rows ? left : s.rows};
}

// First tile that a tile of queries sees: its first row sees furthest back.
DEVICE uint32_t first_key_tile(const AttentionShape& s, uint32_t sequence, const TileRows& queries) {
  const uint32_t begin = sequence * s.T, start = static_cast<uint32_t>(s.start[queries.first]);
  return (start - begin) / s.rows;
}

// One past the last row of the sequence that sees a key: start never moves back, so the rows that see it come first.
DEVICE uint32_t end_of_queries(const AttentionShape& s, uint32_t sequence, uint32_t key) {
  uint32_t low = key + 1, high = (sequence + 1) * s.T;  // rows before `low` see it, rows from `high` on do not
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (static_cast<uint32_t>(s.start[middle]) <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

// The key tiles of `rows` rows that queries first..last of a sequence see: those from `first` on to `last`, of which
// [free, masked) are seen whole by all of them.
struct KeyTiles {
  uint32_t first, free, masked, last;
};

template <uint32_t rows>
DEVICE KeyTiles key_tiles(const AttentionShape& s, uint32_t begin, uint32_t first_query, uint32_t last_query) {
  const uint32_t first_start = static_cast<uint32_t>(s.start[first_query]) - begin;
  const uint32_t last_start = static_cast<uint32_t>(s.start[last_query]) - begin;
  const uint32_t free = (last_start + rows - 1) / rows, masked = (first_query - begin + 1) / rows;
  return {first_start / rows, free, masked > free ? masked : free, (last_query - begin) / rows};
}

// All of a warpgroup's work on its queries: it begins with the first tile, which it takes to be masked, visits the others,
// those without a mask in a loop of their own that compares nothing, and finishes.
template <class Worker>
DEVICE void visit_key_tiles(Worker& worker, const KeyTiles& tiles) {
  const uint32_t second = tiles.first + 1;
  worker.begin();
  worker.template visit<true>(second, tiles.free);
  worker.template visit<false>(second > tiles.free ? second : tiles.free, tiles.masked);
  worker.template visit<true>(second > tiles.masked ? second : tiles.masked, tiles.last + 1);
  worker.finish();
}

// The query tiles of `rows` rows that see keys first_key..last_key of a sequence: those from `first` on to `last`, of which
// [free, masked) see all of these keys whole.
struct QueryTiles {
  uint32_t first, free, masked, last;
};

// By all lanes of a warp, a tile a lane: with a window of 1,024 a single look at the starts of 32 tiles says all.
template <uint32_t rows>
DEVICE QueryTiles query_tiles(const AttentionShape& s, uint32_t begin, uint32_t first_key, uint32_t last_key) {
  const uint32_t end = begin + s.T, first = (first_key - begin) / rows, free = (last_key - begin + rows - 1) / rows;
  uint32_t seen = first, whole = first;  // the first tile with no query that sees any, and that with one that does not see all
  for (uint32_t found = 32; found == 32;) {
    const uint32_t row = begin + (seen + lane_index()) * rows, last_row = (row + rows < end ? row + rows : end) - 1;
    const bool exists = row < end;  // start never moves back: a tile's first query sees furthest back, its last least far
    const uint32_t first_start = exists ? static_cast<uint32_t>(s.start[row]) : end;
    const uint32_t last_start = exists ? static_cast<uint32_t>(s.start[last_row]) : end;
    found = count_bits(ballot(first_start <= last_key));
    whole += count_bits(ballot(last_start <= first_key));
    seen += found;
  }
  return {first, free, whole > free ? whole : free, seen - 1};
}

DEVICE bool sees(uint32_t query, uint32_t start, uint32_t key) { return start <= key && key <= query; }

// Hands out shared memory.
struct SharedFloats {
  float* next = reinterpret_cast<float*>(dynamic_shared());
  DEVICE float* take(uint32_t floats) {
    float* const taken = next;
    next += floats;
    return taken;
  }
};

// Calls body(row, column) over [rows, columns]: rows by warps, columns by lanes.
template <class Body>
DEVICE void for_tile(uint32_t rows, uint32_t columns, Body body) {
  for (uint32_t row = warp_index(); row < rows; row += blockDim.x / 32)
    for (uint32_t column = lane_index(); column < columns; column += 32) body(row, column);
}

// tile[i][d] = row i of one head of act[N,H,D], with D + 1 floats from row to row.
template <class T>
DEVICE void load_tile(float* tile, const void* base, const AttentionShape& s, const TileRows& rows, uint32_t head) {
  const T* const from = static_cast<const T*>(base);
  for_tile(rows.count, s.D, [&](uint32_t i, uint32_t d) {
    tile[i * (s.D + 1) + d] = to_float(from[(size_t{rows.first + i} * s.H + head) * s.D + d]);
  });
}

template <class T>
DEVICE void store_element(void* base, const AttentionShape& s, uint32_t row, uint32_t head, uint32_t d, float x) {
  static_cast<T*>(base)[(size_t{row} * s.H + head) * s.D + d] = from_float<T>(x);
}

DEVICE float dot(const float* a, const float* b, uint32_t count) {
  float sum = 0.0f;
  for (uint32_t i = 0; i < count; i++) sum += a[i] * b[i];
  return sum;
}

// Sum over i of weights[i] * column[i * stride].
DEVICE float weighted_sum(const float* weights, const float* column, uint32_t stride, uint32_t count) {
  float sum = 0.0f;
  for (uint32_t i = 0; i < count; i++) sum += weights[i] * column[i * stride];
  return sum;
}

}  // namespace nanogpt::cuda
