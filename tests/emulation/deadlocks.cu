// Kernels whose threads wait for what never comes, and their mended twins.
#include "cases.h"

namespace {

using namespace nanogpt::cuda;

struct Nothing {
  uint32_t unused = 0;
};

KERNEL(half_a_barrier, Nothing, 64) {
  if (threadIdx.x < 32) barrier_sync(1, 64);
}

KERNEL(whole_barrier, Nothing, 64) { barrier_sync(1, 64); }

FINDS(barrier_that_half_reach, "threads 0-31 wait at named barrier 1") {
  gpu.launch("half_a_barrier", {1, 64}, Nothing{});
  gpu.sync();
}

PASSES(barrier_that_all_reach) {
  gpu.launch("whole_barrier", {1, 64}, Nothing{});
  gpu.sync();
}

}  // namespace
