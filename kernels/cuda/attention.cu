// Attention forward in its simple form, for any head width and type: a block takes one tile of queries of one head through
// the key tiles that it sees, with the online softmax in float32. Tiles lie in shared memory as floats; lanes meet at
// barriers between tiles only. May include only attention_tiles.h.
#include "attention_tiles.h"

namespace nanogpt::cuda {

// What a block keeps of its queries while the keys pass by; a value for each row.
struct Softmax {
  float* scores;   // [rows, rows + 1]: scores, then their exponentials
  float* maximum;  // of the row's scores so far
  float* sum;      // of exp(score - maximum)
  float* factor;   // what the last tile's new maximum makes of earlier sums
};

// One thread's row: scores of this key tile become exponentials; maximum, sum and factor follow.
DEVICE void softmax_row(const AttentionShape& s, const Softmax& softmax, uint32_t row, uint32_t query, const TileRows& keys) {
  float* const scores = softmax.scores + row * (s.rows + 1);
  const uint32_t start = static_cast<uint32_t>(s.start[query]);
  const float before = softmax.maximum[row];
  float most = before;
  for (uint32_t j = 0; j < keys.count; j++)
    if (sees(query, start, keys.first + j) && scores[j] > most) most = scores[j];
  const float shift = most == -INFINITY ? 0.0f : most;  // infinite: no key seen yet
  float sum = 0.0f;
  for (uint32_t j = 0; j < keys.count; j++) {
    scores[j] = sees(query, start, keys.first + j) ? expf(scores[j] - shift) : 0.0f;
    sum += scores[j];
  }
  const float factor = expf(before - shift);
  softmax.maximum[row] = most;
  softmax.sum[row] = softmax.sum[row] * factor + sum;
  softmax.factor[row] = factor;
}

template <class T>
DEVICE void attention(const AttentionParams& p) {
  const AttentionShape& s = p.shape;
  const Place place = place_of_block(s);
  const TileRows queries = rows_of(s, place.sequence, place.tile);
  SharedFloats shared;
  float* const q = shared.take(tile_floats(s.rows, s.D));
  float* const k = shared.take(tile_floats(s.rows, s.D));
  float* const v = shared.take(tile_floats(s.rows, s.D));
  float* const y = shared.take(tile_floats(s.rows, s.D));
  const Softmax softmax{shared.take(tile_floats(s.rows, s.rows)), shared.take(s.rows), shared.take(s.rows), shared.take(s.rows)};
  const uint32_t pitch = s.D + 1;

  load_tile<T>(q, p.q, s, queries, place.head);
  for_tile(queries.count, s.D, [&](uint32_t i, uint32_t d) { y[i * pitch + d] = 0.0f; });
  if (threadIdx.x < queries.count) softmax.maximum[threadIdx.x] = -INFINITY, softmax.sum[threadIdx.x] = 0.0f;
  for (uint32_t j = first_key_tile(s, place.sequence, queries); j <= place.tile; j++) {
    const TileRows keys = rows_of(s, place.sequence, j);
    load_tile<T>(k, p.k, s, keys, place.head);
    load_tile<T>(v, p.v, s, keys, place.head);
    block_sync();
    for_tile(queries.count, keys.count, [&](uint32_t row, uint32_t key) {
      softmax.scores[row * (s.rows + 1) + key] = s.scale * dot(q + row * pitch, k + key * pitch, s.D);
    });
    block_sync();
    if (threadIdx.x < queries.count) softmax_row(s, softmax, threadIdx.x, queries.first + threadIdx.x, keys);
    block_sync();
    for_tile(queries.count, s.D, [&](uint32_t row, uint32_t d) {
      const float sum = weighted_sum(softmax.scores + row * (s.rows + 1), v + d, pitch, keys.count);
      y[row * pitch + d] = y[row * pitch + d] * softmax.factor[row] + sum;
    });
    block_sync();
  }
  for_tile(queries.count, s.D, [&](uint32_t row, uint32_t d) {
    store_element<T>(p.y, s, queries.first + row, place.head, d, y[row * pitch + d] / softmax.sum[row]);
  });
  if (threadIdx.x >= queries.count) return;
  p.lse[size_t{queries.first + threadIdx.x} * s.H + place.head] = softmax.maximum[threadIdx.x] + logf(softmax.sum[threadIdx.x]);
}
KERNEL(attention_f32, AttentionParams, 128) { attention<float>(params); }
KERNEL(attention_bf16, AttentionParams, 128) { attention<bf16>(params); }

}  // namespace nanogpt::cuda
