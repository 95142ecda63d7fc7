// How long sums are cut: a first kernel leaves a partial sum a block, a second adds them in order. Both sides, host and
// device, see the cut here; it follows from the number of elements alone, so that no sum depends on the GPU. Computes no
// sum: reduce.h does. May include only the standard library.
#pragma once
#include <cstddef>
#include <cstdint>

namespace nanogpt::cuda {

constexpr uint32_t kSumThreads = 256;
constexpr uint32_t kTotalBytes = kSumThreads / 32 * sizeof(double);  // shared memory of a block's sum
constexpr uint32_t kSumElements = 4096;  // of a block at least
constexpr uint32_t kMostSumBlocks = 528;  // four on each of an H100's 132 processors

// Blocks of the first kernel for a sum over `count` elements.
constexpr uint32_t sum_blocks(uint32_t count) {
  const uint32_t blocks = count / kSumElements + (count % kSumElements != 0);
  return blocks < kMostSumBlocks ? blocks : kMostSumBlocks;
}

}  // namespace nanogpt::cuda
