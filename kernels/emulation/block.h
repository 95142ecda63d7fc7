// What the emulation keeps of running blocks and of the thread that runs them: lanes, warps, clusters, open meetings,
// barriers, registers, and which lane goes on next. Private to the emulation; kernels see lane.h. May include only
// asynchrony.h, lane.h, memory.h, order.h, ready.h and the standard library.
#pragma once
#include "asynchrony.h"
#include "lane.h"
#include "memory.h"
#include "order.h"
#include "ready.h"
#include <chrono>
#include <exception>
#include <functional>
#include <memory>

namespace nanogpt::emulation {

// Lanes that have come to one call and wait for the others. operands[i] belongs to lane i of the warp or warpgroup; null:
// it has not come. Kept for reuse when it is over.
struct Meeting {
  const char* op = nullptr;
  Site site{nullptr, 0};
  uint32_t mask = 0;   // of a warp; a warpgroup's index
  uint32_t arrived = 0;
  std::vector<void*> operands;
};

// The meetings that are open: the first `open` of `all`.
struct Meetings {
  std::vector<Meeting> all;
  size_t open = 0;
};

// Lanes of a warp that have come to an aligned instruction which the warp does as one: a barrier.
struct Signing {
  const char* op = nullptr;
  Site site{nullptr, 0};
  uint32_t id = 0, threads = 0;
  uint32_t lanes = 0;  // 0: nobody has come
};

struct Warp {
  Block* block = nullptr;
  uint32_t index = 0;
  uint32_t live = 0;     // lanes that have not exited
  uint32_t members = 0;  // lanes that there were
  Meetings meetings;
  Signing signing;
};

// A named barrier. Lanes sign in one by one; expected 0: nobody has come since it last completed.
struct Barrier {
  uint32_t expected = 0;
  bool whole_block = false;  // expects all threads of the block: those that exited are not waited for
  Site first{nullptr, 0};    // who set `expected`
  uint32_t arrived = 0;
  bool some_only_arrived = false;
  std::vector<Lane*> waiting;
  Clock before;  // what those who only arrived had done
};

constexpr uint32_t kNamedBarriers = 16;
constexpr uint32_t kRegisterFile = 65536;
// Registers of a thread of a kernel with __launch_bounds__(threads, 1), as the block's pool counts them: 168 for 384.
constexpr uint32_t registers_at_entry(uint32_t max_threads) {
  const uint32_t even = kRegisterFile / max_threads / 8 * 8;
  return even > 256 ? 256 : even;
}

// Blocks that were launched together. `live` lanes of all of them; arrived: those at the cluster's barrier.
struct Cluster {
  std::vector<Block*> blocks;
  uint32_t live = 0;
  uint32_t arrived = 0;
  uint64_t phase = 0;  // completed barriers
  std::vector<Lane*> waiting;
  Clock before, completed;
};

struct Block {
  const Launch* launch = nullptr;
  Index3 index{0, 0, 0};
  uint32_t rank_in_cluster = 0;
  Cluster* cluster = nullptr;
  std::vector<std::unique_ptr<Lane>> lanes;  // the first `threads` are in use
  std::vector<Warp> warps;
  SharedWindow shared;
  Barrier barriers[kNamedBarriers];
  Meetings warpgroup_meetings;
  Asynchrony asynchrony;
  uint32_t threads = 0;
  uint32_t live = 0;
  uint32_t live_warps = 0;
  uint32_t pending = 0;       // asynchronous operations that its lanes issued and that are not done
  uint32_t free_registers = 0;  // of the pool that setmaxnreg takes from
  std::vector<uint32_t> registers;  // of a thread, by warpgroup
  std::vector<Lane*> wants_registers;
};

// When asynchronous operations are done: at issue, at random moments, when nothing else can run, or drawn for each.
enum class Moment : uint8_t { eager, random, latest, mixed };

Moment moment_of(uint32_t seed);
const char* name_of(Moment moment);

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

// A stack and the place where it was left. Runs one lane at a time: to its end, then the next one.
struct Fiber {
  Stack stack;
  Place place;
};

// One operating-system thread and the blocks resident on it. Kept by its thread from launch to launch with its fibers and
// blocks, since making a block's 256 stacks costs more than most kernels.
class Processor {
 public:
  // The thread's store of stacks is made here, before the processor, and so outlives it.
  Processor() { const Stack first; }

  const Launch* launch = nullptr;
  Schedule schedule;
  Lane* running = nullptr;
  std::string report;  // of the first fault
  uint64_t random = 0;
  Moment moment = Moment::eager;
  std::vector<Pending> pending;
  uint64_t last_pending = 0;
  Ready ready;

  // Runs clusters until `next_cluster` has no more (it gives the grid's count then), at most `resident` at the same time.
  void run(const Launch& launch, const Schedule& schedule, uint32_t resident, std::function<uint32_t()> next_cluster);
  // Gives the fiber of a lane that waits to another lane; returns when the lane goes on.
  void leave(Lane& lane);
  // A fiber's life: it runs `running`, then whoever is next.
  void live_on(Fiber& fiber);
  void note_progress() { idle_yields = 0; }

  uint32_t idle_yields = 0;  // since something last happened besides yielding
  Site spinning_at{nullptr, 0};

 private:
  void take_back_fibers();
  // The lane that goes on; null when none can, or the launch is over.
  Lane* next();
  bool start_cluster();
  void start_block(Cluster& cluster, uint32_t rank, const Index3& index);
  void finish(Lane& lane);
  void retire();
  Fiber& fiber_of(Lane& lane);
  // Does one pending operation, any when nothing else can run. False: none was done.
  bool complete_one(bool idle);

  Place scheduler_;
  uint32_t resident_ = 1;
  std::function<uint32_t()> next_cluster_;
  bool exhausted_ = false;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> spare_fibers_;
  std::vector<std::unique_ptr<Block>> spare_blocks_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<std::unique_ptr<Cluster>> clusters_;
  bool to_retire_ = false;
  std::chrono::steady_clock::time_point idle_since_{};
};

extern thread_local Processor* processor;

// An index in a grid from its number, x first.
Index3 index_in(const Index3& size, uint32_t number);
uint32_t count_of(const Index3& size);
// "block (0,0,0) thread 5", and " (gemm.cu:120)" or nothing.
std::string place_of(const Lane& lane);
std::string text_of(const Site& site);
// The report of a launch in which nobody can go on.
std::string deadlock_report(const std::vector<std::unique_ptr<Block>>& blocks, const Processor& processor);
// What a failed launch's report ends with: how to see it again.
std::string reproduction(const Schedule& schedule);
// Barriers and meetings learn that a lane is gone, or the whole block.
void lane_exited(Lane& lane);
void block_exited(Block& block);
// Completes the cluster's barrier if all who are left have come.
void cluster_advances(Cluster& cluster);
// shared_pointer for another block of the cluster.
char* shared_pointer_in(Block& block, uint32_t address, uint32_t bytes, Site site);

}  // namespace nanogpt::emulation
