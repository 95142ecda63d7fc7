// Attention backward on mma.sync: bf16, head widths 32, 64 and 128, probabilities recomputed from the saved log of the sums.
// One kernel owns tiles of queries (dq) and passes keys by, one owns tiles of keys (dk, dv) and passes queries by, so every
// sum has one owner and a fixed order. In the second, scores are made transposed: then they are operands of both
// products as they lie. May include only attention_mma_tiles.h.
#include "attention_mma_tiles.h"

namespace nanogpt::cuda {

constexpr uint32_t kPart = 32;  // passing rows whose scores are in registers at the same time

// delta[n,h] = sum over D of dy*y: D/8 lanes a row, 16 bytes each.
template <uint32_t D>
DEVICE void attention_delta(const AttentionGradParams& p) {
  constexpr uint32_t kLanes = D / 8;
  const size_t row = (size_t{blockIdx.x} * blockDim.x + threadIdx.x) / kLanes;
  const bool exists = row < size_t{p.shape.N} * p.shape.H;
  float sum = 0.0f;
  if (exists) {
    const size_t element = row * D + threadIdx.x % kLanes * 8;
    const Floats<8> dy = load_floats<8>(static_cast<const bf16*>(p.dy) + element);
    const Floats<8> y = load_floats<8>(static_cast<const bf16*>(p.y) + element);
    UNROLL
    for (uint32_t i = 0; i < 8; i++) sum += dy.at[i] * y.at[i];
  }
  UNROLL
  for (uint32_t lanes = kLanes / 2; lanes > 0; lanes /= 2) sum += shuffle_xor(sum, lanes);
  if (exists && threadIdx.x % kLanes == 0) p.delta[row] = sum;
}
KERNEL(attention_delta_mma_d32, AttentionGradParams, kMmaThreads) { attention_delta<32>(params); }
KERNEL(attention_delta_mma_d64, AttentionGradParams, kMmaThreads) { attention_delta<64>(params); }
KERNEL(attention_delta_mma_d128, AttentionGradParams, kMmaThreads) { attention_delta<128>(params); }

template <uint32_t D>
struct QueryGradMma {
  static constexpr uint32_t kQueries = mma_rows(D).dq;
  static constexpr uint32_t kStrips = kQueries / 16 / kMmaWarps;
  static constexpr uint32_t kColumns = kPart / 8;

  const AttentionGradParams& p;
  const Place place;
  const uint32_t begin, end;  // of the sequence
  const uint32_t first;       // query of the block
  const uint32_t warp_row;    // of the warp's first query in the tile
  const float scale2;         // of scores, for exponentials of 2
  const MmaTile<D> q, dy;
  const MmaTile<D> stages;  // keys, values, and those of the next tile
  Accumulators<kStrips, D / 8> dq;
  uint32_t start[kStrips][2];  // a value for each of the lane's rows
  float lse2[kStrips][2], delta[kStrips][2];

  DEVICE explicit QueryGradMma(const AttentionGradParams& params)
      : p(params), place(place_of_block(p.shape)), begin(place.sequence * p.shape.T), end(begin + p.shape.T),
        first(begin + place.tile * kQueries), warp_row(warp_index() * 16 * kStrips), scale2(p.shape.scale * kLog2E),
        q(aligned_shared()), dy(q.after(kQueries)), stages(dy.after(kQueries)) {
    dq.clear();
    UNROLL
    for (uint32_t m = 0; m < kStrips; m++) {
      UNROLL
      for (uint32_t i = 0; i < 2; i++) {
        const uint32_t row = query(m, i);
        const size_t place_of_row = size_t{row} * p.shape.H + place.head;
        start[m][i] = row < end ? static_cast<uint32_t>(p.shape.start[row]) : row;
        lse2[m][i] = row < end ? p.lse[place_of_row] * kLog2E : INFINITY;  // a row that is not there has probabilities 0
        delta[m][i] = row < end ? p.delta[place_of_row] : 0.0f;
      }
    }
  }

  DEVICE uint32_t query(uint32_t m, uint32_t i) const { return first + warp_row + 16 * m + fragment_row(2 * i); }
  DEVICE MmaTile<D> keys(uint32_t tile) const { return stages.after(tile % 2 * 2 * kMmaPassing); }
  DEVICE MmaTile<D> values(uint32_t tile) const { return keys(tile).after(kMmaPassing); }

  DEVICE void load_keys(uint32_t tile) const {
    const uint32_t row = begin + tile * kMmaPassing;
    keys(tile).load(p.k, p.shape, row, kMmaPassing, end, place.head);
    values(tile).load(p.v, p.shape, row, kMmaPassing, end, place.head);
    cp_async_commit();
  }

