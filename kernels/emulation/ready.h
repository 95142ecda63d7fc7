// The lanes that can go on, and which of them does: the policies of a schedule, chosen by its seed. Seed 0 keeps the order
// in which lanes became ready. Knows lanes only by their warp and priority. May include only lane.h and the standard
// library.
#pragma once
#include "lane.h"
#include <deque>

namespace nanogpt::emulation {

// in_order, run_to_block: a lane runs until it waits. round_robin: until its next instruction that others can see. uniform:
// any lane, changed often. starve_warp: one warp of each block runs only when nothing else can. priorities: the lane of the
// highest random priority, which drops at a few random moments (PCT, Burckhardt et al. 2010).
enum class Policy : uint8_t { in_order, round_robin, run_to_block, uniform, starve_warp, priorities };
Policy policy_of(uint32_t seed);
const char* name_of(Policy policy);

class Ready {
 public:
  void begin(uint32_t seed);
  // Gives a new lane its place in the policy.
  void enter(Lane& lane);
  void push(Lane& lane);
  // Null: none. spinning: all have only been yielding; then those that the policy holds back get their turn.
  Lane* pop(bool spinning);
  size_t size() const { return lanes_.size() + held_back_.size(); }
  // Whether the running lane gives way to another before an instruction that others can see.
  bool preempts(Lane& running);
  // The running lane waits for something in memory: others first.
  void demote(Lane& lane);

 private:
  Policy policy_ = Policy::in_order;
  uint32_t seed_ = 0;
  std::deque<Lane*> lanes_;  // in order; of priorities: a heap
  std::deque<Lane*> held_back_;
  uint64_t steps_ = 0;
  uint64_t lowest_ = 0;
  std::vector<uint64_t> changes_;  // steps at which the running lane's priority drops
};

}  // namespace nanogpt::emulation
