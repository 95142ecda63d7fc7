// How the fake driver's streams advance. A wait does the work; between waits little happens, except under seed 0, which does
// everything at once. Refuses nothing by itself: work that fails breaks its GPU.
// May include only machine.h, memory.h and the standard library.
#include "machine.h"
#include "memory.h"
#include <algorithm>

namespace nanogpt::emulation {

Machine& machine() {
  static Machine one;
  return one;
}

void Machine::restart(uint32_t device_count) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  streams.clear();
  events.clear();
  all_streams.clear();
  all_events.clear();
  graphs.clear();
  for (const auto& [address, held] : allocations) free_device(reinterpret_cast<void*>(address));
  restart_memory();
  allocations.clear();
  devices.clear();
  for (uint32_t i = 0; i < device_count; i++) {
    devices.push_back(std::make_unique<FakeDevice>());
    devices.back()->ordinal = static_cast<int>(i);
  }
  initialised = false;
  random_ = 0;
}

uint32_t Machine::draw(uint32_t bound) {
  if (schedule.seed == 0 || bound < 2) return 0;
  uint64_t z = (random_ += 0x9e3779b97f4a7c15u) + schedule.seed * 0xd1342543de82ef95u;  // SplitMix64
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return static_cast<uint32_t>((z ^ z >> 31) % bound);
}

void Machine::break_device(int device, int code, const std::string& why) {
  FakeDevice& d = *devices[static_cast<size_t>(device)];
  if (d.broken != 0) return;
  d.broken = code;
  d.why = why;
}

int Machine::device_of(uint64_t address, size_t bytes) const {
  auto found = allocations.upper_bound(address);
  if (found == allocations.begin()) return -1;
  --found;
  const auto [size, device] = found->second;
  return address - found->first <= size && bytes <= size - (address - found->first) ? device : -1;
}

bool Machine::capturing() const {
  return std::any_of(streams.begin(), streams.end(), [](const FakeStream* s) {
    return s->capture && (s->capture->mode == 0 || (s->capture->mode == 1 && s->capture->thread == std::this_thread::get_id()));
  });
}

int Machine::enqueue(FakeStream& stream, Work work) {
  if (stream.capture) {
    FakeGraph& graph = *stream.capture;
    graph.nodes.push_back({std::move(work), {stream.capture_after.begin(), stream.capture_after.end()}});
    stream.capture_after = {graph.nodes.size() - 1};
    return 0;
  }
  stream.queue.push_back(std::move(work));
  stream.enqueued++;
  changed.notify_all();
  if (schedule.seed == 0) {
    while (step(nullptr)) {
    }
  } else if (draw(8) == 0) {
    step(nullptr);
  }
  return 0;
}

bool Machine::can_run(FakeStream& stream) {
  if (stream.queue.empty() || devices[static_cast<size_t>(stream.device)]->broken != 0) return false;
  const auto& asked = stream.queue.front().can_run;
  return asked == nullptr || asked();
}

void Machine::run_first(FakeStream& stream) {
  const Work work = std::move(stream.queue.front());
  stream.queue.pop_front();
  const std::string why = work.run == nullptr ? "" : work.run();
  stream.done++;
  if (!why.empty()) break_device(stream.device, kLaunchFailed, why);
  changed.notify_all();
}

bool Machine::step(FakeStream* target) {
  // Every third seed does only what the wait needs, as late as can be.
  if (target != nullptr && schedule.seed % 3 == 1 && can_run(*target)) {
    run_first(*target);
    return true;
  }
  std::vector<FakeStream*> able;
  for (FakeStream* const stream : streams)
    if (can_run(*stream)) able.push_back(stream);
  if (able.empty()) return false;
  run_first(*able[draw(static_cast<uint32_t>(able.size()))]);
  return true;
}

int Machine::advance(int device, FakeStream* target, const std::function<bool()>& finished) {
  std::unique_lock<std::recursive_mutex> lock(mutex);
  auto until = std::chrono::steady_clock::now() + patience;
  if (!finished()) waits++;
  for (;;) {
    const FakeDevice& d = *devices[static_cast<size_t>(device)];
    if (d.broken != 0) return refuse(d.broken, d.why);
    if (finished()) return 0;
    if (step(target)) {
      until = std::chrono::steady_clock::now() + patience;
      continue;
    }
    // Only a collective whose peers have not come yet gets here: another thread brings them, or nobody.
    if (changed.wait_until(lock, until) == std::cv_status::timeout) {
      devices[static_cast<size_t>(device)]->stalled = true;
      return refuse(kUnknown, "the stream cannot go on: what it waits for has not come for " +
                                  std::to_string(patience.count()) + " ms");
    }
  }
}

std::string run_graph(FakeGraph& graph) {
  std::vector<bool> done(graph.nodes.size());
  for (size_t left = graph.nodes.size(); left > 0; left--) {
    std::vector<size_t> able;
    for (size_t i = 0; i < graph.nodes.size(); i++) {
      const auto& after = graph.nodes[i].after;
      if (!done[i] && std::all_of(after.begin(), after.end(), [&](size_t before) { return done[before]; })) able.push_back(i);
      if (machine().schedule.seed == 0 && !able.empty()) break;
    }
    const size_t next = able[machine().draw(static_cast<uint32_t>(able.size()))];
    const Work& work = graph.nodes[next].work;
    const std::string why = work.run == nullptr ? "" : work.run();
    if (!why.empty()) return why;
    done[next] = true;
  }
  return "";
}

}  // namespace nanogpt::emulation
