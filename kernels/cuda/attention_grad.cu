// Attention backward in its simple form, for any head width and type: probabilities recomputed from the saved log of the
// sums, once by blocks that own a tile of queries (dq) and once by blocks that own a tile of keys (dk, dv). So every sum has
// one owner and a fixed order, and nothing is added atomically. May include only attention_tiles.h.
#include "attention_tiles.h"

namespace nanogpt::cuda {

// delta[n,h] = sum over D of dy*y; a thread a row.
template <class T>
DEVICE void attention_delta(const AttentionGradParams& p) {
  const size_t row = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (row >= size_t{p.shape.N} * p.shape.H) return;
  const T* const dy = static_cast<const T*>(p.dy) + row * p.shape.D;
  const T* const y = static_cast<const T*>(p.y) + row * p.shape.D;
  float sum = 0.0f;
  for (uint32_t d = 0; d < p.shape.D; d++) sum += to_float(dy[d]) * to_float(y[d]);
  p.delta[row] = sum;
}
KERNEL(attention_delta_f32, AttentionGradParams, 128) { attention_delta<float>(params); }
KERNEL(attention_delta_bf16, AttentionGradParams, 128) { attention_delta<bf16>(params); }

// Tiles of queries and keys with what the softmax's gradient needs.
struct GradTiles {
  float *q, *dy, *k, *v;           // [rows, D + 1]
  float *first, *second;           // sums of gradients, [rows, D + 1]
  float *probabilities, *dscores;  // [owner's row, other's row], rows + 1 apart
  float *lse, *delta;              // a value for each query

  DEVICE explicit GradTiles(const AttentionShape& s) {
    SharedFloats shared;
    for (float** tile : {&q, &dy, &k, &v, &first, &second}) *tile = shared.take(tile_floats(s.rows, s.D));
    probabilities = shared.take(tile_floats(s.rows, s.rows));
    dscores = shared.take(tile_floats(s.rows, s.rows));
    lse = shared.take(s.rows);
    delta = shared.take(s.rows);
  }
};

template <class T>
DEVICE void load_queries(const AttentionGradParams& p, const GradTiles& tiles, const TileRows& queries, uint32_t head) {
  const AttentionShape& s = p.shape;
  load_tile<T>(tiles.q, p.q, s, queries, head);
  load_tile<T>(tiles.dy, p.dy, s, queries, head);
  if (threadIdx.x >= queries.count) return;
  const size_t row = size_t{queries.first + threadIdx.x} * s.H + head;
  tiles.lse[threadIdx.x] = p.lse[row];
  tiles.delta[threadIdx.x] = p.delta[row];
}

template <class T>
DEVICE void load_keys(const AttentionGradParams& p, const GradTiles& tiles, const TileRows& keys, uint32_t head) {
  load_tile<T>(tiles.k, p.k, p.shape, keys, head);
  load_tile<T>(tiles.v, p.v, p.shape, keys, head);
}

// One pair's probability and the gradient of its score before scaling, at `place` of their tiles.
DEVICE void softmax_grad(const AttentionShape& s, const GradTiles& tiles, const TileRows& queries, const TileRows& keys,
                         uint32_t query, uint32_t key, uint32_t place) {
  const uint32_t pitch = s.D + 1, row = queries.first + query;
  float probability = 0.0f, dscore = 0.0f;
  if (sees(row, static_cast<uint32_t>(s.start[row]), keys.first + key)) {
    probability = expf(s.scale * dot(tiles.q + query * pitch, tiles.k + key * pitch, s.D) - tiles.lse[query]);
    dscore = probability * (dot(tiles.dy + query * pitch, tiles.v + key * pitch, s.D) - tiles.delta[query]);
  }
  tiles.probabilities[place] = probability;
  tiles.dscores[place] = dscore;
}

template <class T>
DEVICE void attention_dq(const AttentionGradParams& p) {
  const AttentionShape& s = p.shape;
  const Place place = place_of_block(s);
  const TileRows queries = rows_of(s, place.sequence, place.tile);
  const GradTiles tiles(s);
  float* const dq = tiles.first;
  const uint32_t pitch = s.D + 1, score_pitch = s.rows + 1;

  load_queries<T>(p, tiles, queries, place.head);
  for_tile(queries.count, s.D, [&](uint32_t i, uint32_t d) { dq[i * pitch + d] = 0.0f; });
  for (uint32_t j = first_key_tile(s, place.sequence, queries); j <= place.tile; j++) {
    const TileRows keys = rows_of(s, place.sequence, j);
    load_keys<T>(p, tiles, keys, place.head);
    block_sync();
    for_tile(queries.count, keys.count, [&](uint32_t query, uint32_t key) {
      softmax_grad(s, tiles, queries, keys, query, key, query * score_pitch + key);
    });
    block_sync();
    for_tile(queries.count, s.D, [&](uint32_t i, uint32_t d) {
      dq[i * pitch + d] += weighted_sum(tiles.dscores + i * score_pitch, tiles.k + d, pitch, keys.count);
    });
    block_sync();
  }
  for_tile(queries.count, s.D, [&](uint32_t i, uint32_t d) {
    store_element<T>(p.dq, s, queries.first + i, place.head, d, s.scale * dq[i * pitch + d]);
  });
}
KERNEL(attention_dq_f32, AttentionGradParams, 128) { attention_dq<float>(params); }
KERNEL(attention_dq_bf16, AttentionGradParams, 128) { attention_dq<bf16>(params); }

template <class T>
DEVICE void attention_dkdv(const AttentionGradParams& p) {
  const AttentionShape& s = p.shape;
  const Place place = place_of_block(s);
  const TileRows keys = rows_of(s, place.sequence, place.tile);
  const uint32_t end = end_of_queries(s, place.sequence, keys.end() - 1);
  const GradTiles tiles(s);
  float *const dk = tiles.first, *const dv = tiles.second;
  const uint32_t pitch = s.D + 1, score_pitch = s.rows + 1;

  load_keys<T>(p, tiles, keys, place.head);
  for_tile(keys.count, s.D, [&](uint32_t i, uint32_t d) { dk[i * pitch + d] = dv[i * pitch + d] = 0.0f; });
  for (uint32_t j = place.tile; j < s.tiles && rows_of(s, place.sequence, j).first < end; j++) {
    const TileRows queries = rows_of(s, place.sequence, j);
    load_queries<T>(p, tiles, queries, place.head);
    block_sync();
    for_tile(keys.count, queries.count, [&](uint32_t key, uint32_t query) {
      softmax_grad(s, tiles, queries, keys, query, key, key * score_pitch + query);
    });
    block_sync();
    for_tile(keys.count, s.D, [&](uint32_t i, uint32_t d) {
      dv[i * pitch + d] += weighted_sum(tiles.probabilities + i * score_pitch, tiles.dy + d, pitch, queries.count);
      dk[i * pitch + d] += weighted_sum(tiles.dscores + i * score_pitch, tiles.q + d, pitch, queries.count);
    });
    block_sync();
  }
  for_tile(keys.count, s.D, [&](uint32_t i, uint32_t d) {
    store_element<T>(p.dk, s, keys.first + i, place.head, d, s.scale * dk[i * pitch + d]);
    store_element<T>(p.dv, s, keys.first + i, place.head, d, dv[i * pitch + d]);
  });
}
KERNEL(attention_dkdv_f32, AttentionGradParams, 128) { attention_dkdv<float>(params); }
KERNEL(attention_dkdv_bf16, AttentionGradParams, 128) { attention_dkdv<bf16>(params); }

}  // namespace nanogpt::cuda
