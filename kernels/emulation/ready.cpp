// The policies of a schedule. Every choice is drawn from the seed, so that a launch can be seen again.
// Refuses nothing and never skips a lane for ever, unless the lane itself waits.
// May include only block.h, ready.h and the standard library.
#include "ready.h"
#include "block.h"
#include <algorithm>
#include <utility>

namespace nanogpt::emulation {
namespace {

constexpr uint32_t kChanges = 3;            // of priorities in a launch: finds bugs of depth 4
constexpr uint32_t kStepBits = 14;          // changes come within 2^2 to 2^14 steps
constexpr uint64_t kFirstPriority = 1 << 30;  // those that dropped lie below

bool lower(const Lane* a, const Lane* b) { return a->priority < b->priority; }

// A word that depends on all of these and looks random (SplitMix64's finisher).
uint32_t mix(uint64_t a, uint64_t b, uint64_t c) {
  uint64_t z = a * 0x9e3779b97f4a7c15u + b * 0xbf58476d1ce4e5b9u + c;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return static_cast<uint32_t>(z ^ z >> 31);
}

}  // namespace

Policy policy_of(uint32_t seed) {
  return seed == 0 ? Policy::in_order : static_cast<Policy>(1 + (seed - 1) % 5);
}

const char* name_of(Policy policy) {
  switch (policy) {
    case Policy::in_order: return "in order";
    case Policy::round_robin: return "round robin";
    case Policy::run_to_block: return "run to block";
    case Policy::uniform: return "uniform";
    case Policy::starve_warp: return "starve a warp";
    default: return "priorities";
  }
}

void Ready::begin(uint32_t seed) {
  policy_ = policy_of(seed);
  seed_ = seed;
  lanes_.clear();
  held_back_.clear();
  steps_ = 0;
  lowest_ = kFirstPriority - 1;
  changes_.clear();
  if (policy_ != Policy::priorities) return;
  for (uint32_t i = 0; i < kChanges; i++) changes_.push_back(1 + draw(4u << draw(kStepBits - 1)));
  std::sort(changes_.begin(), changes_.end(), std::greater<uint64_t>());
}

void Ready::enter(Lane& lane) {
  if (policy_ == Policy::in_order) return;
  const uint32_t block = lane.block->index.x + lane.block->index.y * 8191 + lane.block->index.z * 131071;
  const auto warps = static_cast<uint32_t>(lane.block->warps.size());
  lane.starved = lane.warp->index == mix(seed_, block, 1) % warps;
  // Lanes of a warp lie close together: bugs are mostly between warps.
  const uint64_t of_warp = mix(seed_, block, 2 + lane.warp->index);
  lane.priority = kFirstPriority + (of_warp << 24) + (mix(seed_, block, 100 + lane.linear) & 0xffffff);
}

void Ready::push(Lane& lane) {
  if (policy_ == Policy::starve_warp && lane.starved) {
    held_back_.push_back(&lane);
    return;
  }
  lanes_.push_back(&lane);
  if (policy_ == Policy::priorities) std::push_heap(lanes_.begin(), lanes_.end(), lower);
}

Lane* Ready::pop(bool spinning) {
  if (!held_back_.empty() && (lanes_.empty() || spinning)) {
    Lane* const lane = held_back_.front();
    held_back_.pop_front();
    return lane;
  }
  if (lanes_.empty()) return nullptr;
  if (policy_ == Policy::priorities) {
    std::pop_heap(lanes_.begin(), lanes_.end(), lower);
    Lane* const lane = lanes_.back();
    lanes_.pop_back();
    return lane;
  }
  if (policy_ == Policy::uniform || policy_ == Policy::starve_warp)
    std::swap(lanes_.front(), lanes_[draw(static_cast<uint32_t>(lanes_.size()))]);
  Lane* const lane = lanes_.front();
  lanes_.pop_front();
  return lane;
}

bool Ready::preempts(Lane& running) {
  steps_++;
  if (size() == 0) return false;
  switch (policy_) {
    case Policy::in_order:
    case Policy::run_to_block: return false;
    case Policy::round_robin: return true;
    case Policy::uniform: return draw(2) == 0;
    case Policy::starve_warp: return draw(4) == 0;
    default: break;
  }
  if (!changes_.empty() && steps_ >= changes_.back()) {
    changes_.pop_back();
    demote(running);
  }
  return lanes_.front()->priority > running.priority;
}

void Ready::demote(Lane& lane) {
  if (policy_ == Policy::priorities) lane.priority = --lowest_;
}

}  // namespace nanogpt::emulation