  // Scores become the gradients of scores, before scaling.
  template <bool masked>
  DEVICE void softmax_grad(Accumulators<kStrips, kColumns>& scores, const Accumulators<kStrips, kColumns>& gradients,
                           uint32_t first_key) const {
    UNROLL
    for (uint32_t m = 0; m < kStrips; m++) {
      UNROLL
      for (uint32_t n = 0; n < kColumns; n++) {
        UNROLL
        for (uint32_t j = 0; j < 4; j++) {
          float& score = scores.of[m][n][j];
          const float probability = exp2_approx(score * scale2 - lse2[m][j / 2]);
          score = probability * (gradients.of[m][n][j] - delta[m][j / 2]);
          if (masked && !sees(query(m, j / 2), start[m][j / 2], first_key + 8 * n + fragment_column(j))) score = 0.0f;
        }
      }
    }
  }

  // Key tiles [from, to); `last` is the last of the block.
  template <bool masked>
  DEVICE void visit(uint32_t from, uint32_t to, uint32_t last) {
    for (uint32_t tile = from; tile < to; tile++) {
      cp_async_wait<0>();
      block_sync();  // this tile has come, and everybody is done with the one before, whose memory is the next's
      if (tile < last) load_keys(tile + 1);
      UNROLL_BY(1)
      for (uint32_t part = 0; part < kMmaPassing; part += kPart) {
        Accumulators<kStrips, kColumns> scores, gradients;
        scores.clear();
        gradients.clear();
        add_scores(scores, q, warp_row, keys(tile), part);
        add_scores(gradients, dy, warp_row, values(tile), part);
        softmax_grad<masked>(scores, gradients, begin + tile * kMmaPassing + part);
        add_weighted(dq, scores, keys(tile), part);
      }
    }
  }

  DEVICE void run() {
    const uint32_t last_query = (first + kQueries < end ? first + kQueries : end) - 1;
    const KeyTiles tiles = key_tiles<kMmaPassing>(p.shape, begin, first, last_query);
    q.load(p.q, p.shape, first, kQueries, end, place.head);
    dy.load(p.dy, p.shape, first, kQueries, end, place.head);
    load_keys(tiles.first);
    visit<true>(tiles.first, tiles.free, tiles.last);
    visit<false>(tiles.free, tiles.masked, tiles.last);
    visit<true>(tiles.masked, tiles.last + 1, tiles.last);
    const auto factor = [&](uint32_t, uint32_t) { return p.shape.scale; };
    store_rows(p.dq, p.shape, place.head, dq, factor, q, warp_row, first + warp_row, end);
  }
};
KERNEL(attention_dq_mma_d32, AttentionGradParams, kMmaThreads) { QueryGradMma<32>(params).run(); }
KERNEL(attention_dq_mma_d64, AttentionGradParams, kMmaThreads) { QueryGradMma<64>(params).run(); }
KERNEL(attention_dq_mma_d128, AttentionGradParams, kMmaThreads) { QueryGradMma<128>(params).run(); }

template <uint32_t D>
struct KeyGradMma {
  static constexpr uint32_t kKeys = mma_rows(D).dkdv;
  static constexpr uint32_t kStrips = kKeys / 16 / kMmaWarps;
  static constexpr uint32_t kColumns = kPart / 8;

  const AttentionGradParams& p;
  const Place place;
  const uint32_t begin, end;  // of the sequence
  const uint32_t first;       // key of the block
  const uint32_t warp_row;    // of the warp's first key in the tile
  const float scale2;         // of scores, for exponentials of 2
  const MmaTile<D> k, v;
  const MmaTile<D> stages;  // queries, gradients of their outputs, and those of the next tile
  QueryValues* const query_values;
  Accumulators<kStrips, D / 8> dk, dv;

  DEVICE explicit KeyGradMma(const AttentionGradParams& params)
      : p(params), place(place_of_block(p.shape)), begin(place.sequence * p.shape.T), end(begin + p.shape.T),
        first(begin + place.tile * kKeys), warp_row(warp_index() * 16 * kStrips), scale2(p.shape.scale * kLog2E),
        k(aligned_shared()), v(k.after(kKeys)), stages(v.after(kKeys)),
        query_values(reinterpret_cast<QueryValues*>(stages.after(4 * kMmaPassing).memory)) {
    dk.clear();
    dv.clear();
  }

  DEVICE MmaTile<D> queries(uint32_t tile) const { return stages.after(tile % 2 * 2 * kMmaPassing); }
  DEVICE MmaTile<D> gradients(uint32_t tile) const { return queries(tile).after(kMmaPassing); }

