// What blocks of a cluster and warpgroups of a block share: the cluster's barrier, each other's shared memory, and the
// registers that setmaxnreg moves. Refuses the memory of a block that has exited, and counts of registers that the chip
// does not take. May include only block.h and the standard library.
#include "block.h"
#include <cstring>

namespace nanogpt::emulation {
namespace {

// Bits of a mapped address below the rank of its block, which is stored plus one: 0 is the block's own memory.
constexpr uint32_t kRankShift = 24;

}  // namespace

uint32_t cluster_rank() { return self().block->rank_in_cluster; }
uint32_t cluster_size() { return static_cast<uint32_t>(self().block->cluster->blocks.size()); }

namespace {

// .aligned: the warp's lanes come to the same call.
void come_as_a_warp(const char* op, Site site) {
  int nothing = 0;
  collective(op, self().warp->live, nothing, [](int* const*) {}, site);
}

}  // namespace

void cluster_arrive(Site site) {
  come_as_a_warp("barrier.cluster.arrive", site);
  Lane& lane = self();
  Cluster& cluster = *lane.block->cluster;
  if (lane.cluster_arrivals != lane.cluster_waits)
    fault(site, "barrier.cluster.arrive twice without barrier.cluster.wait between");
  lane.cluster_arrivals++;
  publish(lane, cluster.before);
  cluster.arrived++;
  cluster_advances(cluster);
}

void cluster_wait(Site site) {
  come_as_a_warp("barrier.cluster.wait", site);
  Lane& lane = self();
  Cluster& cluster = *lane.block->cluster;
  if (lane.cluster_arrivals == lane.cluster_waits) fault(site, "barrier.cluster.wait without barrier.cluster.arrive before it");
  while (cluster.phase < lane.cluster_arrivals) {
    cluster.waiting.push_back(&lane);
    wait_here({"cluster barrier", 0, site});
  }
  lane.cluster_waits++;
  observe(lane, cluster.completed);
}

// Threads that exited are not waited for (barrier.cluster counts the non-exited threads of the cluster).
void cluster_advances(Cluster& cluster) {
  if (cluster.arrived == 0 || cluster.arrived < cluster.live) return;
  cluster.arrived = 0;
  cluster.phase++;
  cluster.completed = cluster.before;
  cluster.before = Clock{};
  std::vector<Lane*> waiting;
  waiting.swap(cluster.waiting);
  for (Lane* const lane : waiting) wake(*lane);
}

uint32_t map_shared(uint32_t address, uint32_t rank, Site site) {
  if (rank >= cluster_size()) fault(site, "mapa of block %u of a cluster of %u", rank, cluster_size());
  if (address >> kRankShift != 0) fault(site, "mapa takes an address of the block's own shared memory, found 0x%x", address);
  return address | (rank + 1) << kRankShift;
}

char* cluster_pointer(uint32_t address, uint32_t bytes, Site site) {
  const uint32_t code = address >> kRankShift;
  const uint32_t offset = address & ((1u << kRankShift) - 1);
  if (code == 0) return shared_pointer(address, bytes, site);
  Block& own = *self().block;
  if (code > own.cluster->blocks.size()) fault(site, "0x%x is no address of the cluster's shared memory", address);
  Block& peer = *own.cluster->blocks[code - 1];
  if (peer.live == 0)
    fault(site, "shared memory of block %u of the cluster is reached after that block has exited", code - 1);
  return shared_pointer_in(peer, offset, bytes, site);
}

uint32_t load_cluster(uint32_t address, Site site) {
  preempt();
  const char* const memory = cluster_pointer(address, sizeof(uint32_t), site);
  note_read(self(), memory, sizeof(uint32_t), site);
  uint32_t value;
  std::memcpy(&value, memory, sizeof value);
  return value;
}

void store_cluster(uint32_t address, uint32_t value, Site site) {
  preempt();
  char* const memory = cluster_pointer(address, sizeof value, site);
  note_write(self(), memory, sizeof value, site);
  std::memcpy(memory, &value, sizeof value);
}

namespace {

uint32_t group_of(const Lane& lane) { return lane.linear / 128; }

// Meets the warpgroup, all of which must ask for the same; `change` is done once.
template <class F>
void agree(const char* op, uint32_t count, F change, Site site) {
  if (count < 24 || count > 256 || count % 8 != 0)
    fault(site, "%s takes 24 to 256 registers in steps of 8, found %u", op, count);
  uint32_t mine = count;
  warpgroup_collective(op, mine, [&](uint32_t* const* all) {
    for (uint32_t i = 1; i < 128; i++)
      if (*all[i] != *all[0]) fault(site, "%s with %u and with %u registers in one warpgroup", op, *all[0], *all[i]);
    change();
  }, site);
}

}  // namespace

void release_registers(uint32_t count, Site site) {
  Block& block = *self().block;
  uint32_t& held = block.registers[group_of(self())];
  agree("setmaxnreg.dec", count, [&] {
    if (count > held) fault(site, "setmaxnreg.dec to %u registers: the warpgroup has only %u", count, held);
    block.free_registers += (held - count) * 128;
    held = count;
    std::vector<Lane*> waiting;
    waiting.swap(block.wants_registers);
    for (Lane* const lane : waiting) wake(*lane);
  }, site);
}

void take_registers(uint32_t count, Site site) {
  Block& block = *self().block;
  uint32_t& held = block.registers[group_of(self())];
  agree("setmaxnreg.inc", count, [&] {
    if (count < held) fault(site, "setmaxnreg.inc to %u registers: the warpgroup has %u already", count, held);
  }, site);
  while (held < count) {
    const uint32_t needed = (count - held) * 128;
    if (block.free_registers >= needed) {
      block.free_registers -= needed;
      held = count;
      break;
    }
    block.wants_registers.push_back(&self());
    wait_here({"setmaxnreg.inc to registers", count, site});
  }
}

}  // namespace nanogpt::emulation
