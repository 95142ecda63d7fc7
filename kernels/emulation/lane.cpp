// The scheduler: starts a block's lanes, runs whichever can go on, and says who waits for what when none can. Blocks of
// a launch are given out to processors one after another. Knows barriers and meetings by their queues only. May include
// only block.h and the standard library.
#include "block.h"
#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

namespace nanogpt::emulation {

thread_local Processor* processor = nullptr;

namespace {

std::map<std::string, KernelEntry>& kernels() {
  static std::map<std::string, KernelEntry> registered;
  return registered;
}

// Where every fiber begins; the lane is the running one.
void run_lane() {
  Lane& lane = *processor->running;
  try {
    processor->launch->kernel->run(processor->launch->parameters);
  } catch (const Fault&) {
  } catch (const std::exception& error) {
    if (processor->report.empty()) processor->report = std::string("the emulation itself failed: ") + error.what();
  }
  processor->finish_lane(lane);
  switch_stacks(lane.place, processor->scheduler);
}

uint32_t count_of(const Index3& size) { return size.x * size.y * size.z; }

std::string place_of(const Lane& lane) {
  char text[128];
  std::snprintf(text, sizeof text, "block (%u,%u,%u) thread %u", lane.block->index.x, lane.block->index.y,
                lane.block->index.z, lane.linear);
  return text;
}

}  // namespace

Lane& self() { return *processor->running; }
Index3 block_index() { return self().block->index; }
Index3 block_dimension() { return processor->launch->block; }
Index3 grid_dimension() { return processor->launch->grid; }
char* shared_memory() { return self().block->shared; }
uint32_t shared_bytes() { return processor->launch->shared_bytes; }

void fault(Site site, const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (processor->report.empty()) {
    processor->report = std::string(processor->launch->kernel->name) + ", " + place_of(self()) + ": " + text;
    if (site.file != nullptr) processor->report += std::string(" (") + site.file + ":" + std::to_string(site.line) + ")";
  }
  throw Fault{};
}

// SplitMix64 (Steele, Lea and Flood 2014).
uint32_t draw(uint32_t bound) {
  Processor& p = *processor;
  if (p.schedule.seed == 0 || bound < 2) return 0;
  uint64_t z = p.random += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return static_cast<uint32_t>((z ^ z >> 31) % bound);
}

void wait_here(const WaitReason& reason) {
  Lane& lane = self();
  lane.state = State::waiting;
  lane.waiting = reason;
  switch_stacks(lane.place, processor->scheduler);
}

void wake(Lane& lane) {
  if (lane.state != State::waiting) return;
  lane.state = State::ready;
  processor->ready.push_back(&lane);
}

void yield_lane() {
  Lane& lane = self();
  processor->ready.push_back(&lane);
  switch_stacks(lane.place, processor->scheduler);
}

void Processor::start(const Index3& index) {
  auto block = std::make_unique<Block>();
  block->launch = launch;
  block->index = index;
  block->shared_storage.resize(launch->shared_bytes + 1024);
  char* const base = block->shared_storage.data();
  block->shared = base + (-reinterpret_cast<uintptr_t>(base) & 1023);
  const uint32_t threads = count_of(launch->block);
  block->live = threads;
  block->warps.resize((threads + kWarpLanes - 1) / kWarpLanes);
  for (uint32_t i = 0; i < threads; i++) {
    auto lane = std::make_unique<Lane>();
    lane->thread = {i % launch->block.x, i / launch->block.x % launch->block.y, i / launch->block.x / launch->block.y};
    lane->linear = i;
    lane->lane = i % kWarpLanes;
    lane->block = block.get();
    lane->warp = &block->warps[i / kWarpLanes];
    lane->warp->block = block.get();
    lane->warp->index = i / kWarpLanes;
    lane->warp->live |= 1u << lane->lane;
    prepare(lane->place, lane->stack, run_lane);
    ready.push_back(lane.get());
    block->lanes.push_back(std::move(lane));
  }
  blocks.push_back(std::move(block));
}

void Processor::finish_lane(Lane& lane) {
  lane.state = State::done;
  lane.warp->live &= ~(1u << lane.lane);
  lane.block->live--;
}

void Processor::run() {
  while (report.empty()) {
    if (complete_one(ready.empty())) continue;
    if (ready.empty()) break;
    running = ready.front();
    ready.pop_front();
    switch_stacks(scheduler, running->place);
  }
  running = nullptr;
  if (report.empty()) {
    for (const auto& block : blocks) {
      for (const auto& lane : block->lanes) {
        if (lane->state == State::done) continue;
        if (report.empty()) report = std::string(launch->kernel->name) + ": deadlock, nobody can go on:";
        report += "\n  " + place_of(*lane) + " waits for " + (lane->waiting.what ? lane->waiting.what : "its turn") + " " +
                  std::to_string(lane->waiting.detail);
        if (lane->waiting.site.file) {
          report += std::string(" (") + lane->waiting.site.file + ":" + std::to_string(lane->waiting.site.line) + ")";
        }
      }
    }
  }
  blocks.clear();
  ready.clear();
}

std::string run_launch(const Launch& launch, const Schedule& schedule) {
  const uint32_t total = count_of(launch.grid);
  std::atomic<uint32_t> next{0};
  std::mutex mutex;
  std::string report;
  const auto work = [&] {
    Processor own;
    own.launch = &launch;
    own.schedule = schedule;
    own.random = schedule.seed;
    own.moment = schedule.seed == 0 ? Moment::eager : static_cast<Moment>(schedule.seed % 4);
    processor = &own;
    for (;;) {
      const uint32_t first = next.fetch_add(1);
      if (first >= total) break;
      own.start({first % launch.grid.x, first / launch.grid.x % launch.grid.y, first / launch.grid.x / launch.grid.y});
      own.run();
      if (!own.report.empty()) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (report.empty()) report = own.report;
        next = total;
        break;
      }
    }
    processor = nullptr;
  };
  std::vector<std::thread> helpers;
  for (uint32_t i = 1; i < std::min(schedule.threads, total); i++) helpers.emplace_back(work);
  work();
  for (auto& helper : helpers) helper.join();
  return report;
}

Registration::Registration(const char* name, size_t parameter_bytes, uint32_t max_threads, void (*run)(const void*)) {
  kernels()[name] = {name, parameter_bytes, max_threads, run};
}

const KernelEntry* find_kernel(const char* name) {
  const auto found = kernels().find(name);
  return found == kernels().end() ? nullptr : &found->second;
}

}  // namespace nanogpt::emulation
