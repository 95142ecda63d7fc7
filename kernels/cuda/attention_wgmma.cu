// Attention forward on wgmma and TMA (sm_90a): bf16, heads of width 128. A block serves 128 queries of one head: one warpgroup
// loads the tiles of keys and values that they see, two compute 64 queries each. While a tile's scores become exponentials,
// the product with the values of the tile before runs. Exponentials never leave the registers. Refuses nothing: the launcher
// has checked the limits. May include only attention_tiles.h, attention_wgmma_ring.h and vectors.h.
#include "attention_tiles.h"
#include "attention_wgmma_ring.h"
#include "vectors.h"

namespace nanogpt::cuda {
namespace wgmma_attention {
namespace {

constexpr uint32_t kProducerRegisters = 40, kConsumerRegisters = 232;  // of 3 * 168 that the block starts with
constexpr uint32_t kSteps = kWidth / 16;                               // wgmmas of a product; keys are as many as columns
constexpr uint32_t kSums = kWidth / 2;                                 // a thread's part of [64, 128]

// What all threads of a block know of its work.
struct Work {
  const WgmmaAttentionParams& p;
  const Place place;
  const uint32_t begin, end;  // of the sequence
  const uint32_t first;       // query of the block
  const KeyTiles tiles;
  const Ring ring;

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
    ring.load_queries(&p.q, place.head, first - begin, place.sequence);
    for (uint32_t tile = tiles.first; tile <= tiles.last; tile++) {
      ring.load(keys(tile), &p.k, place.head, tile * kRows, place.sequence);
      ring.load(values(tile), &p.v, place.head, tile * kRows, place.sequence);
    }
  }
};

// A warpgroup with 64 of the block's queries. A thread has two of them, 8 apart, and of each the columns 8n + 2q and the next,
// q = lane % 4: elements 4n + 2i and 4n + 2i + 1 of row i.
struct Consumer {
  const Work& work;
  const uint32_t group;
  const uint32_t row;   // of the thread's first query
  const float scale2;   // of scores, for exponentials of 2
  uint32_t start[2];    // first row that each query sees
  float scores[kSums], y[kSums];
  uint32_t weights[kSteps][4];  // exponentials as operands
  float maximum[2], sum[2];     // of each query; sums of this thread's columns only
  float factor[2];              // by which what was summed before follows the new maximum

  DEVICE explicit Consumer(const Work& w)
      : work(w), group(threadIdx.x / 128 - 1),
        row(w.first + group * kGroupRows + warp_index() % 4 * 16 + lane_index() / 4), scale2(w.p.shape.scale * kLog2E) {
    UNROLL
    for (uint32_t i = 0; i < kSums; i++) y[i] = 0.0f;
    UNROLL
    for (uint32_t i = 0; i < 2; i++) {
      maximum[i] = -INFINITY;
      sum[i] = 0.0f;
      start[i] = query(i) < w.end ? static_cast<uint32_t>(w.p.shape.start[query(i)]) : query(i);
    }
  }

  DEVICE uint32_t query(uint32_t i) const { return row + 8 * i; }

  DEVICE void issue_scores(uint32_t tile) {
    const uint64_t q = by_columns(work.ring.queries() + group * kGroupRows * 128), k = by_columns(work.ring.tile(work.keys(tile)));
    UNROLL
    for (uint32_t i = 0; i < kSteps; i++) wgmma<kWidth, 0, 0>(scores, q + column_step(i), k + column_step(i), i > 0);
    wgmma_commit();
  }
  DEVICE void issue_weighted(uint32_t tile) {
    const uint64_t v = by_rows(work.ring.tile(work.values(tile)));
    UNROLL
    for (uint32_t i = 0; i < kSteps; i++) wgmma_register_a<kWidth, 1>(y, weights[i], v + row_step(i), true);
    wgmma_commit();
  }

  // Scores of query i become exponentials.
  template <bool masked>
  DEVICE void softmax(uint32_t i, uint32_t tile) {
    // Columns that it sees, from this thread's first on.
    const int32_t first_key = static_cast<int32_t>(work.begin + tile * kRows + lane_index() % 4 * 2);
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

  // Accumulators of 16 columns are the operand of 16 of k, in the registers that hold them.
  DEVICE void pack_weights() {
    UNROLL
    for (uint32_t k = 0; k < kSteps; k++) {
      UNROLL
      for (uint32_t j = 0; j < 4; j++) weights[k][j] = pack_bf16(scores[8 * k + 2 * j], scores[8 * k + 2 * j + 1]);
    }
  }

  // The first tile: nothing has been summed yet.
  DEVICE void begin() {
    const uint32_t tile = work.tiles.first;
    mbarrier_wait(work.ring.queries_full(), 0);
    work.ring.wait(work.keys(tile));
    pin(scores);
    wgmma_fence();
    issue_scores(tile);
    wgmma_wait<0>();
    pin(scores);
    work.ring.release(work.keys(tile));
    softmax<true>(0, tile);
    softmax<true>(1, tile);
    pack_weights();
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
      pack_weights();
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
    store();
  }

  // Writes y to act[N,H,D] in whole rows, through the warp's own rows of the queries' tile.
  DEVICE void store() {
    barrier_sync(1 + group, 128);  // all warps' products have read the queries
    const uint32_t lane = lane_index(), own = group * kGroupRows + warp_index() % 4 * 16;
    UNROLL
    for (uint32_t k = 0; k < kSteps; k++) {
      uint32_t words[4];
      UNROLL
      for (uint32_t j = 0; j < 4; j++) {
        const float scale = factor[j % 2];
        words[j] = pack_bf16(y[8 * k + 2 * j] * scale, y[8 * k + 2 * j + 1] * scale);
      }
      store_matrix_x4(work.ring.queries() + offset(own + lane % 16, 2 * k + lane / 16), words);
    }
    warp_sync();
    constexpr uint32_t kChunks = kWidth / 8;
    bf16* const to = static_cast<bf16*>(work.p.y);
    for (uint32_t i = lane; i < 16 * kChunks; i += 32) {
      const uint32_t query = work.first + own + i / kChunks, chunk = i % kChunks;
      if (query >= work.end) continue;
      const char* const from = work.ring.queries_memory() + offset(own + i / kChunks, chunk);
      *reinterpret_cast<Words4*>(to + (size_t{query} * work.p.shape.H + work.place.head) * kWidth + chunk * 8) =
          *reinterpret_cast<const Words4*>(from);
    }
  }

  // Where 8 columns of a row lie in a tile.
  DEVICE static uint32_t offset(uint32_t row, uint32_t chunk) {
    return chunk / 8 * kBoxBytes + row * 128 + (chunk % 8 ^ row % 8) * 16;
  }

  DEVICE void run() {
    const KeyTiles& tiles = work.tiles;
    const uint32_t second = tiles.first + 1;
    begin();
    visit<true>(second, tiles.free);
    visit<false>(second > tiles.free ? second : tiles.free, tiles.masked);
    visit<true>(second > tiles.masked ? second : tiles.masked, tiles.last + 1);
    finish();
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
    Consumer(work).run();
  }
}

}  // namespace nanogpt::cuda
