// Attention backward on wgmma and TMA (sm_90a): bf16, heads of width 128, probabilities recomputed from the saved log of the
// sums. One kernel's blocks own 128 queries (dq) and pass keys by, the other's own 128 keys (dk, dv) and pass queries by, so
// every sum has one owner and a fixed order. Refuses nothing: the launcher has checked the limits. May include only
// attention_grad_wgmma.h.
#include "attention_grad_wgmma.h"

namespace nanogpt::cuda {
namespace wgmma_attention {
namespace {

// ---- dq ------------------------------------------------------------------------------------------------------------

// Keys and values take turns in the ring; keys are needed a tile longer.
struct KeysPassing {
  const KeyTiles tiles;
  DEVICE uint32_t keys(uint32_t tile) const { return 2 * (tile - tiles.first); }
  DEVICE uint32_t values(uint32_t tile) const { return keys(tile) + 1; }
};

// One thread: loads as far ahead as there is room.
DEVICE void produce(const Work<BackwardTiles>& work, const KeysPassing& passing) {
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
  const Work<BackwardTiles>& work;
  const KeysPassing& passing;
  const uint32_t group;
  const uint32_t row;       // of the thread's first query
  const float scale2;       // of scores, for exponentials of 2
  uint32_t start[2];        // of each query
  float lse2[2], delta[2];  // of each query; lse in powers of 2
  float scores[kScores], gradients[kScores], dq[kSums];
  uint32_t weights[kPassing / 16][4];  // gradients of scores as operands

  DEVICE QueryGrad(const Work<BackwardTiles>& w, const KeysPassing& keys)
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

// A warpgroup's sums over all queries that see its keys.
DEVICE void sum(KeyGrad<BackwardTiles>& keys) {
  const Ring<BackwardTiles>& ring = keys.work.ring;
  const QueriesPassing<BackwardTiles>& passing = keys.passing;
  ring.wait_owned();
  for (uint32_t tile = passing.tiles.first; tile <= passing.tiles.last; tile++) {
    keys.meet(tile);
    pin(keys.dk);
    wgmma_fence();
    keys.issue_dk(tile);
    wgmma_wait<0>();
    pin(keys.dv), pin(keys.dk);
    ring.release(passing.gradients(tile));
    ring.release(passing.queries(tile));
  }
  barrier_sync(1 + keys.group, 128);  // all warps' products have read the keys and values
}

}  // namespace
}  // namespace wgmma_attention

KERNEL(attention_dq_wgmma_d128, WgmmaAttentionGradParams, wgmma_attention::kThreads) {
  using namespace wgmma_attention;
  const Work<BackwardTiles> work(params);
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
  const Work<BackwardTiles> work(params);
  work.ring.init_barriers();
  if (threadIdx.x < 128) {
    release_registers<kKeyGradProducerRegisters>();
    if (threadIdx.x < 32) produce(work);
  } else {
    take_registers<kKeyGradConsumerRegisters>();
    KeyGrad keys(work);
    sum(keys);
    keys.store();
  }
}

}  // namespace nanogpt::cuda