  DEVICE void load_queries(uint32_t tile) const {
    const uint32_t row = begin + tile * kMmaPassing;
    queries(tile).load(p.q, p.shape, row, kMmaPassing, end, place.head);
    gradients(tile).load(p.dy, p.shape, row, kMmaPassing, end, place.head);
    cp_async_commit();
    if (threadIdx.x >= kMmaPassing) return;
    QueryValues& values = query_values[tile % 2];
    const uint32_t query = row + threadIdx.x;
    const size_t place_of_row = size_t{query} * p.shape.H + place.head;
    values.start[threadIdx.x] = query < end ? static_cast<uint32_t>(p.shape.start[query]) : query;
    values.lse2[threadIdx.x] = query < end ? p.lse[place_of_row] * kLog2E : INFINITY;  // not there: probabilities 0
    values.delta[threadIdx.x] = query < end ? p.delta[place_of_row] : 0.0f;
  }

  // Scores become probabilities, gradients of probabilities become those of scores, before scaling. Both [keys, queries].
  template <bool masked>
  DEVICE void softmax_grad(Accumulators<kStrips, kColumns>& scores, Accumulators<kStrips, kColumns>& dscores, uint32_t tile,
                           uint32_t part) const {
    const QueryValues& values = query_values[tile % 2];
    const uint32_t first_query = begin + tile * kMmaPassing;
    UNROLL
    for (uint32_t n = 0; n < kColumns; n++) {
      UNROLL
      for (uint32_t j = 0; j < 4; j++) {
        const uint32_t query = part + 8 * n + fragment_column(j);
        const float lse2 = values.lse2[query], delta = values.delta[query];
        UNROLL
        for (uint32_t m = 0; m < kStrips; m++) {
          const uint32_t key = first + warp_row + 16 * m + fragment_row(j);
          const bool seen = !masked || sees(first_query + query, values.start[query], key);
          float &score = scores.of[m][n][j], &dscore = dscores.of[m][n][j];
          score = seen ? exp2_approx(score * scale2 - lse2) : 0.0f;
          dscore = seen ? score * (dscore - delta) : 0.0f;
        }
      }
    }
  }

  // Query tiles [from, to); `last` is the last of the block.
  template <bool masked>
  DEVICE void visit(uint32_t from, uint32_t to, uint32_t last) {
    for (uint32_t tile = from; tile < to; tile++) {
      cp_async_wait<0>();
      block_sync();  // this tile has come, and everybody is done with the one before, whose memory is the next's
      if (tile < last) load_queries(tile + 1);
      UNROLL_BY(1)
      for (uint32_t part = 0; part < kMmaPassing; part += kPart) {
        Accumulators<kStrips, kColumns> scores, dscores;
        scores.clear();
        dscores.clear();
        add_scores(scores, k, warp_row, queries(tile), part);
        add_scores(dscores, v, warp_row, gradients(tile), part);
        softmax_grad<masked>(scores, dscores, tile, part);
        add_weighted(dv, scores, gradients(tile), part);
        add_weighted(dk, dscores, queries(tile), part);
      }
    }
  }

  DEVICE void run() {
    const uint32_t last_key = (first + kKeys < end ? first + kKeys : end) - 1;
    // Whole tiles behind the last key, of queries that all see the first: those need no mask.
    const uint32_t seen_by_all = end_of_queries(p.shape, place.sequence, first);
    const uint32_t seen = end_of_queries(p.shape, place.sequence, last_key);
    const uint32_t from = (first - begin) / kMmaPassing, last = (seen - 1 - begin) / kMmaPassing;
    const uint32_t free = (last_key - begin + kMmaPassing - 1) / kMmaPassing;
    const uint32_t whole = seen_by_all == end ? last + 1 : (seen_by_all - begin) / kMmaPassing;
    const uint32_t masked = whole > free ? whole : free;
    k.load(p.k, p.shape, first, kKeys, end, place.head);
    v.load(p.v, p.shape, first, kKeys, end, place.head);
    load_queries(from);
    visit<true>(from, free, last);
    visit<false>(free, masked, last);
    visit<true>(masked, last + 1, last);
    const auto factor = [&](uint32_t, uint32_t) { return p.shape.scale; };
    const auto one = [](uint32_t, uint32_t) { return 1.0f; };
    store_rows(p.dk, p.shape, place.head, dk, factor, k, warp_row, first + warp_row, end);
    store_rows(p.dv, p.shape, place.head, dv, one, v, warp_row, first + warp_row, end);
  }
};
KERNEL(attention_dkdv_mma_d32, AttentionGradParams, kMmaThreads) { KeyGradMma<32>(params).run(); }
KERNEL(attention_dkdv_mma_d64, AttentionGradParams, kMmaThreads) { KeyGradMma<64>(params).run(); }
KERNEL(attention_dkdv_mma_d128, AttentionGradParams, kMmaThreads) { KeyGradMma<128>(params).run(); }

}  // namespace nanogpt::cuda
