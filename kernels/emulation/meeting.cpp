// Where lanes meet: warp and warpgroup collectives, named barriers. The last lane to come does the work for all. Refuses
// meetings that the chip would leave undefined: an exited lane in the mask, barriers of different sizes under one id.
// May include only block.h and the standard library.
#include "block.h"

namespace nanogpt::emulation {
namespace {

void meet(std::vector<Meeting>& open, const char* op, uint32_t mask, size_t index, size_t wanted, void* mine,
          void (*execute)(void* const*, void*), void* closure, Site site) {
  Lane& lane = self();
  size_t at = 0;
  while (at < open.size() && !(open[at].op == op && open[at].site == site && open[at].mask == mask &&
                               open[at].operands[index] == nullptr)) {
    at++;
  }
  if (at == open.size()) {
    open.push_back({op, site, mask, 0, std::vector<void*>(wanted > kWarpLanes ? wanted : kWarpLanes), {}});
  }
  open[at].operands[index] = mine;
  open[at].arrived++;
  if (open[at].arrived < wanted) {
    open[at].waiting.push_back(&lane);
    wait_here({op, mask, site});
    return;
  }
  const Meeting full = std::move(open[at]);
  open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
  execute(full.operands.data(), closure);
  for (Lane* const other : full.waiting) wake(*other);
}

}  // namespace

void meet_warp(const char* op, uint32_t mask, void* mine, void (*execute)(void* const*, void*), void* closure, Site site) {
  Lane& lane = self();
  if ((mask >> lane.lane & 1) == 0) fault(site, "%s: the lane itself is not in the mask %08x", op, mask);
  if ((mask & ~lane.warp->live) != 0) fault(site, "%s: lanes %08x of the mask have exited", op, mask & ~lane.warp->live);
  meet(lane.warp->meetings, op, mask, lane.lane, static_cast<size_t>(__builtin_popcount(mask)), mine, execute, closure, site);
}

void meet_warpgroup(const char* op, void* mine, void (*execute)(void* const*, void*), void* closure, Site site) {
  Lane& lane = self();
  meet(lane.block->warpgroup_meetings, op, lane.linear / 128, lane.linear % 128, 128, mine, execute, closure, site);
}

namespace {

Barrier& arrive(uint32_t id, uint32_t threads, Site site) {
  Lane& lane = self();
  if (id >= kNamedBarriers) fault(site, "named barrier %u: ids go from 0 to %u", id, kNamedBarriers - 1);
  Barrier& barrier = lane.block->barriers[id];
  const uint32_t wanted = threads == 0 ? static_cast<uint32_t>(lane.block->lanes.size()) : threads;
  if (barrier.expected != 0 && barrier.expected != wanted)
    fault(site, "named barrier %u: %u threads expected by others, %u here", id, barrier.expected, wanted);
  barrier.expected = wanted;
  barrier.arrived++;
  return barrier;
}

bool complete(Barrier& barrier) {
  if (barrier.arrived < barrier.expected) return false;
  barrier.arrived = barrier.expected = 0;
  std::vector<Lane*> waiting;
  waiting.swap(barrier.waiting);
  for (Lane* const other : waiting) wake(*other);
  return true;
}

}  // namespace

void barrier_sync(uint32_t id, uint32_t threads, Site site) {
  Barrier& barrier = arrive(id, threads, site);
  if (complete(barrier)) return;
  barrier.waiting.push_back(&self());
  wait_here({"named barrier", id, site});
}

void barrier_arrive(uint32_t id, uint32_t threads, Site site) { complete(arrive(id, threads, site)); }

}  // namespace nanogpt::emulation
