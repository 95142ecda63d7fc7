// Attention forward on mma.sync: bf16, head widths 32, 64 and 128. A block of four warps takes a tile of queries of one head
// through the key tiles that it sees, copying the next tile while it computes; exponentials stay in the registers in which
// the scores were made. Key tiles on the edges of the mask are compared, those inside are not. May include only
// attention_mma_tiles.h.
#include "attention_mma_tiles.h"

namespace nanogpt::cuda {

template <uint32_t D>
struct ForwardMma {
  static constexpr uint32_t kQueries = mma_rows(D).forward;
  static constexpr uint32_t kStrips = kQueries / 16 / kMmaWarps;
  static constexpr uint32_t kColumns = kMmaPassing / 8;

  const AttentionParams& p;
  const Place place;
  const uint32_t begin, end;    // of the sequence
  const uint32_t first;         // query of the block
  const uint32_t warp_row;      // of the warp's first query in the tile
  const float scale2;           // of scores, for exponentials of 2
  const MmaTile<D> q;
  const MmaTile<D> stages;  // keys, values, and those of the next tile
  Accumulators<kStrips, D / 8> y;
  float maximum[kStrips][2], sum[kStrips][2];  // for each of the lane's rows; sums of this lane's columns only

  DEVICE explicit ForwardMma(const AttentionParams& params)
      : p(params), place(place_of_block(p.shape)), begin(place.sequence * p.shape.T), end(begin + p.shape.T),
        first(begin + place.tile * kQueries), warp_row(warp_index() * 16 * kStrips), scale2(p.shape.scale * kLog2E),
        q(aligned_shared()), stages(q.after(kQueries)) {
    y.clear();
    UNROLL
    for (uint32_t m = 0; m < kStrips; m++) {
      UNROLL
      for (uint32_t i = 0; i < 2; i++) {
        maximum[m][i] = -INFINITY;
        sum[m][i] = 0.0f;
      }
    }
  }

  DEVICE uint32_t query(uint32_t m, uint32_t i) const { return first + warp_row + 16 * m + fragment_row(2 * i); }
  // Read where it is needed: on the mask's edges only, and registers are scarce.
  DEVICE uint32_t start(uint32_t m, uint32_t i) const {
    const uint32_t row = query(m, i);
    return row < end ? static_cast<uint32_t>(p.shape.start[row]) : row;
  }
  DEVICE MmaTile<D> keys(uint32_t tile) const { return stages.after(tile % 2 * 2 * kMmaPassing); }
  DEVICE MmaTile<D> values(uint32_t tile) const { return keys(tile).after(kMmaPassing); }

  DEVICE void load_keys(uint32_t tile) const {
    const uint32_t row = begin + tile * kMmaPassing;
    keys(tile).load(p.k, p.shape, row, kMmaPassing, end, place.head);
    values(tile).load(p.v, p.shape, row, kMmaPassing, end, place.head);
    cp_async_commit();
  }

  // Scores of one row become exponentials; what was summed before follows the row's new maximum.
  template <bool masked>
  DEVICE void softmax(Accumulators<kStrips, kColumns>& scores, uint32_t m, uint32_t i, uint32_t first_key) {
    float most = maximum[m][i];
    const uint32_t begin_of_row = masked ? start(m, i) : 0;
    UNROLL
    for (uint32_t n = 0; n < kColumns; n++) {
      UNROLL
      for (uint32_t j = 2 * i; j < 2 * i + 2; j++) {
        float& score = scores.of[m][n][j];
        if (masked && !sees(query(m, i), begin_of_row, first_key + 8 * n + fragment_column(j))) score = -INFINITY;
        most = fmaxf(most, score);
      }
    }
    most = fmaxf(most, shuffle_xor(most, 1));
    most = fmaxf(most, shuffle_xor(most, 2));
    const float shift = most == -INFINITY ? 0.0f : most * scale2;  // infinite: no key seen yet
    const float factor = exp2_approx(maximum[m][i] * scale2 - shift);
    maximum[m][i] = most;
    sum[m][i] *= factor;
    UNROLL
    for (uint32_t n = 0; n < D / 8; n++) y.of[m][n][2 * i] *= factor, y.of[m][n][2 * i + 1] *= factor;
    UNROLL
    for (uint32_t n = 0; n < kColumns; n++) {
      UNROLL
      for (uint32_t j = 2 * i; j < 2 * i + 2; j++) {
        float& score = scores.of[m][n][j];
        score = exp2_approx(score * scale2 - shift);
        sum[m][i] += score;
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
      Accumulators<kStrips, kColumns> scores;
      scores.clear();
      add_scores(scores, q, warp_row, keys(tile), 0);
      UNROLL
      for (uint32_t m = 0; m < kStrips; m++) {
        softmax<masked>(scores, m, 0, begin + tile * kMmaPassing);
        softmax<masked>(scores, m, 1, begin + tile * kMmaPassing);
      }
      add_weighted(y, scores, values(tile), 0);
    }
  }

  DEVICE void run() {
    const uint32_t last_query = (first + kQueries < end ? first + kQueries : end) - 1;
    const KeyTiles tiles = key_tiles<kMmaPassing>(p.shape, begin, first, last_query);
    q.load(p.q, p.shape, first, kQueries, end, place.head);
    load_keys(tiles.first);
    visit<true>(tiles.first, tiles.free, tiles.last);
    visit<false>(tiles.free, tiles.masked, tiles.last);
    visit<true>(tiles.masked, tiles.last + 1, tiles.last);
    finish();
  }

  DEVICE void finish() {
    UNROLL
    for (uint32_t m = 0; m < kStrips; m++) {
      UNROLL
      for (uint32_t i = 0; i < 2; i++) {
        sum[m][i] += shuffle_xor(sum[m][i], 1);
        sum[m][i] += shuffle_xor(sum[m][i], 2);
        if (lane_index() % 4 == 0 && query(m, i) < end)
          p.lse[size_t{query(m, i)} * p.shape.H + place.head] = maximum[m][i] * p.shape.scale + logf(sum[m][i]);
      }
    }
    const auto factor = [&](uint32_t m, uint32_t i) { return 1.0f / sum[m][i]; };
    store_rows(p.y, p.shape, place.head, y, factor, q, warp_row, first + warp_row, end);
  }
};

KERNEL(attention_mma_d32, AttentionParams, kMmaThreads) { ForwardMma<32>(params).run(); }
KERNEL(attention_mma_d64, AttentionParams, kMmaThreads) { ForwardMma<64>(params).run(); }
KERNEL(attention_mma_d128, AttentionParams, kMmaThreads) { ForwardMma<128>(params).run(); }

}  // namespace nanogpt::cuda
