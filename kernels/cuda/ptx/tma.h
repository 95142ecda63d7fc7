// TMA: copies of boxes of a tensor map between global and shared memory. One thread issues; coordinates are signed element
// indices of the box's corner, innermost first; shared addresses are multiples of 128 (1024 with the 128-byte swizzle).
// Elements outside the tensor read as zero (and count as bytes) and are not written. May include only copy.h.
#pragma once
#include "../tensor_map.h"
#include "copy.h"

namespace nanogpt::cuda {

#if defined(__CUDACC__)

// Fetches the map itself ahead of its first use.
DEVICE void prefetch_tensor_map(const TensorMap* map) { asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory"); }
// Loads a box and counts its bytes at `bar`.
DEVICE void tma_load_2d(uint32_t shared, const TensorMap* map, int32_t c0, int32_t c1, uint32_t bar) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(shared),
      "l"(map), "r"(c0), "r"(c1), "r"(bar)
      : "memory");
}
DEVICE void tma_load_3d(uint32_t shared, const TensorMap* map, int32_t c0, int32_t c1, int32_t c2, uint32_t bar) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];" ::"r"(
          shared),
      "l"(map), "r"(c0), "r"(c1), "r"(c2), "r"(bar)
      : "memory");
}
// Loads a box into the same place of every block of the cluster whose bit is set in `blocks`, counting at the same barrier
// there.
DEVICE void tma_load_2d_multicast(uint32_t shared, const TensorMap* map, int32_t c0, int32_t c1, uint32_t bar,
                                  uint16_t blocks) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], "
      "[%1, {%2, %3}], [%4], %5;" ::"r"(shared),
      "l"(map), "r"(c0), "r"(c1), "r"(bar), "h"(blocks)
      : "memory");
}
// Stores a box; part of this thread's bulk group.
DEVICE void tma_store_2d(const TensorMap* map, int32_t c0, int32_t c1, uint32_t shared) {
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%1, %2}], [%3];" ::"l"(map), "r"(c0), "r"(c1),
               "r"(shared)
               : "memory");
}
DEVICE void tma_store_3d(const TensorMap* map, int32_t c0, int32_t c1, int32_t c2, uint32_t shared) {
  asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%1, %2, %3}], [%4];" ::"l"(map), "r"(c0), "r"(c1),
               "r"(c2), "r"(shared)
               : "memory");
}
// Adds a box to what is in global memory; part of this thread's bulk group.
DEVICE void tma_reduce_add_2d(const TensorMap* map, int32_t c0, int32_t c1, uint32_t shared) {
  asm volatile("cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile.bulk_group [%0, {%1, %2}], [%3];" ::"l"(map),
               "r"(c0), "r"(c1), "r"(shared)
               : "memory");
}

#else

DEVICE void prefetch_tensor_map(const TensorMap* map SITE) { emulation::prefetch_tensor_map(map, site); }
DEVICE void tma_load_2d(uint32_t shared, const TensorMap* map, int32_t c0, int32_t c1, uint32_t bar SITE) {
  const int32_t corner[] = {c0, c1};
  emulation::tma_load(shared, {map, 2, corner}, bar, 0, site);
}
DEVICE void tma_load_3d(uint32_t shared, const TensorMap* map, int32_t c0, int32_t c1, int32_t c2, uint32_t bar SITE) {
  const int32_t corner[] = {c0, c1, c2};
  emulation::tma_load(shared, {map, 3, corner}, bar, 0, site);
}
DEVICE void tma_load_2d_multicast(uint32_t shared, const TensorMap* map, int32_t c0, int32_t c1, uint32_t bar,
                                  uint16_t blocks SITE) {
  const int32_t corner[] = {c0, c1};
  emulation::tma_load(shared, {map, 2, corner}, bar, blocks, site);
}
DEVICE void tma_store_2d(const TensorMap* map, int32_t c0, int32_t c1, uint32_t shared SITE) {
  const int32_t corner[] = {c0, c1};
  emulation::tma_store({map, 2, corner}, shared, false, site);
}
DEVICE void tma_store_3d(const TensorMap* map, int32_t c0, int32_t c1, int32_t c2, uint32_t shared SITE) {
  const int32_t corner[] = {c0, c1, c2};
  emulation::tma_store({map, 3, corner}, shared, false, site);
}
DEVICE void tma_reduce_add_2d(const TensorMap* map, int32_t c0, int32_t c1, uint32_t shared SITE) {
  const int32_t corner[] = {c0, c1};
  emulation::tma_store({map, 2, corner}, shared, true, site);
}

#endif

}  // namespace nanogpt::cuda
