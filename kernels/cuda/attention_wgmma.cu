// Attention forward on wgmma and TMA (sm_90a): bf16, heads of width 128. A block serves 128 queries of one head: one warpgroup
// loads the tiles of keys and values that they see, two compute 64 queries each. While a tile's scores become exponentials,
// the product with the values of the tile before runs. Exponentials never leave the registers. Refuses nothing: the launcher
// has checked the limits. May include only attention_tiles.h and attention_wgmma_products.h.
#include "attention_tiles.h"
#include "attention_wgmma_products.h"

namespace nanogpt::cuda {
namespace wgmma_attention {
namespace {

// What all threads of a block know of its work.
struct Work {
  const WgmmaAttentionParams& p;
  const Place place;
  const uint32_t begin, end;  // of the sequence
  const uint32_t first;       // query of the block
  const KeyTiles tiles;
  const Ring<ForwardTiles> ring;

  DEVICE explicit Work(const WgmmaAttentionParams& params)
      : p(params), place(place_of_block(p.shape)), begin(place.sequence * p.shape.T), end(begin + p.shape.T),
        first(begin + place.tile * kRows), tiles(key_tiles<kRows>(p.shape, begin, first, (first + kRows < end ? first + kRows : end) - 1)) {}

  // In the ring; a tile's values follow its keys.
  DEVICE uint32_t keys(uint32_t tile) const { return 2 * (tile - tiles.first); }
  DEVICE uint32_t values(uint32_t tile) const { return keys(tile) + 1; }

  // One thread: loads as far ahead as there is room.
  DEVICE void produce() const {
    prefetch_tensor_map(&p.q);
    prefetch_tensor_map(&p.k);
    prefetch_tensor_map(&p.v);
    ring.expect_owned();
    ring.load_owned(0, &p.q, place.head, first - begin, place.sequence);
    for (uint32_t tile = tiles.first; tile <= tiles.last; tile++) {
      ring.load(keys(tile), &p.k, place.head, tile * kRows, place.sequence);
      ring.load(values(tile), &p.v, place.head, tile * kRows, place.sequence);
    }
  }
};

// A warpgroup with 64 of the block's queries.
struct Consumer {
  const Work& work;
  const uint32_t group;
  const uint32_t row;               // of the thread's first query
  const float scale2;               // of scores, for exponentials of 2
  uint32_t start[2];                // first row that each query sees
  float scores[kSums], y[kSums];    // a tile has as many keys as columns
  uint32_t weights[kRows / 16][4];  // exponentials as operands
  float maximum[2], sum[2];         // of each query; sums of this thread's columns only
  float factor[2];                  // by which what was summed before follows the new maximum

  DEVICE explicit Consumer(const Work& w)
      : work(w), group(threadIdx.x / 128 - 1), row(w.first + group * kGroupRows + first_row()), scale2(w.p.shape.scale * kLog2E) {
    clear(y);
    UNROLL
    for (uint32_t i = 0; i < 2; i++) {
      maximum[i] = -INFINITY;
      sum[i] = 0.0f;
      start[i] = query(i) < w.end ? static_cast<uint32_t>(w.p.shape.start[query(i)]) : query(i);
    }
  }

  DEVICE uint32_t query(uint32_t i) const { return row + 8 * i; }

  DEVICE void issue_scores(uint32_t tile) {
    wgmma_attention::issue_scores<ForwardTiles>(scores, work.ring.owned(0) + group * kGroupRows * 128,
                                                work.ring.tile(work.keys(tile)));
  }
  DEVICE void issue_weighted(uint32_t tile) {
    wgmma_attention::issue_weighted<ForwardTiles>(y, weights, work.ring.tile(work.values(tile)));
  }

