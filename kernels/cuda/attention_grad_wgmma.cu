// Attention backward on wgmma and TMA (sm_90a): bf16, heads of width 128, probabilities recomputed from the saved log of the
// sums. One kernel's blocks own 128 queries (dq) and pass keys by, the other's own 128 keys (dk, dv) and pass queries by, so
// every sum has one owner and a fixed order. In the second, scores are made transposed: then they are operands of both
// products as they lie. Refuses nothing: the launcher has checked the limits. May include only attention_tiles.h and
// attention_wgmma_products.h.
#include "attention_tiles.h"
#include "attention_wgmma_products.h"

namespace nanogpt::cuda {
namespace wgmma_attention {
namespace {

constexpr uint32_t kPassing = BackwardTiles::kTileRows;  // rows of a tile that passes by
constexpr uint32_t kScores = kPassing / 2;               // a thread's part of [64, kPassing]

// What all threads of a block know of its work. Of each two tensors whose rows it owns, or that pass by, one is the left
// operand of scores (queries, keys), the other that of their gradients.
struct Work {
  const WgmmaAttentionGradParams& p;
  const AttentionShape& shape;
  const Place place;
  const uint32_t begin, end;   // of the sequence
  const uint32_t first, last;  // rows of the block
  const Ring<BackwardTiles> ring;

  DEVICE explicit Work(const WgmmaAttentionGradParams& params)
      : p(params), shape(p.grad.shape), place(place_of_block(shape)), begin(place.sequence * shape.T), end(begin + shape.T),
        first(begin + place.tile * kRows), last((first + kRows < end ? first + kRows : end) - 1) {}

  // A warpgroup's rows of the two tensors that the block owns.
  DEVICE uint32_t own(uint32_t tensor, uint32_t group) const { return ring.owned(tensor * kConsumers + group); }
  DEVICE size_t row_of_head(uint32_t row) const { return size_t{row} * shape.H + place.head; }

  // One thread.
  DEVICE void load_owned(const TensorMap* one, const TensorMap* other) const {
    ring.expect_owned();
    UNROLL
    for (uint32_t group = 0; group < kConsumers; group++) {
      const uint32_t row = first - begin + group * kGroupRows;
      ring.load_owned(group, one, place.head, row, place.sequence);
      ring.load_owned(kConsumers + group, other, place.head, row, place.sequence);
    }
  }
  DEVICE void load(uint32_t number, const TensorMap* map, uint32_t tile) const {
    ring.load(number, map, place.head, tile * kPassing, place.sequence);
  }

  // By the four warps of a warpgroup, whose products must be done: sums become rows of an output, through the warpgroup's
  // rows of an owned tensor.
  DEVICE void store(void* output, const float (&sums)[kSums], float factor, uint32_t tensor, uint32_t group) const {
    const float factors[2] = {factor, factor};
    store_rows({output, shape.H, place.head, first + group * kGroupRows, end}, sums, factors, ring, own(tensor, group), 0);
  }
};

// ---- dq ------------------------------------------------------------------------------------------------------------

// Keys and values take turns in the ring; keys are needed a tile longer.
struct KeysPassing {
  const KeyTiles tiles;
  DEVICE uint32_t keys(uint32_t tile) const { return 2 * (tile - tiles.first); }
  DEVICE uint32_t values(uint32_t tile) const { return keys(tile) + 1; }
};

// One thread: loads as far ahead as there is room.
DEVICE void produce(const Work& work, const KeysPassing& passing) {
  for (const TensorMap* map : {&work.p.q, &work.p.dy, &work.p.k, &work.p.v}) prefetch_tensor_map(map);
  work.load_owned(&work.p.q, &work.p.dy);
  for (uint32_t tile = passing.tiles.first; tile <= passing.tiles.last; tile++) {
    work.load(passing.keys(tile), &work.p.k, tile);
    work.load(passing.values(tile), &work.p.v, tile);
  }
}

// A warpgroup with 64 of the block's queries. While a tile's scores become their gradients, the product of those of the tile
// before with its keys runs.
struct QueryGrad {
  const Work& work;
  const KeysPassing& passing;
  const uint32_t group;
  const uint32_t row;       // of the thread's first query
  const float scale2;       // of scores, for exponentials of 2
  uint32_t start[2];        // of each query
  float lse2[2], delta[2];  // of each query; lse in powers of 2
  float scores[kScores], gradients[kScores], dq[kSums];
  uint32_t weights[kPassing / 16][4];  // gradients of scores as operands

