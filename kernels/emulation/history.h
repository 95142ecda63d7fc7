// What the checks keep of lanes, blocks and the launch: epochs, clocks, fences. A timeline is a lane's own accesses or a
// lane's asynchronous operations, numbered through all launches; of one, accesses of an epoch come before those of the
// next. Private to the checks. May include only block.h, order.h and the standard library.
#pragma once
#include "block.h"
#include "order.h"

#if defined(NANOGPT_EMULATION_CHECKS)
#include <mutex>
#include <unordered_map>

namespace nanogpt::emulation {

// A lane's past. Its own accesses carry `epoch`; publishing it begins a new one, so that others know all until then.
struct History {
  uint32_t timeline = 0;
  uint32_t flights = 0;  // the timeline of its asynchronous operations
  uint32_t epoch = 1;
  uint32_t flight_epoch = 0;
  Clock known;
  bool has_fenced = false;
  Clock fenced;  // known at its last __threadfence: what its relaxed atomics pass on
  Clock seen;    // what its relaxed atomics have read: known from its next __threadfence on
};

// A block of the launch, kept after its end for those who were after it and for reports.
struct BlockRecord {
  const Block* block = nullptr;  // null after its end
  uint32_t first = 0;  // timeline of thread 0; a lane's own come first, then their operations'
  uint32_t threads = 0;
  Index3 index{0, 0, 0};
  std::vector<History> histories;                   // empty after the block's end
  std::vector<std::vector<uint32_t>> proxy_fences;  // per thread: the epochs that its fence.proxy.async began; or empty
};

// The checked launch. One at a time in the process, so that its memory has one history.
struct CheckedLaunch {
  std::recursive_mutex alone;
  const Launch* launch = nullptr;
  Schedule schedule;
  uint32_t first_timeline = 1;  // of this launch; smaller ones are over, 0 is the host's
  uint32_t next_timeline = 1;
  std::vector<std::unique_ptr<BlockRecord>> blocks;  // by first
  std::unordered_map<uintptr_t, Clock> words;        // what atomics have released, by address
  uint32_t unwatched = 0;
};

extern CheckedLaunch checked;

// The block of a timeline of this launch.
BlockRecord& block_of(uint32_t timeline);
// True when the writer's fence.proxy.async after `epoch` is among what was known up to `known_epoch`.
bool fenced_between(uint32_t timeline, uint32_t epoch, uint32_t known_epoch);
// What an atomic access of the word at `address` makes known to the lane and passes on from it; writes: not only a load.
void order_atomic(Lane& lane, uintptr_t address, Order order, bool writes);

}  // namespace nanogpt::emulation

#endif
