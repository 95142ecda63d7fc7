// What the emulation keeps of a running block and of the thread that runs it: lanes, warps, open meetings, barriers, and
// the queue of lanes that can go on. Private to the emulation; kernels see lane.h. May include only lane.h and the
// standard library.
#pragma once
#include "lane.h"
#include <deque>
#include <exception>
#include <functional>
#include <memory>

namespace nanogpt::emulation {

// Lanes that have come to one call and wait for the others.
struct Meeting {
  const char* op;
  Site site;
  uint32_t mask;
  uint32_t arrived = 0;
  std::vector<void*> operands;
  std::vector<Lane*> waiting;
};

struct Warp {
  Block* block = nullptr;
  uint32_t index = 0;
  uint32_t live = 0;  // lanes that have not exited
  std::vector<Meeting> meetings;
};

struct Barrier {
  uint32_t expected = 0;  // threads that take part; 0: nobody has come
  uint32_t arrived = 0;
  std::vector<Lane*> waiting;
};

constexpr uint32_t kNamedBarriers = 16;

struct Block {
  const Launch* launch = nullptr;
  Index3 index{0, 0, 0};
  uint32_t rank_in_cluster = 0;
  std::vector<std::unique_ptr<Lane>> lanes;
  std::vector<Warp> warps;
  std::vector<char> shared_storage;
  char* shared = nullptr;
  Barrier barriers[kNamedBarriers];
  std::vector<Meeting> warpgroup_meetings;
  uint32_t live = 0;
};

// When asynchronous operations are done: at issue, at random moments, when nothing else can run, or drawn for each.
enum class Moment : uint8_t { eager, random, latest, mixed };

struct Pending {
  uint64_t id;
  const char* what;
  Site site;
  Lane* lane;
  Moment moment;
  std::function<void()> run;
};

// Thrown through a kernel's frames by fault(); caught where its fiber began.
struct Fault {};

// One operating-system thread and the blocks resident on it.
struct Processor {
  const Launch* launch = nullptr;
  Schedule schedule;
  std::vector<std::unique_ptr<Block>> blocks;
  std::deque<Lane*> ready;
  Lane* running = nullptr;
  Place scheduler;
  std::string report;  // of the first fault
  uint64_t random = 0;
  Moment moment = Moment::eager;
  std::vector<Pending> pending;
  uint64_t last_pending = 0;

  void start(const Index3& index);
  void run();
  void finish_lane(Lane& lane);
  // Does one pending operation, any when nothing else can run. False: none was done.
  bool complete_one(bool idle);
};

extern thread_local Processor* processor;

}  // namespace nanogpt::emulation
