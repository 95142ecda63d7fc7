// What the running lane asks of the scheduler: who am I, wait, wake, give way, fail; and the kernels by name.
// Knows no barrier and no meeting; a fault ends the whole launch.
// May include only block.h and the standard library.
#include "block.h"
#include <cstdarg>
#include <cstdio>
#include <map>

namespace nanogpt::emulation {

namespace {

std::map<std::string, KernelEntry>& kernels() {
  static std::map<std::string, KernelEntry> registered;
  return registered;
}

}  // namespace

Lane& self() { return *processor->running; }
Index3 block_index() { return self().block->index; }
Index3 block_dimension() { return processor->launch->block; }
Index3 grid_dimension() { return processor->launch->grid; }
char* shared_memory() { return self().block->shared.base; }
uint32_t shared_bytes() { return processor->launch->shared_bytes; }

void fault(Site site, const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (processor->report.empty())
    processor->report = std::string(processor->launch->kernel->name) + ", " + place_of(self()) + ": " + text + text_of(site);
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
  processor->leave(lane);
}

void wake(Lane& lane) {
  if (lane.state != State::waiting) return;
  lane.state = State::ready;
  processor->note_progress();
  processor->ready.push(lane);
}

void yield_lane(Site site) {
  Processor& p = *processor;
  p.idle_yields++;
  p.spinning_at = site;
  p.ready.demote(self());
  p.ready.push(self());
  p.leave(self());
}

void preempt() {
  Processor& p = *processor;
  p.note_progress();
  if (p.schedule.seed == 0 || !p.ready.preempts(*p.running)) return;
  p.ready.push(*p.running);
  p.leave(*p.running);
}

void fence_device() {
  preempt();
  fence_memory(self());
}

Registration::Registration(const char* name, size_t parameter_bytes, uint32_t max_threads, void (*run)(const void*)) {
  kernels()[name] = {name, parameter_bytes, max_threads, run};
}

const KernelEntry* find_kernel(const char* name) {
  const auto found = kernels().find(name);
  return found == kernels().end() ? nullptr : &found->second;
}

}  // namespace nanogpt::emulation