  DEVICE QueryGrad(const Work& w, const KeysPassing& keys)
      : work(w), passing(keys), group(threadIdx.x / 128 - 1), row(w.first + group * kGroupRows + first_row()),
        scale2(w.shape.scale * kLog2E) {
    clear(dq);
    UNROLL
    for (uint32_t i = 0; i < 2; i++) {
      const bool exists = query(i) < w.end;
      start[i] = exists ? static_cast<uint32_t>(w.shape.start[query(i)]) : query(i);
      lse2[i] = exists ? w.p.grad.lse[w.row_of_head(query(i))] * kLog2E : INFINITY;  // not there: probabilities 0
      delta[i] = exists ? w.p.grad.delta[w.row_of_head(query(i))] : 0.0f;
    }
  }

  DEVICE uint32_t query(uint32_t i) const { return row + 8 * i; }

  DEVICE void issue_scores_of(uint32_t tile) {
    issue_scores<BackwardTiles>(scores, work.own(0, group), work.ring.tile(passing.keys(tile)));
    issue_scores<BackwardTiles>(gradients, work.own(1, group), work.ring.tile(passing.values(tile)));
  }
  DEVICE void issue_weighted_of(uint32_t tile) {
    issue_weighted<BackwardTiles>(dq, weights, work.ring.tile(passing.keys(tile)));
  }

  DEVICE void exponentials() {
    UNROLL
    for (uint32_t i = 0; i < kScores; i++) scores[i] = exp2_approx(scores[i] * scale2 - lse2[i / 2 % 2]);
  }

  // Probabilities become the gradients of scores, before scaling.
  template <bool masked>
  DEVICE void score_gradients(uint32_t tile) {
    UNROLL
    for (uint32_t i = 0; i < 2; i++) {
      // Columns that the query sees, from this thread's first on.
      const int32_t first_key = static_cast<int32_t>(work.begin + tile * kPassing + first_column());
      const int32_t from = static_cast<int32_t>(start[i]) - first_key, to = static_cast<int32_t>(query(i)) - first_key;
      UNROLL
      for (uint32_t n = 0; n < kScores / 4; n++) {
        UNROLL
        for (uint32_t j = 0; j < 2; j++) {
          const uint32_t at = 4 * n + 2 * i + j;
          const int32_t column = static_cast<int32_t>(8 * n + j);
          const float gradient = scores[at] * (gradients[at] - delta[i]);
          scores[at] = masked && (column < from || column > to) ? 0.0f : gradient;
        }
      }
    }
  }

  // The first tile: no gradients of scores yet.
  DEVICE void begin() {
    const uint32_t tile = passing.tiles.first;
    work.ring.wait_owned();
    work.ring.wait(passing.keys(tile));
    work.ring.wait(passing.values(tile));
    pin(scores), pin(gradients);
    wgmma_fence();
    issue_scores_of(tile);
    wgmma_wait<0>();
    pin(scores), pin(gradients);
    work.ring.release(passing.values(tile));
    exponentials();
    score_gradients<true>(tile);
    pack_weights(weights, scores);
  }

  // Tiles [from, to), none of them the first.
  template <bool masked>
  DEVICE void visit(uint32_t from, uint32_t to) {
    for (uint32_t tile = from; tile < to; tile++) {
      work.ring.wait(passing.keys(tile));
      work.ring.wait(passing.values(tile));
      pin(scores), pin(gradients), pin(dq);
      wgmma_fence();
      issue_scores_of(tile);
      issue_weighted_of(tile - 1);
      wgmma_wait<2>();
      pin(scores);
      exponentials();
      wgmma_wait<1>();
      pin(gradients);
      work.ring.release(passing.values(tile));
      score_gradients<masked>(tile);
      wgmma_wait<0>();
      pin(dq);
      work.ring.release(passing.keys(tile - 1));
      pack_weights(weights, scores);
    }
  }

