// mbarrier: a barrier of 8 bytes in shared memory that counts arrivals and bytes, by which asynchronous copies say that they
// are done. `bar` is its shared address, a multiple of 8. A phase ends when all arrivals and all announced bytes have come;
// phases are told apart by parity, 0 for the first. May include only sync.h and the emulation's asynchronous.h.
#pragma once
#include "sync.h"
#if !defined(__CUDACC__)
#include "../../emulation/asynchronous.h"
#endif

namespace nanogpt::cuda {

#if defined(__CUDACC__)

// Makes the 8 bytes a barrier whose phases take `count` arrivals. By one thread, followed by fence_mbarrier_init and a
// barrier of all threads (of the cluster, where there is one).
DEVICE void mbarrier_init(uint32_t bar, uint32_t count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(bar), "r"(count) : "memory");
}
// Ends the barrier, so that the memory may serve otherwise.
DEVICE void mbarrier_invalidate(uint32_t bar) { asm volatile("mbarrier.inval.shared::cta.b64 [%0];" ::"r"(bar) : "memory"); }
// Makes earlier mbarrier_init of this thread visible to the cluster and to the copy engine.
DEVICE void fence_mbarrier_init() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
// One arrival; releases what this thread did before.
DEVICE void mbarrier_arrive(uint32_t bar) {
  asm volatile("mbarrier.arrive.release.cta.shared::cta.b64 _, [%0];" ::"r"(bar) : "memory");
}
// One arrival at the same barrier of block `cta_rank` of the cluster.
DEVICE void mbarrier_arrive_remote(uint32_t bar, uint32_t cta_rank) {
  asm volatile(
      "{\n.reg .b32 remote;\nmapa.shared::cluster.u32 remote, %0, %1;\n"
      "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [remote];\n}" ::"r"(bar), "r"(cta_rank) : "memory");
}
// One arrival that also announces `bytes` which copies will bring in this phase.
DEVICE void mbarrier_expect_bytes(uint32_t bar, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], %1;" ::"r"(bar), "r"(bytes) : "memory");
}
// Whether the phase of this parity has ended; may say no although it has.
DEVICE bool mbarrier_try_wait(uint32_t bar, uint32_t parity) {
  uint32_t ended;
  asm volatile(
      "{\n.reg .pred p;\nmbarrier.try_wait.parity.acquire.cta.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
      : "=r"(ended) : "r"(bar), "r"(parity) : "memory");
  return ended != 0;
}
// Waits until the phase of this parity has ended; acquires what those who arrived released.
DEVICE void mbarrier_wait(uint32_t bar, uint32_t parity) {
  while (!mbarrier_try_wait(bar, parity)) {
  }
}
// Makes this thread's own reads and writes of shared memory come before later ones of the asynchronous proxy (wgmma, TMA):
// every writer calls it, then all meet at a barrier, then one issues.
DEVICE void fence_async_proxy() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

#else

DEVICE void mbarrier_init(uint32_t bar, uint32_t count SITE) { emulation::mbarrier_init(bar, count, site); }
DEVICE void mbarrier_invalidate(uint32_t bar SITE) { emulation::mbarrier_invalidate(bar, site); }
DEVICE void fence_mbarrier_init(PTX_ONLY_SITE) { emulation::fence_mbarrier_init(site); }
DEVICE void mbarrier_arrive(uint32_t bar SITE) { emulation::mbarrier_arrive(bar, site); }
DEVICE void mbarrier_arrive_remote(uint32_t bar, uint32_t cta_rank SITE) {
  emulation::mbarrier_arrive_remote(bar, cta_rank, site);
}
DEVICE void mbarrier_expect_bytes(uint32_t bar, uint32_t bytes SITE) { emulation::mbarrier_expect_bytes(bar, bytes, site); }
DEVICE bool mbarrier_try_wait(uint32_t bar, uint32_t parity SITE) { return emulation::mbarrier_try_wait(bar, parity, site); }
DEVICE void mbarrier_wait(uint32_t bar, uint32_t parity SITE) { emulation::mbarrier_wait(bar, parity, site); }
DEVICE void fence_async_proxy(PTX_ONLY_SITE) { emulation::fence_async_proxy(site); }

#endif

}  // namespace nanogpt::cuda
