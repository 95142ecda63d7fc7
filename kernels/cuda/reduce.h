// Sums and other reductions over a warp, a block and a grid, each in an order that its sizes fix. Long sums are doubles.
// A grid's sum takes two kernels: no block waits for another. May include only device.h, partial_sums.h and the standard
// library.
#pragma once
#include "device.h"
#include "partial_sums.h"

namespace nanogpt::cuda {

// `combine` over the lanes of a warp, or of each aligned group of `lanes` of them (a power of two), in every lane.
template <class T, class F>
DEVICE T warp_reduce(T x, F combine, uint32_t lanes = 32) {
  for (uint32_t step = lanes / 2; step > 0; step /= 2) x = combine(x, shuffle_xor(x, step));
  return x;
}

DEVICE double warp_total(double x, uint32_t lanes = 32) {
  return warp_reduce(x, [](double a, double b) { return a + b; }, lanes);
}

// Sum over a block of kSumThreads, in every thread. Takes the first kTotalBytes of dynamic shared memory. All threads must call.
DEVICE double block_total(double x) {
  double* const shared = reinterpret_cast<double*>(dynamic_shared());
  x = warp_total(x);
  block_sync();  // nobody reads the previous sum any more
  if (lane_index() == 0) shared[warp_index()] = x;
  block_sync();
  double sum = 0.0;
  for (uint32_t i = 0; i < kSumThreads / 32; i++) sum += shared[i];
  return sum;
}

// The sum of `count` partial sums, in every thread of a block of kSumThreads.
DEVICE double total_of(const double* partials, uint32_t count) {
  double sum = 0.0;
  for (uint32_t i = threadIdx.x; i < count; i += kSumThreads) sum += partials[i];
  return block_total(sum);
}

}  // namespace nanogpt::cuda
