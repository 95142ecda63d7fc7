// Blocks of a cluster and blocks that wait for each other, and how they fail; their mended twins.
#include "cases.h"

namespace {

using namespace nanogpt::cuda;

struct Out {
  uint32_t* y;
};

// Each block writes its rank into its own shared memory and reads its neighbour's.
template <bool last_barrier>
DEVICE void read_neighbour(const Out& params) {
  const uint32_t own = shared_address(dynamic_shared());
  if (threadIdx.x == 0) store_cluster(own, 10 + cluster_rank());
  cluster_sync();
  const uint32_t next = (cluster_rank() + 1) % cluster_blocks();
  if (threadIdx.x == 0) params.y[blockIdx.x] = load_cluster(map_shared(own, next));
  if (last_barrier) cluster_sync();
}
KERNEL(cluster_right, Out, 32) { read_neighbour<true>(params); }
KERNEL(cluster_exits_early, Out, 32) { read_neighbour<false>(params); }

PASSES(cluster_reads_a_peer) {
  auto* const y = gpu.array<uint32_t>(8);
  gpu.launch("cluster_right", {8, 32, 64, 4}, Out{y});
  const auto found = gpu.read(y, 8);
  for (uint32_t i = 0; i < 8 && gpu.report.empty(); i++)
    if (found[i] != 10 + (i % 4 + 1) % 4) gpu.wrong("block " + std::to_string(i) + " read " + std::to_string(found[i]));
}
FINDS(peer_that_has_exited, "is reached after that block has exited") {
  gpu.launch("cluster_exits_early", {8, 32, 64, 4}, Out{gpu.array<uint32_t>(8)});
  gpu.sync();
}
KERNEL(cluster_rank_outside, Out, 32) { store_cluster(map_shared(0, 2), 1); }
FINDS(peer_that_is_none, "mapa of block 2 of a cluster of 2") {
  gpu.launch("cluster_rank_outside", {2, 32, 64, 2}, Out{nullptr});
  gpu.sync();
}
KERNEL(cluster_arrives_twice, Out, 32) {
  cluster_arrive();
  cluster_arrive();
}
FINDS(cluster_arrive_twice, "barrier.cluster.arrive twice") {
  gpu.launch("cluster_arrives_twice", {2, 32, 0, 2}, Out{nullptr});
  gpu.sync();
}

// Block i waits for block i - 1: all must be resident, or be given out in order.
KERNEL(chain_of_blocks, Out, 32) {
  if (threadIdx.x == 0) {
    if (blockIdx.x > 0) {
      while (load_acquire(params.y + blockIdx.x - 1) == 0) {
      }
    }
    store_release(params.y + blockIdx.x, 1);
  }
}
PASSES(blocks_wait_for_resident_ones) {
  auto* const y = gpu.array<uint32_t>(std::vector<uint32_t>(3, 0));
  gpu.launch("chain_of_blocks", {3, 32, 0, 1}, Out{y});
  gpu.sync();
}
KERNEL(chain_from_the_last, Out, 32) {
  if (threadIdx.x == 0) {
    if (blockIdx.x + 1 < gridDim.x) {
      while (load_acquire(params.y + blockIdx.x + 1) == 0) {
      }
    }
    store_release(params.y + blockIdx.x, 1);
  }
}
PASSES(blocks_wait_for_later_ones) {
  auto* const y = gpu.array<uint32_t>(std::vector<uint32_t>(3, 0));
  gpu.launch("chain_from_the_last", {3, 32, 0, 1}, Out{y});
  gpu.sync();
}
FINDS(blocks_wait_for_one_that_is_not_resident, "poll for what never comes") {
  auto* const y = gpu.array<uint32_t>(std::vector<uint32_t>(30, 0));
  gpu.launch("chain_from_the_last", {30, 32, 0, 1}, Out{y});
  gpu.sync();
}
KERNEL(waits_for_the_next, Out, 32) {
  if (threadIdx.x == 0 && blockIdx.x == 0) {
    while (load_acquire(params.y + 5) == 0) {
    }
  }
  if (threadIdx.x == 0 && blockIdx.x > 0) {
    while (load_acquire(params.y) == 0) {
    }
  }
}
FINDS(blocks_poll_for_ever, "poll for what never comes") {
  auto* const y = gpu.array<uint32_t>(std::vector<uint32_t>(6, 0));
  gpu.launch("waits_for_the_next", {6, 32, 0, 1}, Out{y});
  gpu.sync();
}

}  // namespace
