// What becomes of a warpgroup's 64 x 256 sums in the wgmma kernels that make queries, keys and values: gemm.h's kinds
// norm_rope and mix. Two heads of 128 columns lie side by side; the columns c and c + 64 that a rotation takes together are
// sums i and i + 32 of one thread, and four neighbouring threads share a row. Float32, nothing rounded in between. May
// include only gemm_wgmma_store.h and reduce.h.
#pragma once
#include "gemm_wgmma_store.h"
#include "reduce.h"

namespace nanogpt::cuda::wgmma_gemm {

// r = 1/sqrt(mean of squares + eps) of each head of each row, to memory; the head times r, rotated by its row's angles.
struct NormRope : Scaled {
  static constexpr uint32_t kHeads = kColumns / kNormedWidth;
  static constexpr uint32_t kHeadSums = kSums / kHeads, kHalf = kHeadSums / 2;

  template <class Params, class Sums>
  static DEVICE void finish(const Params& params, uint32_t row, uint32_t column, uint32_t /*batch*/, Sums& sums) {
    row += thread_of_group() / 32 * 16 + lane_index() / 4;
    UNROLL
    for (uint32_t below = 0; below < 2; below++) finish_row(params.product, row + 8 * below, column, 2 * below, sums);
  }

 private:
  // The row's sums are `first`, first + 1, and so on every fourth.
  template <class Sums>
  static DEVICE void finish_row(const Product& p, uint32_t row, uint32_t column, uint32_t first, Sums& sums) {
    float r[kHeads];
    UNROLL
    for (uint32_t head = 0; head < kHeads; head++) {
      r[head] = inverse_rms(p.alpha, p.finish.eps, first + head * kHeadSums, sums);
      const uint32_t at = column + head * kNormedWidth;
      if (lane_index() % 4 == 0 && row < p.m && at < p.n)
        p.finish.r[uint64_t{row} * (p.n / kNormedWidth) + at / kNormedWidth] = r[head];
      r[head] *= p.alpha;
    }
    const float* const angles = p.finish.table + uint64_t{row % p.finish.T} * kNormedWidth + lane_index() % 4 * 2;
    UNROLL
    for (uint32_t i = first; i < kHalf; i += 4) {
      const Floats<2> cosines = pair_at(angles + 2 * (i - first)), sines = pair_at(angles + kNormedWidth / 2 + 2 * (i - first));
      UNROLL
      for (uint32_t head = 0; head < kHeads; head++) {
        UNROLL
        for (uint32_t k = 0; k < 2; k++) {
          float& a = sums[head * kHeadSums + i + k];
          float& b = sums[head * kHeadSums + kHalf + i + k];
          const float x = r[head] * a, y = r[head] * b;
          a = x * cosines.at[k] + y * sines.at[k];
          b = y * cosines.at[k] - x * sines.at[k];
        }
      }
    }
  }

  template <class Sums>
  static DEVICE float inverse_rms(float alpha, float eps, uint32_t first, const Sums& sums) {
    float squares = 0.0f;
    UNROLL
    for (uint32_t i = 0; i < kHeadSums; i += 4) squares += sums[first + i] * sums[first + i] + sums[first + i + 1] * sums[first + i + 1];
    squares = warp_reduce(squares, [](float a, float b) { return a + b; }, 4);
    return rsqrt_approx(alpha * alpha * squares / kNormedWidth + eps);
  }

  static DEVICE Floats<2> pair_at(const float* address) {
    const Words2 words = *reinterpret_cast<const Words2*>(address);
    return {float_of(words.x), float_of(words.y)};
  }
};

// The sums themselves to memory; c = (1 - share) sum + share added.
struct Mix : Scaled {
  template <class Params>
  static DEVICE float beta(const Params& params) { return params.product.finish.share[0]; }

  template <class Params, class Sums>
  static DEVICE void finish(const Params& params, uint32_t row, uint32_t column, uint32_t /*batch*/, Sums& sums) {
    const Product& p = params.product;
    row += thread_of_group() / 32 * 16 + lane_index() / 4;
    column += lane_index() % 4 * 8;
    UNROLL
    for (uint32_t below = 0; below < 2; below++) {
      UNROLL
      for (uint32_t i = 0; i < kSums; i += 16) store_own(p, row + 8 * below, column + 2 * i, &sums[i + 2 * below]);
    }
    const float rest = 1.0f - beta(params);
    UNROLL
    for (uint32_t i = 0; i < kSums; i++) sums[i] *= rest;
  }

 private:
  // Four threads hold 32 columns of a row, two of each eight; each stores eight of them, from (row, column) on.
  static DEVICE void store_own(const Product& p, uint32_t row, uint32_t column, const float* sums) {
    uint32_t words[4];
    UNROLL
    for (uint32_t q = 0; q < 4; q++) words[q] = pack_bf16(p.alpha * sums[4 * q], p.alpha * sums[4 * q + 1]);
    exchange<1>(words[0], words[1]), exchange<1>(words[2], words[3]);
    exchange<2>(words[0], words[2]), exchange<2>(words[1], words[3]);
    if (row >= p.m || column >= p.n) return;
    bf16* const to = static_cast<bf16*>(p.finish.own) + row * p.ldc + column;
    *reinterpret_cast<Words4*>(to) = Words4{words[0], words[1], words[2], words[3]};
  }

  // With the lane whose number differs in bit `step`: the lower one's `high` for the upper one's `low`.
  template <uint32_t step>
  static DEVICE void exchange(uint32_t& low, uint32_t& high) {
    const bool upper = (lane_index() & step) != 0;
    const uint32_t got = shuffle_xor(upper ? low : high, step);
    if (upper) low = got;
    else high = got;
  }
};

}  // namespace nanogpt::cuda::wgmma_gemm
