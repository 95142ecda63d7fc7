// Instructions by which lanes meet: shuffles, votes, barriers, clusters, atomics, fences, and setmaxnreg. Barriers order
// memory among those who meet; shuffles and votes carry data only. Every instruction is the form that PTX calls .sync or
// .aligned: all lanes of the mask or warp come to the same call. May include only math.h.
#pragma once
#include "math.h"

namespace nanogpt::cuda {

#if defined(__CUDACC__)

// __syncthreads.
DEVICE void block_sync() { asm volatile("bar.sync 0;" ::: "memory"); }
// Named barrier `id` (1 to 15) of `threads` threads, a multiple of 32: sync waits, arrive only signs in.
DEVICE void barrier_sync(uint32_t id, uint32_t threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
DEVICE void barrier_arrive(uint32_t id, uint32_t threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
DEVICE void warp_sync() { __syncwarp(); }
template <class T>
DEVICE T shuffle_xor(T x, uint32_t lanes) { return __shfl_xor_sync(kFullWarp, x, static_cast<int>(lanes)); }
template <class T>
DEVICE T shuffle(T x, uint32_t lane) { return __shfl_sync(kFullWarp, x, static_cast<int>(lane)); }
// The value of the lane `lanes` below; one's own where there is none.
template <class T>
DEVICE T shuffle_up(T x, uint32_t lanes) { return __shfl_up_sync(kFullWarp, x, lanes); }
// The value of the lane `lanes` above; one's own where there is none.
template <class T>
DEVICE T shuffle_down(T x, uint32_t lanes) { return __shfl_down_sync(kFullWarp, x, lanes); }
// A bit for each lane that votes yes.
DEVICE uint32_t ballot(bool vote) { return __ballot_sync(kFullWarp, vote); }
DEVICE bool warp_any(bool vote) { return __any_sync(kFullWarp, vote) != 0; }
DEVICE bool warp_all(bool vote) { return __all_sync(kFullWarp, vote) != 0; }
// True in one lane of the warp, always the same one, but not said which.
DEVICE bool elect_one() {
  uint32_t yes;
  asm volatile("{\n.reg .pred p;\n.reg .b32 leader;\nelect.sync leader|p, %1;\nselp.u32 %0, 1, 0, p;\n}"
               : "=r"(yes) : "r"(kFullWarp));
  return yes != 0;
}

// Atomics on global or shared memory, relaxed, for the whole GPU; they give what was there before.
DEVICE uint32_t atomic_add(uint32_t* address, uint32_t x) { return atomicAdd(address, x); }
DEVICE float atomic_add(float* address, float x) { return atomicAdd(address, x); }
DEVICE uint32_t atomic_max(uint32_t* address, uint32_t x) { return atomicMax(address, x); }
DEVICE uint32_t atomic_exchange(uint32_t* address, uint32_t x) { return atomicExch(address, x); }
// Writes x where `expected` stands.
DEVICE uint32_t atomic_compare_exchange(uint32_t* address, uint32_t expected, uint32_t x) {
  return atomicCAS(address, expected, x);
}
// A flag between blocks: what was written before store_release is seen after a load_acquire that read it. A loop around
// load_acquire polls.
DEVICE uint32_t load_acquire(const uint32_t* address) {
  uint32_t x;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(x) : "l"(address) : "memory");
  return x;
}
DEVICE void store_release(uint32_t* address, uint32_t x) {
  asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(address), "r"(x) : "memory");
}
// __threadfence: with relaxed atomics on both sides it orders what stands before and after.
DEVICE void fence_device() { __threadfence(); }

// Blocks of a cluster (sm_90). arrive releases, wait acquires; all threads of all its blocks take part.
DEVICE uint32_t cluster_rank() {
  uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}
DEVICE uint32_t cluster_blocks() {
  uint32_t blocks;
  asm volatile("mov.u32 %0, %%cluster_nctarank;" : "=r"(blocks));
  return blocks;
}
DEVICE void cluster_arrive() { asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory"); }
DEVICE void cluster_wait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }
// The address by which shared memory of block `rank` of the cluster is reached; the block must not have exited.
DEVICE uint32_t map_shared(uint32_t address, uint32_t rank) {
  uint32_t mapped;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(mapped) : "r"(address), "r"(rank));
  return mapped;
}
DEVICE uint32_t load_cluster(uint32_t mapped) {
  uint32_t x;
  asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(x) : "r"(mapped) : "memory");
  return x;
}
DEVICE void store_cluster(uint32_t mapped, uint32_t x) {
  asm volatile("st.shared::cluster.u32 [%0], %1;" ::"r"(mapped), "r"(x) : "memory");
}

// Registers a thread of this warpgroup may use from here (sm_90a; 24 to 256 in steps of 8): release gives some back to the
// block's pool, take waits until the pool has enough.
template <uint32_t Count>
DEVICE void release_registers() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count)); }
template <uint32_t Count>
DEVICE void take_registers() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count)); }

// A kernel that was launched to overlap the one before it (sm_90) waits for that one's writes, and lets the next one start.
DEVICE void wait_for_kernel_before() { asm volatile("griddepcontrol.wait;" ::: "memory"); }
DEVICE void let_next_kernel_start() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }

#else

DEVICE void block_sync(PTX_ONLY_SITE) { emulation::barrier_sync(0, 0, site); }
DEVICE void barrier_sync(uint32_t id, uint32_t threads SITE) { emulation::barrier_sync(id, threads, site); }
DEVICE void barrier_arrive(uint32_t id, uint32_t threads SITE) { emulation::barrier_arrive(id, threads, site); }
DEVICE void warp_sync(PTX_ONLY_SITE) { emulation::warp_sync(kFullWarp, site); }

