// What the wrappers of asynchronous copies and their barriers call: mbarriers, cp.async, bulk and tensor copies, with the
// semantics of the PTX ISA. All run for the lane that calls. Misuse is a fault at the caller's site. May include only
// lane.h and ../cuda/tensor_map.h.
#pragma once
#include "../cuda/tensor_map.h"
#include "lane.h"

namespace nanogpt::emulation {

void mbarrier_init(uint32_t address, uint32_t count, Site site);
void mbarrier_invalidate(uint32_t address, Site site);
void mbarrier_arrive(uint32_t address, Site site);
void mbarrier_arrive_remote(uint32_t address, uint32_t rank, Site site);
void mbarrier_expect_bytes(uint32_t address, uint32_t bytes, Site site);
bool mbarrier_try_wait(uint32_t address, uint32_t parity, Site site);
void mbarrier_wait(uint32_t address, uint32_t parity, Site site);
void fence_mbarrier_init(Site site);
void fence_async_proxy(Site site);

void cp_async_16(uint32_t shared, const void* global, uint32_t source_bytes, Site site);
void cp_async_commit(Site site);
void cp_async_wait(uint32_t newest, Site site);

void bulk_load(uint32_t shared, const void* global, uint32_t bytes, uint32_t bar, Site site);
void bulk_reduce_add_f32(float* global, uint32_t shared, uint32_t bytes, Site site);
void bulk_commit(Site site);
void bulk_wait_read(uint32_t newest, Site site);
void bulk_wait(uint32_t newest, Site site);

// A box of a tensor by its map and corner (`rank` element indices, innermost first).
struct TensorBox {
  const cuda::TensorMap* map;
  uint32_t rank;
  const int32_t* corner;
};
void prefetch_tensor_map(const cuda::TensorMap* map, Site site);
// blocks: a bit for each block of the cluster that receives the box; 0: this block alone.
void tma_load(uint32_t shared, const TensorBox& box, uint32_t bar, uint16_t blocks, Site site);
void tma_store(const TensorBox& box, uint32_t shared, bool add, Site site);

}  // namespace nanogpt::emulation
