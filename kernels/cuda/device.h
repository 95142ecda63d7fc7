// What kernels share above the instructions: sums over a warp or block, and how a kernel says that its input is wrong.
// Sums have a fixed order, and all threads must take part in them. Knows no op. May include only ptx.h, input_error.h and
// the standard library.
#pragma once
#include "input_error.h"
#include "ptx.h"

namespace nanogpt::cuda {

// Sum over the lanes of a warp, in every lane: a fixed tree.
DEVICE float warp_sum(float x) {
  for (uint32_t lanes = 16; lanes > 0; lanes /= 2) x += shuffle_xor(x, lanes);
  return x;
}

// Sum over a block of `warps` warps, in every thread; `shared` has room for that many floats. All threads must call.
DEVICE float block_sum(float x, float* shared, uint32_t warps) {
  x = warp_sum(x);
  block_sync();  // nobody reads the previous sum any more
  if (lane_index() == 0) shared[warp_index()] = x;
  block_sync();
  float sum = 0.0f;
  for (uint32_t i = 0; i < warps; i++) sum += shared[i];
  return sum;
}

// Says that an input breaks a limit; the first to say so stands.
DEVICE void report_input(InputError* error, InputLimit limit, uint32_t position, int32_t found, uint32_t below) {
  if (atomic_compare_exchange(&error->limit, 0, static_cast<uint32_t>(limit)) != 0) return;
  error->position = position;
  error->found = found;
  error->below = below;
}

}  // namespace nanogpt::cuda