  DEVICE void finish() {
    pin(dq);
    wgmma_fence();
    issue_weighted_of(passing.tiles.last);
    wgmma_wait<0>();
    pin(dq);
    barrier_sync(1 + group, 128);  // all warps' products have read the queries
    work.store(work.p.grad.dq, dq, work.shape.scale, 0, group);
  }
};

// ---- dk and dv -----------------------------------------------------------------------------------------------------

constexpr uint32_t kKeyGradProducerRegisters = 24, kKeyGradConsumerRegisters = 240;  // twice as many sums as elsewhere

// Queries and the gradients of their outputs take turns in the ring. Their values lie behind it.
struct QueriesPassing {
  const Work& work;
  const QueryTiles tiles;

  DEVICE explicit QueriesPassing(const Work& w)
      : work(w), tiles(query_tiles<kPassing>(w.shape, w.begin, w.first, w.last)) {}

  DEVICE uint32_t queries(uint32_t tile) const { return 2 * (tile - tiles.first); }
  DEVICE uint32_t gradients(uint32_t tile) const { return queries(tile) + 1; }
  DEVICE QueryValues& values(uint32_t tile) const {
    char* const behind = work.ring.memory(work.ring.base + BackwardTiles::kEnd);
    return reinterpret_cast<QueryValues*>(behind)[(tile - tiles.first) % (BackwardTiles::kSlots / 2)];
  }

  // One warp, a lane two queries.
  DEVICE void load_values(uint32_t tile) const {
    QueryValues& to = values(tile);
    UNROLL
    for (uint32_t i = lane_index(); i < kPassing; i += 32) {
      const uint32_t query = work.begin + tile * kPassing + i;
      const bool exists = query < work.end;
      to.start[i] = exists ? static_cast<uint32_t>(work.shape.start[query]) : query;
      to.lse2[i] = exists ? work.p.grad.lse[work.row_of_head(query)] * kLog2E : INFINITY;  // not there: probabilities 0
      to.delta[i] = exists ? work.p.grad.delta[work.row_of_head(query)] : 0.0f;
    }
  }
};

// One warp: loads as far ahead as there is room. When a tile's queries have found a slot, so have their values; the gradients
// that come after them say that both are there.
DEVICE void produce(const Work& work) {
  const bool leads = lane_index() == 0;
  if (leads) {
    for (const TensorMap* map : {&work.p.k, &work.p.v, &work.p.q, &work.p.dy}) prefetch_tensor_map(map);
    work.load_owned(&work.p.k, &work.p.v);
  }
  const QueriesPassing passing(work);
  for (uint32_t tile = passing.tiles.first; tile <= passing.tiles.last; tile++) {
    if (leads) work.load(passing.queries(tile), &work.p.q, tile);
    warp_sync();
    passing.load_values(tile);
    warp_sync();
    if (leads) work.load(passing.gradients(tile), &work.p.dy, tile);
  }
}

// A warpgroup with 64 of the block's keys: scores are [keys, queries]. Exponentials are taken while the gradients of
// probabilities are multiplied, and those of scores are made while the product for dv runs.
struct KeyGrad {
  const Work& work;
  const QueriesPassing passing;
  const uint32_t group;
  const uint32_t row;  // of the thread's first key
  const float scale2;  // of scores, for exponentials of 2
  float scores[kScores], dscores[kScores], dk[kSums], dv[kSums];
  uint32_t weights[kPassing / 16][4], dweights[kPassing / 16][4];  // probabilities and gradients of scores as operands

  DEVICE explicit KeyGrad(const Work& w)
      : work(w), passing(w), group(threadIdx.x / 128 - 1), row(w.first + group * kGroupRows + first_row()),
        scale2(w.shape.scale * kLog2E) {
    clear(dk);
    clear(dv);
  }

  // Scores become probabilities.
  template <bool masked>
  DEVICE void exponentials(uint32_t tile) {
    const QueryValues& values = passing.values(tile);
    const uint32_t first_query = work.begin + tile * kPassing;
    UNROLL
    for (uint32_t n = 0; n < kScores / 4; n++) {
      const uint32_t column = 8 * n + first_column();
      const Words2 lse2 = words_at(values.lse2, column);
      const Words2 start = masked ? words_at(values.start, column) : Words2{};
      UNROLL
      for (uint32_t i = 0; i < 2; i++) {
        const uint32_t key = row + 8 * i, query = first_query + column;
        float* const score = &scores[4 * n + 2 * i];
        score[0] = exp2_approx(score[0] * scale2 - float_of(lse2.x));
        score[1] = exp2_approx(score[1] * scale2 - float_of(lse2.y));
        if (masked && !sees(query, start.x, key)) score[0] = 0.0f;
        if (masked && !sees(query + 1, start.y, key)) score[1] = 0.0f;
      }
    }
  }

