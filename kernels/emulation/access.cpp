// Every access on its way to the shadow: those of compiled kernel code, sorted by where the address lies, and those that the
// emulation makes for lanes and operations; and the life of launches and blocks. Ends a faulty launch. May include only
// arena.h, shadow.h, watch.h and the standard library.
#include "arena.h"
#include "shadow.h"
#include "watch.h"

#if defined(NANOGPT_EMULATION_CHECKS)
#include <link.h>

namespace nanogpt::emulation {
namespace {

struct Range {
  uintptr_t begin = 0, end = 0;
  bool holds(const void* address, size_t bytes) const {
    const uintptr_t at = reinterpret_cast<uintptr_t>(address);
    return at >= begin && at <= end && bytes <= end - at;
  }
};

// Where this library's code and static data lie.
Range find_library() {
  Range range;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* closure) {
        Range found{UINTPTR_MAX, 0};
        for (int i = 0; i < info->dlpi_phnum; i++) {
          if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
          const uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
          found = {std::min(found.begin, begin), std::max(found.end, begin + info->dlpi_phdr[i].p_memsz)};
        }
        if (!found.holds(&checked, 1)) return 0;
        *static_cast<Range*>(closure) = found;
        return 1;
      },
      &range);
  return range;
}

Actor actor_of(const History& history) {
  return {&history.known, history.timeline, history.epoch, history.timeline, history.epoch, Proxy::generic};
}
Actor actor_of(const Flight& flight) {
  return {&flight.known, flight.timeline, flight.epoch, flight.issuer, flight.issuer_epoch, flight.proxy};
}

// Reports from a hook, through which nothing can be thrown: the lane stays where it is for ever.
[[noreturn]] void stop_here(const std::string& what) {
  Processor& p = *processor;
  if (p.report.empty()) p.report = std::string(p.launch->kernel->name) + ", " + place_of(*p.running) + ": " + what;
  for (;;) p.leave(*p.running);
}

// An address outside the arena: what a kernel may touch there is its own stack, its parameters and the program's tables.
void judge_host_memory(const Lane& lane, const void* address, size_t bytes, const void* code) {
  static const Range library = find_library();
  const Launch& launch = *checked.launch;
  const auto range_of = [](const void* from, size_t length) {
    return Range{reinterpret_cast<uintptr_t>(from), reinterpret_cast<uintptr_t>(from) + length};
  };
  if (library.holds(address, bytes) || range_of(launch.parameters, launch.kernel->parameter_bytes).holds(address, bytes) ||
      range_of(&lane, sizeof lane).holds(address, bytes))
    return;
  const auto report = [&](const std::string& whose) {
    stop_here(whose + " memory dereferenced in a kernel: " + std::to_string(bytes) + " bytes (" + text_of_site(site_of(code)) + ")");
  };
  for (const auto& other : lane.block->lanes) {
    if (other->fiber != nullptr && range_of(other->fiber->stack.top() - Stack::kBytes, Stack::kBytes).holds(address, bytes))
      report("thread " + std::to_string(other->linear) + "'s local");
  }
  report("host");
}

bool on_own_stack(const Lane& lane, const void* address) {
  return address >= __builtin_frame_address(0) && address < lane.fiber->stack.top();
}

// Accesses of the emulation itself, on behalf of others.
void note(const Actor& actor, const void* address, size_t bytes, uint8_t kind, Site site) {
  if (bytes == 0) return;
  const uint64_t offset = offset_in(arena(), address);
  if (offset >= kArenaBytes) fault(site, "%zu bytes of memory that is neither shared nor of the device", bytes);
  if (!touch(actor, {offset, bytes, kind, site_of(site)})) fault(site, "%s", trouble.c_str());
}

uint8_t kind_of(const Flight& flight, uint8_t kind) { return flight.proxy == Proxy::async ? kind | kAsync : kind; }

Order order_of(int memory_order) {
  switch (memory_order) {
    case __ATOMIC_RELAXED: return Order::relaxed;
    case __ATOMIC_CONSUME:
    case __ATOMIC_ACQUIRE: return Order::acquire;
    case __ATOMIC_RELEASE: return Order::release;
    default: return Order::acquire_release;
  }
}

// The lane whose kernel code runs; null when it is the emulation's own code, or a kernel's on the emulation's behalf.
Lane* watched_lane() {
  Processor* const p = processor;
  return p == nullptr || checked.unwatched != 0 ? nullptr : p->running;
}

}  // namespace

