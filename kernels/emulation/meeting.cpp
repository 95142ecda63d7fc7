// Where lanes meet: warp and warpgroup collectives, named barriers. The last lane to come does the work for all. Refuses
// what the chip leaves undefined: an exited lane in the mask, lanes of one mask at different calls, part of a warp at an
// aligned instruction, barriers of different sizes under one id. May include only block.h and the standard library.
#include "block.h"
#include <algorithm>
#include <utility>

namespace nanogpt::emulation {
namespace {

Meeting& open_meeting(Meetings& meetings, const char* op, uint32_t mask, size_t places, Site site) {
  if (meetings.open == meetings.all.size()) meetings.all.emplace_back();
  Meeting& fresh = meetings.all[meetings.open++];
  fresh.op = op;
  fresh.site = site;
  fresh.mask = mask;
  fresh.arrived = 0;
  fresh.operands.assign(places, nullptr);
  return fresh;
}

Meeting* find_meeting(Meetings& meetings, const char* op, uint32_t mask, Site site) {
  for (size_t i = 0; i < meetings.open; i++) {
    Meeting& meeting = meetings.all[i];
    if (meeting.op == op && meeting.site == site && meeting.mask == mask) return &meeting;
  }
  return nullptr;
}

// Comes to the meeting, with the operands of lanes first to first + places - 1 of the block; the last of `wanted` executes.
void attend(Meetings& meetings, Meeting& meeting, uint32_t first, uint32_t wanted, void* mine,
            void (*execute)(void* const*, void*), void* closure) {
  Lane& lane = self();
  meeting.operands[lane.linear - first] = mine;
  if (++meeting.arrived < wanted) {
    wait_here({meeting.op, meeting.mask, meeting.site});
    return;
  }
  std::swap(meeting, meetings.all[--meetings.open]);
  const std::vector<void*>& operands = meetings.all[meetings.open].operands;
  {
    [[maybe_unused]] const Unwatched while_exchanging;
    execute(operands.data(), closure);
  }
  for (uint32_t i = 0; i < operands.size(); i++)
    if (operands[i] != nullptr && first + i != lane.linear) wake(*lane.block->lanes[first + i]);
}

uint32_t lanes_of(const Meeting& meeting) {
  uint32_t lanes = 0;
  for (uint32_t i = 0; i < kWarpLanes; i++) lanes |= uint32_t{meeting.operands[i] != nullptr} << i;
  return lanes;
}

// Lanes that wait for this one elsewhere while this call waits for them: neither can ever go on.
void refuse_crossing(const Lane& lane, const char* op, uint32_t mask, Site site) {
  const Warp& warp = *lane.warp;
  for (size_t i = 0; i < warp.meetings.open; i++) {
    const Meeting& other = warp.meetings.all[i];
    const uint32_t crossing = lanes_of(other) & mask;
    if ((other.mask >> lane.lane & 1) != 0 && crossing != 0)
      fault(site, "%s waits for lanes %08x of its warp, which wait for this one at another call: %s%s", op, crossing, other.op,
            text_of(other.site).c_str());
  }
  if ((warp.signing.lanes & mask) != 0)
    fault(site, "%s waits for lanes %08x of its warp, which wait for this one at another call: %s %u%s", op,
          warp.signing.lanes & mask, warp.signing.op, warp.signing.id, text_of(warp.signing.site).c_str());
}

}  // namespace

void meet_warp(const char* op, uint32_t mask, void* mine, void (*execute)(void* const*, void*), void* closure, Site site) {
  preempt();
  Lane& lane = self();
  Warp& warp = *lane.warp;
  if ((mask >> lane.lane & 1) == 0) fault(site, "%s: the lane itself is not in the mask %08x", op, mask);
  if ((mask & ~warp.live) != 0) {
    fault(site, "%s: lanes %08x of the mask %s", op, mask & ~warp.live,
          (mask & ~warp.members) != 0 ? "do not exist in this block" : "have exited");
  }
  Meeting* meeting = find_meeting(warp.meetings, op, mask, site);
  if (meeting == nullptr) {
    refuse_crossing(lane, op, mask, site);
    meeting = &open_meeting(warp.meetings, op, mask, kWarpLanes, site);
  }
  attend(warp.meetings, *meeting, warp.index * kWarpLanes, static_cast<uint32_t>(__builtin_popcount(mask)), mine, execute,
         closure);
}

void meet_warpgroup(const char* op, void* mine, void (*execute)(void* const*, void*), void* closure, Site site) {
  preempt();
  Lane& lane = self();
  Block& block = *lane.block;
  const uint32_t group = lane.linear / 128;
  const uint32_t first = group * 128;
  if (first + 128 > block.threads) {
    fault(site, "%s: warps %u to %u are no warpgroup: it has four warps, the first a multiple of four", op, first / 32,
          block.threads / 32 - 1);
  }
  for (uint32_t warp = first / 32; warp < first / 32 + 4; warp++)
    if (block.warps[warp].live != ~0u) fault(site, "%s: lanes of warp %u of the warpgroup have exited", op, warp);
  refuse_crossing(lane, op, ~0u, site);
  Meetings& meetings = block.warpgroup_meetings;
  Meeting* meeting = find_meeting(meetings, op, group, site);
  if (meeting == nullptr) {
    for (size_t i = 0; i < meetings.open; i++) {
      const Meeting& other = meetings.all[i];
      if (other.mask == group)
        fault(site, "%s is reached by part of a warpgroup; others wait at %s%s", op, other.op, text_of(other.site).c_str());
    }
    meeting = &open_meeting(meetings, op, group, 128, site);
  }
  attend(meetings, *meeting, first, 128, mine, execute, closure);
}

void warp_sync(uint32_t mask, Site site) {
  void* nothing = &mask;
  meet_warp("syncwarp", mask, nothing, [](void* const* operands, void*) {
    Lane* lanes[kWarpLanes];
    size_t count = 0;
    const uint32_t first = self().warp->index * kWarpLanes;
    for (uint32_t i = 0; i < kWarpLanes; i++)
      if (operands[i] != nullptr) lanes[count++] = self().block->lanes[first + i].get();
    rendezvous(lanes, count);
  }, nullptr, site);
}

uint32_t elected(uint32_t mask) {
  const uint32_t seed = processor->schedule.seed;
  uint32_t which = seed == 0 ? 0 : (seed * 2654435761u ^ mask) % static_cast<uint32_t>(__builtin_popcount(mask));
  for (uint32_t lane = 0; lane < kWarpLanes; lane++)
    if ((mask >> lane & 1) != 0 && which-- == 0) return lane;
  return 0;
}

namespace {

// The threads that a barrier still waits for count only if they have not exited, when it is the whole block's.
uint32_t wanted_by(const Block& block, const Barrier& barrier) {
  return barrier.whole_block ? block.live_warps * kWarpLanes : barrier.expected;
}

void complete(Barrier& barrier) {
  std::vector<Lane*> waiting;
  waiting.swap(barrier.waiting);
  if (barrier.some_only_arrived) {
    for (Lane* const lane : waiting) publish(*lane, barrier.before);
    for (Lane* const lane : waiting) observe(*lane, barrier.before);
    barrier.before = Clock{};
  } else {
    rendezvous(waiting.data(), waiting.size());
  }
  barrier.arrived = barrier.expected = 0;
  barrier.some_only_arrived = false;
  for (Lane* const lane : waiting) wake(*lane);
}

// The warp signs in with 32 threads; the waiting lanes are in the barrier already.
void sign_in(Warp& warp) {
  Block& block = *warp.block;
  Signing& signing = warp.signing;
  Barrier& barrier = block.barriers[signing.id];
  signing.lanes = 0;
  barrier.arrived += kWarpLanes;
  if (barrier.arrived >= wanted_by(block, barrier)) complete(barrier);
}

void come(const char* op, uint32_t id, uint32_t threads, bool wait, Site site) {
  preempt();
  Lane& lane = self();
  Warp& warp = *lane.warp;
  Block& block = *lane.block;
  if (id >= kNamedBarriers) fault(site, "named barrier %u: ids go from 0 to %u", id, kNamedBarriers - 1);
  if (threads % kWarpLanes != 0) fault(site, "named barrier %u: %u threads are not a multiple of 32", id, threads);
  if (threads == 0 && !wait) fault(site, "named barrier %u: arrive needs the number of threads", id);
  const uint32_t most = (block.threads + 31) / 32 * 32;
  if (threads > most) fault(site, "named barrier %u: %u threads expected, the block has %u", id, threads, block.threads);
  Signing& signing = warp.signing;
  if (signing.lanes == 0) {
    refuse_crossing(lane, op, warp.live, site);
    signing = {op, site, id, threads, 0};
  } else if (signing.op != op || !(signing.site == site) || signing.id != id || signing.threads != threads) {
    fault(site, "%s %u (aligned) is reached by part of a warp; lanes %08x wait at %s %u%s", op, id, signing.lanes, signing.op,
          signing.id, text_of(signing.site).c_str());
  }
  Barrier& barrier = block.barriers[id];
  const uint32_t wanted = threads == 0 ? most : threads;
  if (barrier.expected != 0 && barrier.expected != wanted)
    fault(site, "named barrier %u: %u threads expected by others%s, %u here", id, barrier.expected,
          text_of(barrier.first).c_str(), wanted);
  if (barrier.expected == 0) {
    barrier.expected = wanted;
    barrier.whole_block = true;
    barrier.first = site;
  }
  barrier.whole_block = barrier.whole_block && threads == 0;
  signing.lanes |= 1u << lane.lane;
  const bool last = signing.lanes == warp.live;
  if (wait) {
    barrier.waiting.push_back(&lane);
    if (last) {
      lane.state = State::waiting;  // so that completing the barrier wakes this lane as any other
      lane.waiting = {op, id, site};
      sign_in(warp);
      processor->leave(lane);
    } else {
      wait_here({op, id, site});
    }
    return;
  }
  publish(lane, barrier.before);
  barrier.some_only_arrived = true;
  if (last) {
    sign_in(warp);
    for (uint32_t i = 0; i < kWarpLanes; i++)
      if ((warp.live >> i & 1) != 0 && i != lane.lane) wake(*block.lanes[warp.index * kWarpLanes + i]);
  } else {
    wait_here({op, id, site});
  }
}

}  // namespace

void barrier_sync(uint32_t id, uint32_t threads, Site site) { come("barrier sync", id, threads, true, site); }
void barrier_arrive(uint32_t id, uint32_t threads, Site site) { come("barrier arrive", id, threads, false, site); }

// What waits for this lane waits in vain, except barriers of the whole block.
void lane_exited(Lane& lane) {
  Warp& warp = *lane.warp;
  Block& block = *lane.block;
  const auto say = [&](const std::string& what, const Site& site) {
    if (processor->report.empty())
      processor->report = std::string(block.launch->kernel->name) + ", " + place_of(lane) + " exits while others of its " + what +
                          text_of(site);
  };
  for (size_t i = 0; i < warp.meetings.open; i++) {
    const Meeting& open = warp.meetings.all[i];
    if ((open.mask >> lane.lane & 1) != 0) say(std::string("warp wait for it at ") + open.op, open.site);
  }
  for (size_t i = 0; i < block.warpgroup_meetings.open; i++) {
    const Meeting& open = block.warpgroup_meetings.all[i];
    if (open.mask == lane.linear / 128) say(std::string("warpgroup wait for it at ") + open.op, open.site);
  }
  Signing& signing = warp.signing;
  if (signing.lanes != 0) {
    if (signing.threads != 0) {
      say(std::string("warp wait for it at ") + signing.op + " " + std::to_string(signing.id), signing.site);
    } else if (signing.lanes == warp.live) {
      sign_in(warp);
    }
    return;
  }
  if (warp.live != 0 || block.live == 0) return;
  for (Barrier& barrier : block.barriers)
    if (barrier.expected != 0 && barrier.whole_block && barrier.arrived >= wanted_by(block, barrier)) complete(barrier);
}

void block_exited(Block& block) {
  for (uint32_t id = 0; id < kNamedBarriers; id++) {
    const Barrier& barrier = block.barriers[id];
    if (barrier.arrived != 0)
      fault(barrier.first, "the block exits with %u threads arrived at named barrier %u, which waits for %u", barrier.arrived, id,
            barrier.expected);
  }
}

}  // namespace nanogpt::emulation
