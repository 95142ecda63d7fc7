// What the wgmma kernels of attention's gradient share: which rows a block owns and how they are loaded and stored, and all of
// a warpgroup's work on its keys while queries pass by, as far as its own sums go. There scores are made transposed: then they
// are operands of both products as they lie. Knows nothing of dq. May include only attention_tiles.h and
// attention_wgmma_products.h.
#pragma once
#include "attention_tiles.h"
#include "attention_wgmma_products.h"

namespace nanogpt::cuda::wgmma_attention {

constexpr uint32_t kPassing = BackwardTiles::kTileRows;  // rows of a tile that passes by
constexpr uint32_t kScores = kPassing / 2;               // a thread's part of [64, kPassing]

// What all threads of a block know of its work. Of each two tensors whose rows it owns, or that pass by, one is the left
// operand of scores (queries, keys), the other that of their gradients.
template <class Tiles>
struct Work {
  const WgmmaAttentionGradParams& p;
  const AttentionShape& shape;
  const Place place;
  const uint32_t begin, end;   // of the sequence
  const uint32_t first, last;  // rows of the block
  const Ring<Tiles> ring;

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

constexpr uint32_t kKeyGradProducerRegisters = 24, kKeyGradConsumerRegisters = 240;  // twice as many sums as elsewhere

// Queries and the gradients of their outputs take turns in the ring. Their values lie behind it.
template <class Tiles>
struct QueriesPassing {
  const Work<Tiles>& work;
  const QueryTiles tiles;

  DEVICE explicit QueriesPassing(const Work<Tiles>& w)
      : work(w), tiles(query_tiles<kPassing>(w.shape, w.begin, w.first, w.last)) {}

  DEVICE uint32_t queries(uint32_t tile) const { return 2 * (tile - tiles.first); }
  DEVICE uint32_t gradients(uint32_t tile) const { return queries(tile) + 1; }
  DEVICE QueryValues& values(uint32_t tile) const {
    char* const behind = work.ring.memory(work.ring.base + Tiles::kEnd);
    return reinterpret_cast<QueryValues*>(behind)[(tile - tiles.first) % (Tiles::kSlots / 2)];
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
template <class Tiles>
DEVICE void produce(const Work<Tiles>& work) {
  const bool leads = lane_index() == 0;
  if (leads) {
    for (const TensorMap* map : {&work.p.k, &work.p.v, &work.p.q, &work.p.dy}) prefetch_tensor_map(map);
    work.load_owned(&work.p.k, &work.p.v);
  }
  const QueriesPassing<Tiles> passing(work);
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
template <class Tiles>
struct KeyGrad {
  const Work<Tiles>& work;
  const QueriesPassing<Tiles> passing;
  const uint32_t group;
  const uint32_t row;  // of the thread's first key
  const float scale2;  // of scores, for exponentials of 2
  float scores[kScores], dscores[kScores], dk[kSums], dv[kSums];
  uint32_t weights[kPassing / 16][4], dweights[kPassing / 16][4];  // probabilities and gradients of scores as operands

  DEVICE explicit KeyGrad(const Work<Tiles>& w)
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

  // A passing tile's scores and their gradients, as operands; the product for dv is still under way. For tiles with and
  // without a mask: another loop's copy of the sums would not fit in the registers.
  DEVICE void meet(uint32_t tile) {
    const uint32_t q = work.ring.tile(passing.queries(tile)), dy = work.ring.tile(passing.gradients(tile));
    work.ring.wait(passing.queries(tile));
    work.ring.wait(passing.gradients(tile));
    pin(scores), pin(dscores);
    wgmma_fence();
    issue_scores<Tiles>(scores, work.own(0, group), q);
    issue_scores<Tiles>(dscores, work.own(1, group), dy);
    wgmma_wait<1>();
    pin(scores);
    if (tile < passing.tiles.free || tile >= passing.tiles.masked) exponentials<true>(tile);
    else exponentials<false>(tile);
    pack_weights(weights, scores);
    wgmma_wait<0>();
    pin(dscores), pin(dv);
    wgmma_fence();
    issue_weighted<Tiles>(dv, weights, dy);
    score_gradients(tile);
    pack_weights(dweights, dscores);
  }

  // The product for dk of the tile that was met last.
  DEVICE void issue_dk(uint32_t tile) { issue_weighted<Tiles>(dk, dweights, work.ring.tile(passing.queries(tile))); }

  // When all products have read the keys and values.
  DEVICE void store() {
    work.store(work.p.grad.dk, dk, work.shape.scale, 0, group);
    work.store(work.p.grad.dv, dv, 1.0f, 1, group);
  }
};

}  // namespace nanogpt::cuda::wgmma_attention
