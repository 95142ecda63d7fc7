// Copies that run on their own while the lane goes on, without a tensor map: cp.async (sm_80) and cp.async.bulk (sm_90).
// Groups are each thread's own: who commits must wait, and other threads need a barrier after that. May include only
// mbarrier.h.
#pragma once
#include "mbarrier.h"

namespace nanogpt::cuda {

#if defined(__CUDACC__)

// Copies 16 bytes of global memory to shared memory: `source_bytes` (0 to 16) are read, the rest is filled with zeros. Both
// addresses are multiples of 16.
DEVICE void cp_async_16(uint32_t shared, const void* global, uint32_t source_bytes = 16) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(__cvta_generic_to_global(global)),
               "r"(source_bytes)
               : "memory");
}
DEVICE void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most the `newest` latest groups of this thread are unfinished.
template <int newest>
DEVICE void cp_async_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(newest) : "memory"); }

// Copies `bytes` of global to shared memory and counts them at `bar`. Addresses and bytes are multiples of 16; there is no
// check of bounds.
DEVICE void bulk_load(uint32_t shared, const void* global, uint32_t bytes, uint32_t bar) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(shared),
               "l"(__cvta_generic_to_global(global)), "r"(bytes), "r"(bar)
               : "memory");
}
// Adds floats of shared memory to those in global memory, in no order that can be relied on.
DEVICE void bulk_reduce_add_f32(float* global, uint32_t shared, uint32_t bytes) {
  asm volatile("cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%0], [%1], %2;" ::"l"(
                   __cvta_generic_to_global(global)),
               "r"(shared), "r"(bytes)
               : "memory");
}
// Closes the group of bulk and tensor copies to global memory that this thread has issued.
DEVICE void bulk_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
// Waits until all but the `newest` latest groups have read their shared memory, so that it may be written again.
template <int newest>
DEVICE void bulk_wait_read() { asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(newest) : "memory"); }
// Waits until all but the `newest` latest groups have been written.
template <int newest>
DEVICE void bulk_wait() { asm volatile("cp.async.bulk.wait_group %0;" ::"n"(newest) : "memory"); }

#else

DEVICE void cp_async_16(uint32_t shared, const void* global, uint32_t source_bytes = 16 SITE) {
  emulation::cp_async_16(shared, global, source_bytes, site);
}
DEVICE void cp_async_commit(PTX_ONLY_SITE) { emulation::cp_async_commit(site); }
template <int newest>
DEVICE void cp_async_wait(PTX_ONLY_SITE) { emulation::cp_async_wait(newest, site); }
DEVICE void bulk_load(uint32_t shared, const void* global, uint32_t bytes, uint32_t bar SITE) {
  emulation::bulk_load(shared, global, bytes, bar, site);
}
DEVICE void bulk_reduce_add_f32(float* global, uint32_t shared, uint32_t bytes SITE) {
  emulation::bulk_reduce_add_f32(global, shared, bytes, site);
}
DEVICE void bulk_commit(PTX_ONLY_SITE) { emulation::bulk_commit(site); }
template <int newest>
DEVICE void bulk_wait_read(PTX_ONLY_SITE) { emulation::bulk_wait_read(newest, site); }
template <int newest>
DEVICE void bulk_wait(PTX_ONLY_SITE) { emulation::bulk_wait(newest, site); }

#endif

}  // namespace nanogpt::cuda