template <class T>
struct Exchange {
  T mine, theirs;
  uint32_t from;
};

template <class T>
DEVICE T exchange(const char* op, T x, uint32_t from, emulation::Site site) {
  Exchange<T> mine{x, x, from};
  emulation::collective(op, kFullWarp, mine, [](Exchange<T>* const* lanes) {
    for (uint32_t i = 0; i < 32; i++) lanes[i]->theirs = lanes[lanes[i]->from % 32]->mine;
  }, site);
  return mine.theirs;
}
template <class T>
DEVICE T shuffle_xor(T x, uint32_t lanes SITE) { return exchange("shuffle_xor", x, lane_index() ^ lanes, site); }
template <class T>
DEVICE T shuffle(T x, uint32_t lane SITE) { return exchange("shuffle", x, lane, site); }
template <class T>
DEVICE T shuffle_up(T x, uint32_t lanes SITE) {
  return exchange("shuffle_up", x, lane_index() < lanes ? lane_index() : lane_index() - lanes, site);
}
template <class T>
DEVICE T shuffle_down(T x, uint32_t lanes SITE) {
  return exchange("shuffle_down", x, lane_index() + lanes > 31 ? lane_index() : lane_index() + lanes, site);
}
DEVICE uint32_t vote_of_warp(const char* op, bool vote, emulation::Site site) {
  struct Vote { bool mine; uint32_t all; } mine{vote, 0};
  emulation::collective(op, kFullWarp, mine, [](Vote* const* lanes) {
    uint32_t all = 0;
    for (uint32_t i = 0; i < 32; i++) all |= uint32_t{lanes[i]->mine} << i;
    for (uint32_t i = 0; i < 32; i++) lanes[i]->all = all;
  }, site);
  return mine.all;
}
DEVICE uint32_t ballot(bool vote SITE) { return vote_of_warp("ballot", vote, site); }
DEVICE bool warp_any(bool vote SITE) { return vote_of_warp("any", vote, site) != 0; }
DEVICE bool warp_all(bool vote SITE) { return vote_of_warp("all", vote, site) == kFullWarp; }
DEVICE bool elect_one(PTX_ONLY_SITE) {
  vote_of_warp("elect", true, site);
  return lane_index() == emulation::elected(kFullWarp);
}

DEVICE uint32_t atomic_add(uint32_t* address, uint32_t x) {
  emulation::preempt();
  return __atomic_fetch_add(address, x, __ATOMIC_RELAXED);
}
DEVICE uint32_t atomic_exchange(uint32_t* address, uint32_t x) {
  emulation::preempt();
  return __atomic_exchange_n(address, x, __ATOMIC_RELAXED);
}
DEVICE uint32_t atomic_compare_exchange(uint32_t* address, uint32_t expected, uint32_t x) {
  emulation::preempt();
  __atomic_compare_exchange_n(address, &expected, x, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}
DEVICE uint32_t atomic_max(uint32_t* address, uint32_t x) {
  emulation::preempt();
  uint32_t before = __atomic_load_n(address, __ATOMIC_RELAXED);
  while (before < x &&
         !__atomic_compare_exchange_n(address, &before, x, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return before;
}
DEVICE float atomic_add(float* address, float x) {
  emulation::preempt();
  uint32_t* const bits = reinterpret_cast<uint32_t*>(address);
  uint32_t before = __atomic_load_n(bits, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(bits, &before, bits_of(float_of(before) + x), false, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED)) {
  }
  return float_of(before);
}
DEVICE uint32_t load_acquire(const uint32_t* address SITE) {
  emulation::yield_lane(site);
  return __atomic_load_n(address, __ATOMIC_ACQUIRE);
}
DEVICE void store_release(uint32_t* address, uint32_t x) {
  emulation::preempt();
  __atomic_store_n(address, x, __ATOMIC_RELEASE);
}
DEVICE void fence_device() { emulation::fence_device(); }

DEVICE uint32_t cluster_rank() { return emulation::cluster_rank(); }
DEVICE uint32_t cluster_blocks() { return emulation::cluster_size(); }
DEVICE void cluster_arrive(PTX_ONLY_SITE) { emulation::cluster_arrive(site); }
DEVICE void cluster_wait(PTX_ONLY_SITE) { emulation::cluster_wait(site); }
DEVICE uint32_t map_shared(uint32_t address, uint32_t rank SITE) { return emulation::map_shared(address, rank, site); }
DEVICE uint32_t load_cluster(uint32_t mapped SITE) { return emulation::load_cluster(mapped, site); }
DEVICE void store_cluster(uint32_t mapped, uint32_t x SITE) { emulation::store_cluster(mapped, x, site); }

template <uint32_t Count>
DEVICE void release_registers(PTX_ONLY_SITE) { emulation::release_registers(Count, site); }
template <uint32_t Count>
DEVICE void take_registers(PTX_ONLY_SITE) { emulation::take_registers(Count, site); }

// Emulated kernels never overlap.
DEVICE void wait_for_kernel_before() {}
DEVICE void let_next_kernel_start() {}

#endif

DEVICE void cluster_sync(PTX_ONLY_SITE) {
  nanogpt::cuda::cluster_arrive(ONLY_PASS_SITE);
  nanogpt::cuda::cluster_wait(ONLY_PASS_SITE);
}

}  // namespace nanogpt::cuda