void watch(const void* address, size_t bytes, uint8_t kind, bool aligned, const void* code) {
  Lane* const lane = watched_lane();
  if (lane == nullptr || lane->history == nullptr || bytes == 0) return;
  const uint64_t offset = offset_in(arena(), address);
  if (offset >= kArenaBytes) {
    if (!on_own_stack(*lane, address)) judge_host_memory(*lane, address, bytes, code);
    return;
  }
  const Touch access{offset, bytes, kind, site_of(code)};
  if (aligned && offset % bytes != 0) stop_here("misaligned: " + text_of_access(access));
  if (!touch(actor_of(*lane->history), access)) stop_here(trouble);
}

void watch_atomic(const void* address, size_t bytes, AtomicAccess access, int memory_order, const void* code) {
  Lane* const lane = watched_lane();
  if (lane == nullptr || lane->history == nullptr) return;
  const uint64_t offset = offset_in(arena(), address);
  if (access == AtomicAccess::store && offset < kArenaBytes) set_written(offset, bytes, true);
  watch(address, bytes, kAtomic, true, code);
  order_atomic(*lane, reinterpret_cast<uintptr_t>(address), order_of(memory_order), access != AtomicAccess::load);
}

void watch_fence(int memory_order) {
  Lane* const lane = watched_lane();
  if (lane != nullptr && lane->history != nullptr && memory_order != __ATOMIC_RELAXED) fence_memory(*lane);
}

void note_read(Lane& lane, const void* address, size_t bytes, Site site) {
  note(actor_of(*lane.history), address, bytes, kRead, site);
}
void note_write(Lane& lane, void* address, size_t bytes, Site site) {
  note(actor_of(*lane.history), address, bytes, kWrite, site);
}
void note_read(const Flight& flight, const void* address, size_t bytes, Site site) {
  note(actor_of(flight), address, bytes, kind_of(flight, kRead), site);
}
void note_write(const Flight& flight, void* address, size_t bytes, Site site) {
  note(actor_of(flight), address, bytes, kind_of(flight, kWrite), site);
}
void poison(const Flight& flight, void* address, size_t bytes, Site site) {
  note_write(flight, address, bytes, site);
  if (bytes != 0) unwrite(offset_in(arena(), address), bytes);
}
void note_atomic(Lane& lane, void* address, size_t bytes, Order order, Site site) {
  note(actor_of(*lane.history), address, bytes, kAtomic, site);
  order_atomic(lane, reinterpret_cast<uintptr_t>(address), order, true);
}
void note_atomic(const Flight& flight, void* address, size_t bytes, Site site) {
  note(actor_of(flight), address, bytes, kind_of(flight, kAtomic), site);
}

Unwatched::Unwatched() { checked.unwatched++; }
Unwatched::~Unwatched() { checked.unwatched--; }

void launch_begins(const Launch& launch, const Schedule& schedule) {
  checked.alone.lock();
  // Timelines are 32 bits: long before they run out, what is remembered of old launches goes.
  if (checked.next_timeline > 1u << 31) {
    for (const Allocation& allocation : arena().allocations)
      if (!allocation.freed) forget(allocation.offset, allocation.bytes);
    checked.next_timeline = 1;
  }
  checked.launch = &launch;
  checked.schedule = schedule;
  checked.first_timeline = checked.next_timeline;
  checked.unwatched = 0;
}

void launch_ends() {
  checked.blocks.clear();
  checked.words.clear();
  checked.launch = nullptr;
  checked.alone.unlock();
}

void block_begins(Block& block) {
  auto record = std::make_unique<BlockRecord>();
  record->block = &block;
  record->first = checked.next_timeline;
  record->threads = block.threads;
  record->index = block.index;
  record->histories.resize(block.threads);
  for (uint32_t i = 0; i < block.threads; i++) {
    History& history = record->histories[i];
    history.timeline = record->first + i;
    history.flights = history.timeline + block.threads;
    block.lanes[i]->history = &history;
  }
  checked.next_timeline += 2 * block.threads;
  checked.blocks.push_back(std::move(record));
}

void block_ends(Block& block) {
  BlockRecord& record = block_of(block.lanes[0]->history->timeline);
  for (uint32_t i = 0; i < block.threads; i++) block.lanes[i]->history = nullptr;
  record.histories = {};
  record.block = nullptr;
}

}  // namespace nanogpt::emulation

#endif
