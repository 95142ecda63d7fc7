// Kernels that use the memory of asynchronous copies too early, too late or through the wrong proxy, and their mended twins.
#include "cases.h"

namespace {

using namespace nanogpt::cuda;
using nanogpt::emulation_tests::Gpu;

constexpr uint32_t kWords = 64, kBytes = kWords * 4;

struct Copy {
  const float* x;
  float* y;
};

enum class Flaw { none, no_wait, other_phase, no_barrier, no_fence, fence_by_the_issuer, fence_too_early, reused_too_early,
                  read_without_writes };

void run(Gpu& gpu, const char* kernel, uint32_t threads) {
  float* const y = gpu.array(std::vector<float>(kWords, 0.0f));
  gpu.launch(kernel, {1, threads, 4096}, Copy{gpu.array(std::vector<float>(4 * kWords, 1.0f)), y});
  gpu.sync();
  const auto found = gpu.read(y, kWords);
  for (const float value : found)
    if (gpu.report.empty() && value != 1.0f) gpu.wrong("a word is " + std::to_string(value));
}
#define PLANTED(flaw_name, flaw, text)                                         \
  KERNEL(flaw_name##_kernel, Copy, 128) { COPIES<Flaw::flaw>(params); }        \
  FINDS(flaw_name, text) { run(gpu, #flaw_name "_kernel", 64); }

// 128-byte aligned room behind two mbarriers at its beginning.
DEVICE char* shared_room() { return dynamic_shared() + (-shared_address(dynamic_shared()) & 127u); }

// A bulk load that all threads read; twins leave out the wait, or wait for another barrier's bytes.
template <Flaw flaw>
DEVICE void load_and_read(const Copy& p) {
  char* const room = shared_room();
  const uint32_t bar = shared_address(room);
  float* const tile = reinterpret_cast<float*>(room + 128);
  if (threadIdx.x == 0) {
    mbarrier_init(bar, 1);
    mbarrier_init(bar + 8, 1);
    fence_mbarrier_init();
  }
  block_sync();
  if (threadIdx.x == 0) {
    mbarrier_expect_bytes(bar, kBytes);
    bulk_load(shared_address(tile), p.x, kBytes, bar);
    mbarrier_expect_bytes(bar + 8, kBytes);
    bulk_load(shared_address(tile) + kBytes, p.x + kWords, kBytes, bar + 8);
  }
  if (flaw != Flaw::no_wait && flaw != Flaw::other_phase) mbarrier_wait(bar, 0);
  if (flaw != Flaw::no_wait) mbarrier_wait(bar + 8, 0);
  p.y[threadIdx.x] = tile[threadIdx.x];
  block_sync();
  mbarrier_wait(bar, 0);
  mbarrier_wait(bar + 8, 0);
}
#define COPIES load_and_read
PLANTED(load_read_without_wait, no_wait, "read of 4 bytes at shared+")
PLANTED(load_read_after_wait_for_another, other_phase, "read of 4 bytes at shared+")
KERNEL(load_read_after_wait_kernel, Copy, 128) { load_and_read<Flaw::none>(params); }
PASSES(load_read_after_wait) { run(gpu, "load_read_after_wait_kernel", 64); }
#undef COPIES

// cp.async: each thread copies 16 bytes for its neighbours; a wait is for one's own copies only.
template <Flaw flaw>
DEVICE void copy_and_read(const Copy& p) {
  float* const tile = reinterpret_cast<float*>(shared_room());
  if (threadIdx.x < kWords / 4) cp_async_16(shared_address(tile) + 16 * threadIdx.x, p.x + 4 * threadIdx.x);
  cp_async_commit();
  if (flaw != Flaw::no_wait) cp_async_wait<0>();
  if (flaw != Flaw::no_barrier) block_sync();
  p.y[threadIdx.x] = tile[threadIdx.x];
  cp_async_wait<0>();
}
#define COPIES copy_and_read
PLANTED(cp_async_read_without_wait, no_wait, "read of 4 bytes at shared+")
PLANTED(cp_async_read_without_barrier, no_barrier, "read of 4 bytes at shared+")
KERNEL(cp_async_read_after_both_kernel, Copy, 128) { copy_and_read<Flaw::none>(params); }
PASSES(cp_async_read_after_both) { run(gpu, "cp_async_read_after_both_kernel", 64); }
#undef COPIES

// All threads write a tile, one adds it to global memory, then the tile is written anew.
template <Flaw flaw>
DEVICE void write_and_store(const Copy& p) {
  float* const tile = reinterpret_cast<float*>(shared_room());
  if (flaw == Flaw::fence_too_early) fence_async_proxy();
  tile[threadIdx.x] = p.x[threadIdx.x];
  if (flaw != Flaw::no_fence && flaw != Flaw::fence_by_the_issuer && flaw != Flaw::fence_too_early) fence_async_proxy();
  if (flaw != Flaw::no_barrier) block_sync();
  if (threadIdx.x == 0) {
    if (flaw == Flaw::fence_by_the_issuer) fence_async_proxy();
    bulk_reduce_add_f32(p.y, shared_address(tile), kBytes);
    bulk_commit();
    if (flaw != Flaw::reused_too_early) bulk_wait_read<0>();
  }
  block_sync();
  tile[threadIdx.x] = 3.0f;
  // The source has been read then, the target need not have been written.
  if (threadIdx.x == 0 && flaw == Flaw::read_without_writes) tile[0] = p.y[0];
  if (threadIdx.x == 0) bulk_wait<0>();
  if (threadIdx.x == 0) tile[0] = p.y[0];
}
#define COPIES write_and_store
PLANTED(store_without_proxy_fence, no_fence, "missing fence.proxy.async")
PLANTED(store_with_fence_of_the_issuer_only, fence_by_the_issuer, "missing fence.proxy.async")
PLANTED(store_with_fence_before_the_write, fence_too_early, "missing fence.proxy.async")
PLANTED(store_without_barrier, no_barrier, "shared+")
PLANTED(store_source_reused_too_early, reused_too_early, "race: ")
PLANTED(store_target_read_before_wait_group, read_without_writes, "race: ")
KERNEL(store_with_proxy_fence_kernel, Copy, 128) { write_and_store<Flaw::none>(params); }
PASSES(store_with_proxy_fence) { run(gpu, "store_with_proxy_fence_kernel", 64); }
#undef COPIES

// Every block adds one to the words of one place, which the launch before or a later one may touch as it likes, but no block.
enum class Meanwhile { nothing, read, write };

template <Meanwhile meanwhile>
DEVICE void add_from_blocks(const Copy& p) {
  float* const tile = reinterpret_cast<float*>(shared_room());
  tile[threadIdx.x] = 1.0f;
  fence_async_proxy();
  block_sync();
  if (threadIdx.x == 0) {
    bulk_reduce_add_f32(p.y, shared_address(tile), kBytes);
    bulk_commit();
    bulk_wait<0>();
  }
  block_sync();
  if (meanwhile == Meanwhile::read && blockIdx.x == 0) tile[threadIdx.x] = p.y[threadIdx.x];
  if (meanwhile == Meanwhile::write && blockIdx.x == 0) p.y[threadIdx.x] = 1.0f;
}
KERNEL(add_from_blocks_kernel, Copy, 64) { add_from_blocks<Meanwhile::nothing>(params); }
KERNEL(sums_read_meanwhile_kernel, Copy, 64) { add_from_blocks<Meanwhile::read>(params); }
KERNEL(sums_written_meanwhile_kernel, Copy, 64) { add_from_blocks<Meanwhile::write>(params); }
KERNEL(sums_read_after_kernel, Copy, 64) { params.y[threadIdx.x] -= params.x[threadIdx.x]; }

constexpr uint32_t kAdding = 12;  // blocks

void add_up(Gpu& gpu, const char* kernel) {
  float* const y = gpu.array(std::vector<float>(kWords, 5.0f));
  gpu.launch(kernel, {kAdding, kWords, 4096}, Copy{nullptr, y});
  gpu.launch("sums_read_after_kernel", {1, kWords}, Copy{gpu.array(std::vector<float>(kWords, 5.0f)), y});
  for (const float value : gpu.read(y, kWords))
    if (gpu.report.empty() && value != kAdding) gpu.wrong("a sum of ones is " + std::to_string(value));
}
PASSES(blocks_add_to_one_place) { add_up(gpu, "add_from_blocks_kernel"); }
FINDS(sums_read_while_others_add, "race: ") { add_up(gpu, "sums_read_meanwhile_kernel"); }
FINDS(sums_written_while_others_add, "race: ") { add_up(gpu, "sums_written_meanwhile_kernel"); }

}  // namespace