  // Scores of query i become exponentials.
  template <bool masked>
  DEVICE void softmax(uint32_t i, uint32_t tile) {
    // Columns that it sees, from this thread's first on.
    const int32_t first_key = static_cast<int32_t>(work.begin + tile * kRows + first_column());
    const int32_t from = static_cast<int32_t>(start[i]) - first_key, to = static_cast<int32_t>(query(i)) - first_key;
    float most = maximum[i];
    UNROLL
    for (uint32_t n = 0; n < kSums / 4; n++) {
      UNROLL
      for (uint32_t j = 0; j < 2; j++) {
        float& score = scores[4 * n + 2 * i + j];
        const int32_t column = static_cast<int32_t>(8 * n + j);
        if (masked && (column < from || column > to)) score = -INFINITY;
        most = fmaxf(most, score);
      }
    }
    most = fmaxf(most, shuffle_xor(most, 1));
    most = fmaxf(most, shuffle_xor(most, 2));
    const float shift = most == -INFINITY ? 0.0f : most * scale2;  // infinite: no key seen yet
    factor[i] = exp2_approx(maximum[i] * scale2 - shift);
    maximum[i] = most;
    sum[i] *= factor[i];
    UNROLL
    for (uint32_t n = 0; n < kSums / 4; n++) {
      UNROLL
      for (uint32_t j = 0; j < 2; j++) {
        float& score = scores[4 * n + 2 * i + j];
        score = exp2_approx(score * scale2 - shift);
        sum[i] += score;
      }
    }
  }

  // The first tile: nothing has been summed yet.
  DEVICE void begin() {
    const uint32_t tile = work.tiles.first;
    work.ring.wait_owned();
    work.ring.wait(work.keys(tile));
    pin(scores);
    wgmma_fence();
    issue_scores(tile);
    wgmma_wait<0>();
    pin(scores);
    work.ring.release(work.keys(tile));
    softmax<true>(0, tile);
    softmax<true>(1, tile);
    pack_weights(weights, scores);
  }

  // Tiles [from, to), none of them the first: scores of one, values of the one before.
  template <bool masked>
  DEVICE void visit(uint32_t from, uint32_t to) {
    for (uint32_t tile = from; tile < to; tile++) {
      work.ring.wait(work.values(tile - 1));
      work.ring.wait(work.keys(tile));
      pin(scores);
      pin(y);
      wgmma_fence();
      issue_scores(tile);
      issue_weighted(tile - 1);
      wgmma_wait<1>();
      pin(scores);
      work.ring.release(work.keys(tile));
      softmax<masked>(0, tile);
      softmax<masked>(1, tile);
      wgmma_wait<0>();
      pin(y);
      work.ring.release(work.values(tile - 1));
      UNROLL
      for (uint32_t i = 0; i < kSums; i++) y[i] *= factor[i / 2 % 2];
      pack_weights(weights, scores);
    }
  }

  DEVICE void finish() {
    const uint32_t tile = work.tiles.last;
    work.ring.wait(work.values(tile));
    pin(y);
    wgmma_fence();
    issue_weighted(tile);
    wgmma_wait<0>();
    pin(y);
    UNROLL
    for (uint32_t i = 0; i < 2; i++) {
      sum[i] += shuffle_xor(sum[i], 1);
      sum[i] += shuffle_xor(sum[i], 2);
      if (lane_index() % 4 == 0 && query(i) < work.end)
        work.p.lse[size_t{query(i)} * work.p.shape.H + work.place.head] = maximum[i] * work.p.shape.scale + logf(sum[i]);
      factor[i] = 1.0f / sum[i];
    }
    barrier_sync(1 + group, 128);  // all warps' products have read the queries
    const uint32_t own = group * kGroupRows;
    store_rows({work.p.y, work.p.shape.H, work.place.head, work.first + own, work.end}, y, factor, work.ring,
               work.ring.owned(0), own);
  }
};

}  // namespace
}  // namespace wgmma_attention

KERNEL(attention_wgmma_d128, WgmmaAttentionParams, wgmma_attention::kThreads) {
  using namespace wgmma_attention;
  const Work work(params);
  work.ring.init_barriers();
  if (threadIdx.x < 128) {
    release_registers<kProducerRegisters>();
    if (threadIdx.x == 0) work.produce();
  } else {
    take_registers<kConsumerRegisters>();
    Consumer consumer(work);
    visit_key_tiles(consumer, work.tiles);
  }
}

}  // namespace nanogpt::cuda
