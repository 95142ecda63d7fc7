// Instructions by which lanes meet: shuffles, votes, barriers, atomics. Barriers order memory among those who meet;
// shuffles carry data only. May include only words.h.
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
DEVICE uint32_t ballot(bool vote) { return __ballot_sync(kFullWarp, vote); }

// Adds atomically (relaxed) and gives what was there before.
DEVICE uint32_t atomic_add(uint32_t* address, uint32_t x) { return atomicAdd(address, x); }
DEVICE float atomic_add(float* address, float x) { return atomicAdd(address, x); }

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
DEVICE uint32_t ballot(bool vote SITE) {
  struct Vote { bool mine; uint32_t all; } mine{vote, 0};
  emulation::collective("ballot", kFullWarp, mine, [](Vote* const* lanes) {
    uint32_t all = 0;
    for (uint32_t i = 0; i < 32; i++) all |= uint32_t{lanes[i]->mine} << i;
    for (uint32_t i = 0; i < 32; i++) lanes[i]->all = all;
  }, site);
  return mine.all;
}

DEVICE uint32_t atomic_add(uint32_t* address, uint32_t x) { return __atomic_fetch_add(address, x, __ATOMIC_RELAXED); }
DEVICE float atomic_add(float* address, float x) {
  uint32_t* const bits = reinterpret_cast<uint32_t*>(address);
  uint32_t before = __atomic_load_n(bits, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(bits, &before, bits_of(float_of(before) + x), false, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED)) {
  }
  return float_of(before);
}

#endif

}  // namespace nanogpt::cuda
