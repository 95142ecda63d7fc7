// The scheduler: keeps clusters resident on one operating-system thread, runs whichever lane can go on, does asynchronous
// operations when the schedule says, and ends when all lanes have, or none can go on. Knows barriers and meetings by
// nothing. May include only block.h and the standard library.
#include "block.h"
#include <algorithm>
#include <chrono>
#include <thread>

namespace nanogpt::emulation {

thread_local Processor* processor = nullptr;

namespace {

// Turns of all ready lanes that poll, without anything else happening, until the launch is given up; when other threads
// could still bring what is polled for, the time.
constexpr uint32_t kIdleTurns = 300;
constexpr std::chrono::seconds kIdleTime{20};

// The fiber that a switch is about to start, since a fiber's entry takes no argument.
thread_local Fiber* starting = nullptr;

void fiber_entry() { processor->live_on(*starting); }

void prepare_block(Block& block, const Launch& launch, const Index3& index) {
  block.launch = &launch;
  block.index = index;
  block.threads = block.live = count_of(launch.block);
  block.pending = 0;
  block.shared = open_shared(block, launch.shared_bytes);
  for (Barrier& barrier : block.barriers) {
    barrier.expected = barrier.arrived = 0;
    barrier.some_only_arrived = false;
    barrier.waiting.clear();
    barrier.before = Clock{};
  }
  block.warpgroup_meetings.open = 0;
  block.free_registers = 0;
  block.registers.assign((block.threads + 127) / 128, registers_at_entry(launch.kernel->max_threads));
  block.wants_registers.clear();
  block.asynchrony = {};
}

void end_block(Block& block) {
  block_ends(block);
  close_shared(block.shared);
}

}  // namespace

Index3 index_in(const Index3& size, uint32_t number) {
  return {number % size.x, number / size.x % size.y, number / size.x / size.y};
}

uint32_t count_of(const Index3& size) { return size.x * size.y * size.z; }

void Processor::run(const Launch& wanted, const Schedule& how, uint32_t resident, std::function<uint32_t()> next_cluster) {
  launch = &wanted;
  schedule = how;
  report.clear();
  random = how.seed;
  moment = moment_of(how.seed);
  resident_ = resident;
  next_cluster_ = std::move(next_cluster);
  exhausted_ = false;
  idle_yields = 0;
  ready.begin(how.seed);
  // Under a seed all that fit are there from the start, else each comes when those before it wait.
  while (how.seed != 0 && start_cluster()) {
  }
  while (Lane* const lane = next()) {
    running = lane;
    switch_stacks(scheduler_, fiber_of(*lane).place);
  }
  if (report.empty() && !blocks_.empty())
    report = std::string(launch->kernel->name) + ": deadlock, nobody can go on:" + deadlock_report(blocks_, *this);
  take_back_fibers();
  for (auto& block : blocks_) {
    end_block(*block);
    spare_blocks_.push_back(std::move(block));
  }
  blocks_.clear();
  clusters_.clear();
  pending.clear();
  running = nullptr;
  launch = nullptr;
}

// After a failure lanes are left where they stand: their stacks hold nothing that must be given back.
void Processor::take_back_fibers() {
  if (spare_fibers_.size() == fibers_.size()) return;
  spare_fibers_.clear();
  for (const auto& fiber : fibers_) {
    prepare(fiber->place, fiber->stack, fiber_entry);
    spare_fibers_.push_back(fiber.get());
  }
}

Fiber& Processor::fiber_of(Lane& lane) {
  if (lane.fiber == nullptr) {
    if (spare_fibers_.empty()) {
      fibers_.push_back(std::make_unique<Fiber>());
      prepare(fibers_.back()->place, fibers_.back()->stack, fiber_entry);
      spare_fibers_.push_back(fibers_.back().get());
    }
    lane.fiber = spare_fibers_.back();
    spare_fibers_.pop_back();
  }
  starting = lane.fiber;
  return *lane.fiber;
}

void Processor::leave(Lane& lane) {
  Lane* const other = next();
  if (other == &lane) return;
  if (other == nullptr) {
    switch_stacks(lane.fiber->place, scheduler_);
    return;
  }
  Fiber& fiber = fiber_of(*other);
  running = other;
  switch_stacks(lane.fiber->place, fiber.place);
}

void Processor::live_on(Fiber& fiber) {
  for (;;) {
    try {
      launch->kernel->run(launch->parameters);
      finish(*running);
    } catch (const Fault&) {
    } catch (const std::exception& error) {
      if (report.empty()) report = std::string("the emulation itself failed: ") + error.what();
    }
    Lane* const other = next();
    if (other != nullptr && other->fiber == nullptr) {  // it begins on this stack: no switch
      other->fiber = &fiber;
      running = other;
      continue;
    }
    spare_fibers_.push_back(&fiber);
    if (other == nullptr) {
      switch_stacks(fiber.place, scheduler_);
    } else {
      running = other;
      switch_stacks(fiber.place, other->fiber->place);
    }
  }
}

void Processor::finish(Lane& lane) {
  lane.state = State::done;
  lane.fiber = nullptr;
  lane.warp->live &= ~(1u << lane.lane);
  lane.block->live--;
  if (lane.warp->live == 0) lane.block->live_warps--;
  note_progress();
  lane_exited(lane);
  if (lane.block->live == 0) block_exited(*lane.block);
  Cluster& cluster = *lane.block->cluster;
  if (--cluster.live == 0) to_retire_ = true;
  cluster_advances(cluster);
}

Lane* Processor::next() {
  for (;;) {
    if (!report.empty()) return nullptr;
    const bool spinning = idle_yields > 2 * ready.size() + 2;
    const bool idle = ready.size() == 0 || spinning;
    if (!pending.empty() && complete_one(idle)) continue;
    if (to_retire_) retire();
    if (idle && start_cluster()) continue;
    if (spinning && idle_yields > kIdleTurns * (ready.size() + 1)) {
      if (schedule.threads > 1) std::this_thread::yield();
      const auto now = std::chrono::steady_clock::now();
      if (idle_since_ == std::chrono::steady_clock::time_point{}) idle_since_ = now;
      if (schedule.threads == 1 || now - idle_since_ > kIdleTime) {
        report = std::string(launch->kernel->name) + ": all threads that can go on poll for what never comes" +
                 text_of(spinning_at) + deadlock_report(blocks_, *this);
        return nullptr;
      }
    } else {
      idle_since_ = {};
    }
    return ready.pop(spinning);
  }
}

bool Processor::start_cluster() {
  if (exhausted_ || clusters_.size() >= resident_) return false;
  const uint32_t size = count_of(launch->cluster);
  const uint32_t number = next_cluster_();
  if (number >= count_of(launch->grid) / size) {
    exhausted_ = true;
    return false;
  }
  clusters_.push_back(std::make_unique<Cluster>());
  Cluster& cluster = *clusters_.back();
  const Index3& shape = launch->cluster;
  const Index3 corner =
      index_in({launch->grid.x / shape.x, launch->grid.y / shape.y, launch->grid.z / shape.z}, number);
  for (uint32_t rank = 0; rank < size; rank++) {
    const Index3 inside = index_in(shape, rank);
    start_block(cluster, rank,
                {corner.x * shape.x + inside.x, corner.y * shape.y + inside.y, corner.z * shape.z + inside.z});
  }
  return true;
}

void Processor::start_block(Cluster& cluster, uint32_t rank, const Index3& index) {
  if (spare_blocks_.empty()) spare_blocks_.push_back(std::make_unique<Block>());
  blocks_.push_back(std::move(spare_blocks_.back()));
  spare_blocks_.pop_back();
  Block& block = *blocks_.back();
  prepare_block(block, *launch, index);
  const uint32_t threads = block.threads;
  const uint32_t warps = (threads + kWarpLanes - 1) / kWarpLanes;
  block.rank_in_cluster = rank;
  block.cluster = &cluster;
  cluster.blocks.push_back(&block);
  cluster.live += threads;
  while (block.lanes.size() < threads) block.lanes.push_back(std::make_unique<Lane>());
  block.warps.resize(warps);
  block.live_warps = warps;
  for (uint32_t i = 0; i < warps; i++) {
    Warp& warp = block.warps[i];
    warp.block = &block;
    warp.index = i;
    warp.live = warp.members = threads - i * 32 >= 32 ? ~0u : (1u << (threads - i * 32)) - 1;
    warp.meetings.open = 0;
    warp.signing = {};
  }
  block_begins(block);
  for (uint32_t i = 0; i < threads; i++) {
    Lane& lane = *block.lanes[i];
    lane.thread = index_in(launch->block, i);
    lane.linear = i;
    lane.lane = i % kWarpLanes;
    lane.block = &block;
    lane.warp = &block.warps[i / kWarpLanes];
    lane.state = State::ready;
    lane.fiber = nullptr;
    lane.cluster_arrivals = lane.cluster_waits = 0;
    ready.enter(lane);
    ready.push(lane);
  }
}

// Clusters whose lanes have all exited and whose operations are all done.
void Processor::retire() {
  to_retire_ = false;
  for (size_t i = 0; i < clusters_.size();) {
    Cluster& cluster = *clusters_[i];
    const bool busy = std::any_of(cluster.blocks.begin(), cluster.blocks.end(), [](Block* b) { return b->pending != 0; });
    if (cluster.live != 0 || busy) {
      to_retire_ = to_retire_ || (cluster.live == 0 && busy);
      i++;
      continue;
    }
    for (size_t b = 0; b < blocks_.size();) {
      if (blocks_[b]->cluster != &cluster) {
        b++;
        continue;
      }
      const std::string left = unfinished(*blocks_[b]);
      if (report.empty() && !left.empty()) report = std::string(launch->kernel->name) + ": " + left;
      end_block(*blocks_[b]);
      spare_blocks_.push_back(std::move(blocks_[b]));
      blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(b));
    }
    clusters_.erase(clusters_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

}  // namespace nanogpt::emulation