  // Gradients of probabilities become those of scores, before scaling.
  DEVICE void score_gradients(uint32_t tile) {
    const QueryValues& values = passing.values(tile);
    UNROLL
    for (uint32_t n = 0; n < kScores / 4; n++) {
      const Words2 delta = words_at(values.delta, 8 * n + first_column());
      UNROLL
      for (uint32_t i = 4 * n; i < 4 * n + 4; i += 2) {
        dscores[i] = scores[i] * (dscores[i] - float_of(delta.x));
        dscores[i + 1] = scores[i + 1] * (dscores[i + 1] - float_of(delta.y));
      }
    }
  }

  // Two neighbouring words of shared memory at once.
  template <class T>
  DEVICE static Words2 words_at(const T (&values)[kPassing], uint32_t i) {
    return *reinterpret_cast<const Words2*>(&values[i]);
  }

  // One loop for tiles with and without a mask: another's copy of the sums would not fit in the registers.
  DEVICE void visit(uint32_t tile) {
    const uint32_t q = work.ring.tile(passing.queries(tile)), dy = work.ring.tile(passing.gradients(tile));
    work.ring.wait(passing.queries(tile));
    work.ring.wait(passing.gradients(tile));
    pin(scores), pin(dscores);
    wgmma_fence();
    issue_scores<BackwardTiles>(scores, work.own(0, group), q);
    issue_scores<BackwardTiles>(dscores, work.own(1, group), dy);
    wgmma_wait<1>();
    pin(scores);
    if (tile < passing.tiles.free || tile >= passing.tiles.masked) exponentials<true>(tile);
    else exponentials<false>(tile);
    pack_weights(weights, scores);
    wgmma_wait<0>();
    pin(dscores), pin(dv);
    wgmma_fence();
    issue_weighted<BackwardTiles>(dv, weights, dy);
    score_gradients(tile);
    pack_weights(dweights, dscores);
    pin(dk);
    wgmma_fence();
    issue_weighted<BackwardTiles>(dk, dweights, q);
    wgmma_wait<0>();
    pin(dv), pin(dk);
    work.ring.release(passing.gradients(tile));
    work.ring.release(passing.queries(tile));
  }

  DEVICE void run() {
    work.ring.wait_owned();
    for (uint32_t tile = passing.tiles.first; tile <= passing.tiles.last; tile++) visit(tile);
    barrier_sync(1 + group, 128);  // all warps' products have read the keys and values
    work.store(work.p.grad.dk, dk, work.shape.scale, 0, group);
    work.store(work.p.grad.dv, dv, 1.0f, 1, group);
  }
};

}  // namespace
}  // namespace wgmma_attention

KERNEL(attention_dq_wgmma_d128, WgmmaAttentionGradParams, wgmma_attention::kThreads) {
  using namespace wgmma_attention;
  const Work work(params);
  const KeysPassing passing{key_tiles<kPassing>(work.shape, work.begin, work.first, work.last)};
  work.ring.init_barriers();
  if (threadIdx.x < 128) {
    release_registers<kProducerRegisters>();
    if (threadIdx.x == 0) produce(work, passing);
  } else {
    take_registers<kConsumerRegisters>();
    QueryGrad queries(work, passing);
    visit_key_tiles(queries, passing.tiles);
  }
}

KERNEL(attention_dkdv_wgmma_d128, WgmmaAttentionGradParams, wgmma_attention::kThreads) {
  using namespace wgmma_attention;
  const Work work(params);
  work.ring.init_barriers();
  if (threadIdx.x < 128) {
    release_registers<kKeyGradProducerRegisters>();
    if (threadIdx.x < 32) produce(work);
  } else {
    take_registers<kKeyGradConsumerRegisters>();
    KeyGrad(work).run();
  }
}

}  // namespace nanogpt::cuda
