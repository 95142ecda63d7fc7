// Work cut into chunks for the pool, and sums over it. Chunks depend on sizes only and partial sums are added in the
// chunks' order, so no result depends on the number of threads. Work of one chunk stays on the caller.
// May include context.h, simd.h and the standard library.
#pragma once
#include "context.h"
#include "simd.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {

// Elements of one chunk: 64 KB of float32, whose memory traffic takes longer than handing it to a thread.
constexpr int64_t kChunk = 16384;

// Rows of one chunk, at least 1.
inline int64_t rows_per_chunk(int64_t width) { return width >= kChunk ? 1 : kChunk / width; }

// Calls body(begin, end) for [0, count) cut into pieces of `chunk`, over the pool. Pieces must write disjoint memory.
template <class Body>
inline void for_chunks(Context& context, int64_t count, int64_t chunk, const Body& body) {
  context.parallel((count + chunk - 1) / chunk, [&](int64_t index, int) {
    const int64_t begin = index * chunk;
    body(begin, begin + chunk < count ? begin + chunk : count);
  });
}

// K sums over [0, count): body(begin, end, sums) gives those of one piece, which are added in order to `totals`. Pieces are
// whole multiples of `unit`, but for the last.
template <int K, class Body>
inline void sum_chunks(Context& context, int64_t count, double (&totals)[K], const Body& body, int64_t unit = kChunk) {
  constexpr int64_t kMostChunks = 512;  // 3 sums of each are 12 KB of stack
  const int64_t least = (count + kMostChunks - 1) / kMostChunks;
  const int64_t chunk = (least + unit - 1) / unit * unit;
  double partials[kMostChunks][K];
  for_chunks(context, count, chunk, [&](int64_t begin, int64_t end) { body(begin, end, partials[begin / chunk]); });
  const int64_t chunks = (count + chunk - 1) / chunk;
  for (int k = 0; k < K; k++) {
    totals[k] = 0;
    for (int64_t i = 0; i < chunks; i++) totals[k] += partials[i][k];
  }
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
