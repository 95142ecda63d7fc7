// Kernels whose threads touch the same memory with nothing between that orders them, and their mended twins.
#include "cases.h"

namespace {

using namespace nanogpt::cuda;
using nanogpt::emulation_tests::Gpu;

struct Words {
  uint32_t* x;
  uint32_t* y;
};

uint32_t* zero(Gpu& gpu) { return gpu.array(std::vector<uint32_t>{0}); }

// One thread writes a shared word, all read it.
template <class Between>
DEVICE void one_for_all(const Words& p, Between between) {
  uint32_t* const shared = reinterpret_cast<uint32_t*>(dynamic_shared());
  if (threadIdx.x == 0) shared[0] = 7;
  between();
  p.y[threadIdx.x] = shared[0];
}
KERNEL(read_without_barrier, Words, 64) { one_for_all(params, [] {}); }
KERNEL(read_after_barrier, Words, 64) { one_for_all(params, [] { block_sync(); }); }
KERNEL(read_after_warp_barrier, Words, 64) { one_for_all(params, [] { warp_sync(); }); }
KERNEL(read_after_shuffle, Words, 64) { one_for_all(params, [] { shuffle(0u, 0); }); }
KERNEL(read_after_ballot, Words, 64) { one_for_all(params, [] { ballot(true); }); }

void run_one_for_all(Gpu& gpu, const char* kernel, uint32_t threads) {
  gpu.launch(kernel, {1, threads, 256}, Words{nullptr, gpu.array<uint32_t>(threads)});
  gpu.sync();
}
FINDS(shared_read_without_barrier, "race") { run_one_for_all(gpu, "read_without_barrier", 64); }
PASSES(shared_read_after_barrier) { run_one_for_all(gpu, "read_after_barrier", 64); }
FINDS(shared_read_in_warp_without_barrier, "race") { run_one_for_all(gpu, "read_without_barrier", 32); }
PASSES(shared_read_in_warp_after_syncwarp) { run_one_for_all(gpu, "read_after_warp_barrier", 32); }
FINDS(syncwarp_for_two_warps, "race") { run_one_for_all(gpu, "read_after_warp_barrier", 64); }
FINDS(shuffle_taken_for_a_barrier, "race") { run_one_for_all(gpu, "read_after_shuffle", 32); }
FINDS(ballot_taken_for_a_barrier, "race") { run_one_for_all(gpu, "read_after_ballot", 32); }

// A tile is overwritten for the next round while others may still read it.
template <bool kBarrier>
DEVICE void rotate(const Words& p) {
  uint32_t* const tile = reinterpret_cast<uint32_t*>(dynamic_shared());
  uint32_t sum = 0;
  for (uint32_t round = 0; round < 3; round++) {
    tile[threadIdx.x] = round + threadIdx.x;
    block_sync();
    sum += tile[(threadIdx.x + 1) % 64];
    if (kBarrier) block_sync();
  }
  p.y[threadIdx.x] = sum;
}
KERNEL(overwrite_while_read, Words, 64) { rotate<false>(params); }
KERNEL(overwrite_after_read, Words, 64) { rotate<true>(params); }
FINDS(shared_tile_reused_too_early, "race") {
  gpu.launch("overwrite_while_read", {1, 64, 256}, Words{nullptr, gpu.array<uint32_t>(64)});
  gpu.sync();
}
PASSES(shared_tile_reused_after_barrier) {
  gpu.launch("overwrite_after_read", {1, 64, 256}, Words{nullptr, gpu.array<uint32_t>(64)});
  gpu.sync();
}

// Two producer warps write and kSigned of them sign in at the barrier at which the consumer waits.
template <uint32_t kSigned>
DEVICE void hand_over(const Words& p) {
  uint32_t* const tile = reinterpret_cast<uint32_t*>(dynamic_shared());
  if (warp_index() > 0) {
    tile[threadIdx.x] = threadIdx.x;
    if (warp_index() <= kSigned) barrier_arrive(1, 32 + 32 * kSigned);
  } else {
    barrier_sync(1, 32 + 32 * kSigned);
    p.y[threadIdx.x] = tile[32 + threadIdx.x] + tile[64 + threadIdx.x];
  }
}
KERNEL(two_of_two_arrive, Words, 96) { hand_over<2>(params); }
KERNEL(one_of_two_arrives, Words, 96) { hand_over<1>(params); }
FINDS(producer_that_does_not_arrive, "race") {
  gpu.launch("one_of_two_arrives", {1, 96, 512}, Words{nullptr, gpu.array<uint32_t>(32)});
  gpu.sync();
}
PASSES(producers_that_all_arrive) {
  gpu.launch("two_of_two_arrive", {1, 96, 512}, Words{nullptr, gpu.array<uint32_t>(32)});
  gpu.sync();
}

// Blocks write their sums, the last to finish adds them up.
template <bool kFence>
DEVICE void last_block_sums(const Words& p) {
  p.y[1 + blockIdx.x] = blockIdx.x;
  if (kFence) fence_device();
  if (atomic_add(p.x, 1) + 1 != gridDim.x) return;
  if (kFence) fence_device();
  uint32_t sum = 0;
  for (uint32_t i = 0; i < gridDim.x; i++) sum += p.y[1 + i];
  p.y[0] = sum;
}
KERNEL(last_block_without_fence, Words, 1) { last_block_sums<false>(params); }
KERNEL(last_block_with_fence, Words, 1) { last_block_sums<true>(params); }
void run_last_block(Gpu& gpu, const char* kernel) {
  uint32_t* const sums = gpu.array<uint32_t>(7);
  gpu.launch(kernel, {6, 1}, Words{zero(gpu), sums});
  gpu.sync();
  if (gpu.report.empty() && gpu.read(sums, 1)[0] != 15) gpu.wrong("the sum of 0 to 5");
}
FINDS(blocks_without_threadfence, "race") { run_last_block(gpu, "last_block_without_fence"); }
PASSES(blocks_with_threadfence) { run_last_block(gpu, "last_block_with_fence"); }

// Two blocks write one word; twin: in two launches.
KERNEL(write_first_word, Words, 1) { params.y[0] = blockIdx.x; }
FINDS(blocks_that_write_one_word, "race") {
  gpu.launch("write_first_word", {2, 1}, Words{nullptr, gpu.array<uint32_t>(1)});
  gpu.sync();
}
PASSES(launches_that_write_one_word) {
  const Words words{nullptr, gpu.array<uint32_t>(1)};
  gpu.launch("write_first_word", {1, 1}, words);
  gpu.launch("write_first_word", {1, 1}, words);
  gpu.sync();
}

// Blocks count; one of them sets the counter by a plain store. Twin: all are atomic.
KERNEL(count_and_store, Words, 1) {
  if (blockIdx.x == 0) params.x[0] = 0;
  else atomic_add(params.x, 1);
}
KERNEL(count, Words, 1) { atomic_add(params.x, 1); }
FINDS(atomic_against_plain_store, "race") {
  gpu.launch("count_and_store", {3, 1}, Words{zero(gpu), nullptr});
  gpu.sync();
}
PASSES(atomics_among_themselves) {
  gpu.launch("count", {3, 1}, Words{zero(gpu), nullptr});
  gpu.sync();
}

// Neighbouring elements of two bytes share a word: no race.
struct Halves {
  uint16_t* y;
};
KERNEL(write_halves, Halves, 64) { params.y[threadIdx.x] = static_cast<uint16_t>(threadIdx.x); }
PASSES(neighbours_in_one_word) {
  gpu.launch("write_halves", {1, 64}, Halves{gpu.array<uint16_t>(64)});
  gpu.sync();
}

}  // namespace
