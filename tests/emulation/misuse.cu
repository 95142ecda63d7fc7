// One misuse of each asynchronous instruction in the smallest kernel, with its mended twin: mbarriers, descriptors and
// registers of wgmma, copies to global memory, cp.async.
#include "cases.h"

namespace {

using namespace nanogpt::cuda;
using nanogpt::emulation_tests::Gpu;

struct WordParams {
  const uint32_t* in;
  uint32_t* out;
};

DEVICE char* aligned_memory() {
  char* const memory = dynamic_shared();
  return memory + (-shared_address(memory) & 1023u);
}

#define MISUSE(kernel, threads, text)                                                  \
  FINDS(finds_##kernel, text) { run(gpu, #kernel, threads); }
#define MENDED(kernel, threads) \
  PASSES(passes_##kernel) { run(gpu, #kernel, threads); }

void run(Gpu& gpu, const char* kernel, uint32_t threads) {
  std::vector<uint32_t> in(1024);
  for (uint32_t i = 0; i < 1024; i++) in[i] = i;
  uint32_t* const out = gpu.array(std::vector<uint32_t>(1024));
  gpu.launch(kernel, {1, threads, 16384}, WordParams{gpu.array(in), out});
  // What kernels here copy arrives as it was, if they write it at all.
  const auto found = gpu.read(out, 1024);
  for (uint32_t i = 0; i < 1024; i++) {
    if (found[i] != i && found[i] != 0) gpu.wrong("word " + std::to_string(i) + " is " + std::to_string(found[i]));
  }
}

// ---- mbarriers ----

DEVICE uint32_t barrier_of(uint32_t count) {
  const uint32_t bar = shared_address(aligned_memory());
  if (threadIdx.x == 0) {
    mbarrier_init(bar, count);
    fence_mbarrier_init();
  }
  block_sync();
  return bar;
}

KERNEL(arrivals_beyond_the_count, WordParams, 32) {
  const uint32_t bar = barrier_of(1);
  if (threadIdx.x == 0) {
    mbarrier_expect_bytes(bar, 16);
    mbarrier_arrive(bar);
  }
}
MISUSE(arrivals_beyond_the_count, 32, "more than its 1 arrivals")

KERNEL(phase_nobody_waits_for, WordParams, 32) {
  const uint32_t bar = barrier_of(32);
  mbarrier_arrive(bar);
  warp_sync();
  mbarrier_arrive(bar);
}
MISUSE(phase_nobody_waits_for, 32, "nobody has waited")
KERNEL(phases_waited_for, WordParams, 32) {
  const uint32_t bar = barrier_of(32);
  mbarrier_arrive(bar);
  mbarrier_wait(bar, 0);
  warp_sync();
  mbarrier_arrive(bar);
  mbarrier_wait(bar, 1);
}
MENDED(phases_waited_for, 32)

KERNEL(initialised_twice, WordParams, 32) {
  const uint32_t bar = barrier_of(1);
  if (threadIdx.x == 0) mbarrier_init(bar, 1);
}
MISUSE(initialised_twice, 32, "a valid mbarrier already")
KERNEL(initialised_after_invalidation, WordParams, 32) {
  const uint32_t bar = barrier_of(1);
  if (threadIdx.x == 0) {
    mbarrier_invalidate(bar);
    mbarrier_init(bar, 1);
  }
}
MENDED(initialised_after_invalidation, 32)

KERNEL(barrier_never_made, WordParams, 32) { mbarrier_arrive(shared_address(aligned_memory())); }
MISUSE(barrier_never_made, 32, "never initialised")

KERNEL(barrier_overwritten, WordParams, 32) {
  const uint32_t bar = barrier_of(1);
  if (threadIdx.x == 0) {
    *reinterpret_cast<uint32_t*>(aligned_memory()) = 0;
    mbarrier_arrive(bar);
  }
}
MISUSE(barrier_overwritten, 32, "has been overwritten")

KERNEL(signal_without_init_fence, WordParams, 32) {
  const uint32_t bar = shared_address(aligned_memory());
  if (threadIdx.x == 0) {
    mbarrier_init(bar, 1);
    mbarrier_expect_bytes(bar, 16);
    bulk_load(bar + 1024, params.in, 16, bar);
    mbarrier_wait(bar, 0);
  }
}
MISUSE(signal_without_init_fence, 32, "no fence_mbarrier_init")

// ---- wgmma ----

// Zeroed tiles; a product of 32 columns with these starts.
template <int base_offset>
DEVICE void product(uint32_t start, bool change_a) {
  char* const memory = aligned_memory();
  for (uint32_t i = threadIdx.x; i < 2048; i += 128) reinterpret_cast<uint32_t*>(memory)[i] = 0;
  fence_async_proxy();
  block_sync();
  float d[16] = {};
  uint32_t a[4] = {};
  const uint64_t b = matrix_descriptor(shared_address(memory) + start, 16, 1024, Swizzle::bytes128) | uint64_t{base_offset} << 49;
  wgmma_fence();
  wgmma_register_a<32, 0>(d, a, b, false);
  if (change_a) a[threadIdx.x % 4] = 1;
  wgmma_commit();
  wgmma_wait<0>();
}
KERNEL(product_of_whole_patterns, WordParams, 128) { product<0>(32, false); }
MENDED(product_of_whole_patterns, 128)
KERNEL(product_with_base_offset, WordParams, 128) { product<1>(0, false); }
MISUSE(product_with_base_offset, 128, "base offset")
KERNEL(product_that_starts_inside_a_pattern, WordParams, 128) { product<0>(128, false); }
MISUSE(product_that_starts_inside_a_pattern, 128, "not in the first row")
KERNEL(product_beyond_shared_memory, WordParams, 128) { product<0>(15 * 1024, false); }
MISUSE(product_beyond_shared_memory, 128, "unwritten memory: asynchronous read of 16 bytes")
KERNEL(product_whose_registers_change, WordParams, 128) { product<0>(0, true); }
MISUSE(product_whose_registers_change, 128, "registers of a")

// ---- copies to global memory ----

// Words go through a staging buffer, twice if not told otherwise.
template <bool wait_for_reads, bool fence, bool wait_at_end = true, uint32_t rounds = 2>
DEVICE void stage(const WordParams& params) {
  uint32_t* const staging = reinterpret_cast<uint32_t*>(aligned_memory());
  for (uint32_t round = 0; round < rounds; round++) {
    for (uint32_t i = threadIdx.x; i < 256; i += 32) {
      uint32_t word = params.in[round * 256 + i];
      staging[i] = bits_of(static_cast<float>(word));
    }
    if (fence) fence_async_proxy();
    warp_sync();
    if (threadIdx.x == 0) {
      bulk_reduce_add_f32(reinterpret_cast<float*>(params.out) + 512 + round * 256, shared_address(staging), 1024);
      bulk_commit();
      if (wait_for_reads) bulk_wait_read<0>();
    }
    warp_sync();
  }
  if (!wait_at_end) return;
  if (threadIdx.x == 0) bulk_wait<0>();
  warp_sync();
  for (uint32_t i = threadIdx.x; i < 512; i += 32) {
    const float x = float_of(params.out[512 + i]);
    params.out[512 + i] = 0;
    params.out[i] = static_cast<uint32_t>(x);
  }
}
KERNEL(staging_waited_for, WordParams, 32) { stage<true, true>(params); }
MENDED(staging_waited_for, 32)
KERNEL(staging_reused_at_once, WordParams, 32) { stage<false, true>(params); }
MISUSE(staging_reused_at_once, 32, "race: ")
KERNEL(staging_left_behind, WordParams, 32) { stage<false, true, false, 1>(params); }
MISUSE(staging_left_behind, 32, "exited before waiting until")
KERNEL(staging_without_proxy_fence, WordParams, 32) { stage<true, false>(params); }
MISUSE(staging_without_proxy_fence, 32, "missing fence.proxy.async")

// ---- cp.async ----

enum class Ends { waits_and_meets, meets_only, waits_only };
template <Ends ends>
DEVICE void copy_words(const WordParams& params) {
  uint32_t* const words = reinterpret_cast<uint32_t*>(aligned_memory());
  cp_async_16(shared_address(words + 4 * threadIdx.x), params.in + 4 * threadIdx.x);
  cp_async_commit();
  if (ends == Ends::waits_only) warp_sync();  // all copies have begun; each lane then waits for its own alone
  if (ends != Ends::meets_only) cp_async_wait<0>();
  if (ends != Ends::waits_only) warp_sync();
  const uint32_t from = ends == Ends::meets_only ? threadIdx.x : (threadIdx.x + 1) % 32;
  params.out[4 * from] = words[4 * from];
}
KERNEL(copied_words_waited_for, WordParams, 32) { copy_words<Ends::waits_and_meets>(params); }
MENDED(copied_words_waited_for, 32)
KERNEL(copied_words_read_before_the_wait, WordParams, 32) { copy_words<Ends::meets_only>(params); }
MISUSE(copied_words_read_before_the_wait, 32, "race: read of 4 bytes")
KERNEL(copied_words_of_another_lane, WordParams, 32) { copy_words<Ends::waits_only>(params); }
MISUSE(copied_words_of_another_lane, 32, "race: read of 4 bytes")

}  // namespace
