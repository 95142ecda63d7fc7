// Lanes that do not come together as an instruction demands, and their mended twins: shuffles, aligned barriers, named
// barriers, warpgroups, register pools.
#include "cases.h"

namespace {

using namespace nanogpt::cuda;

struct Nothing {
  uint32_t unused = 0;
};
struct Out {
  uint32_t* y;
};

#define RUN(kernel, threads)                        \
  gpu.launch(#kernel, {1, threads, 0, 1}, Nothing{}); \
  gpu.sync()

KERNEL(exited_lane_in_mask, Nothing, 32) {
  if (threadIdx.x == 7) return;
  shuffle_xor(threadIdx.x, 1);
}
FINDS(shuffle_with_exited_lane, "exit") { RUN(exited_lane_in_mask, 32); }
KERNEL(exits_after_shuffling, Nothing, 32) {
  shuffle_xor(threadIdx.x, 1);
  if (threadIdx.x == 7) return;
  block_sync();
}
PASSES(lane_exits_after_the_shuffle) { RUN(exits_after_shuffling, 32); }

KERNEL(shuffles_at_two_calls, Nothing, 32) {
  if (threadIdx.x < 16) shuffle_xor(threadIdx.x, 1);
  else shuffle_xor(threadIdx.x, 2);
}
FINDS(lanes_at_two_calls, "which wait for this one at another call: shuffle_xor") { RUN(shuffles_at_two_calls, 32); }
KERNEL(shuffles_at_one_call, Nothing, 32) { shuffle_xor(threadIdx.x, threadIdx.x < 16 ? 1u : 2u); }
PASSES(lanes_at_one_call) { RUN(shuffles_at_one_call, 32); }

KERNEL(barrier_in_a_branch, Nothing, 64) {
  if (threadIdx.x % 2 == 0) block_sync();
  else block_sync();
}
FINDS(aligned_barrier_by_part_of_a_warp, "(aligned) is reached by part of a warp") { RUN(barrier_in_a_branch, 64); }
KERNEL(barrier_after_exits, Nothing, 128) {
  if (threadIdx.x % 32 > 20 || threadIdx.x >= 96) return;
  block_sync();
}
PASSES(barrier_of_those_who_are_left) { RUN(barrier_after_exits, 128); }

KERNEL(barrier_counts_differ, Nothing, 96) { barrier_sync(1, threadIdx.x < 32 ? 64 : 96); }
FINDS(barrier_with_two_counts, "threads expected by others") { RUN(barrier_counts_differ, 96); }
KERNEL(barrier_of_48, Nothing, 64) { barrier_sync(1, 48); }
FINDS(barrier_count_not_of_warps, "48 threads are not a multiple of 32") { RUN(barrier_of_48, 64); }
KERNEL(barrier_of_a_third_warp, Nothing, 96) {
  if (threadIdx.x < 64) barrier_arrive(2, 64);
  else barrier_arrive(2, 64);
}
FINDS(barrier_with_a_warp_too_many, "the block exits with 32 threads arrived at named barrier 2, which waits for 64") {
  RUN(barrier_of_a_third_warp, 96);
}
KERNEL(barrier_id_16, Nothing, 32) { barrier_sync(16, 32); }
FINDS(barrier_id_too_high, "ids go from 0 to 15") { RUN(barrier_id_16, 32); }
KERNEL(produce_and_consume, Nothing, 64) {
  for (uint32_t i = 0; i < 5; i++) {
    if (threadIdx.x < 32) {
      barrier_arrive(1, 64);
      barrier_sync(2, 64);
    } else {
      barrier_sync(1, 64);
      barrier_arrive(2, 64);
    }
  }
}
PASSES(barriers_by_turns) { RUN(produce_and_consume, 64); }

KERNEL(registers_right, Nothing, 384) {
  if (threadIdx.x < 128) release_registers<40>();
  else take_registers<232>();
}
PASSES(registers_change_hands) { RUN(registers_right, 384); }
KERNEL(registers_too_many, Nothing, 384) {
  if (threadIdx.x < 128) release_registers<40>();
  else take_registers<240>();
}
FINDS(registers_that_nobody_gives, "wait at setmaxnreg.inc") { RUN(registers_too_many, 384); }
KERNEL(registers_of_half_a_group, Nothing, 128) {
  if (threadIdx.x < 64) release_registers<40>();
}
FINDS(registers_by_part_of_a_warpgroup, "warpgroup") { RUN(registers_of_half_a_group, 128); }
KERNEL(registers_of_two_warps, Nothing, 64) { release_registers<40>(); }
FINDS(registers_without_a_warpgroup, "are no warpgroup") { RUN(registers_of_two_warps, 64); }
KERNEL(registers_odd, Nothing, 128) { release_registers<44>(); }
FINDS(registers_not_in_steps_of_8, "24 to 256 registers in steps of 8, found 44") { RUN(registers_odd, 128); }
KERNEL(registers_released_upwards, Nothing, 384) { release_registers<200>(); }
FINDS(registers_released_that_are_not_held, "the warpgroup has only 168") { RUN(registers_released_upwards, 384); }

KERNEL(elect_and_write, Out, 64) {
  if (elect_one()) atomic_add(params.y, 1u);
}
PASSES(one_lane_is_elected) {
  auto* const y = gpu.array<uint32_t>(std::vector<uint32_t>{0});
  gpu.launch("elect_and_write", {1, 64, 0, 1}, Out{y});
  if (const auto found = gpu.read(y, 1)[0]; found != 2) gpu.wrong("elected " + std::to_string(found) + " lanes of 2 warps");
}

}  // namespace
