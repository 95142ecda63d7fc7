// Checked memory: gives out device memory at random places far apart and never again what was freed, and the windows of
// shared memory, poisoned. Refuses, in words, host copies beyond an allocation. May include only arena.h, history.h and the
// standard library.
#include "arena.h"
#include "history.h"

#if defined(NANOGPT_EMULATION_CHECKS)
#include <algorithm>
#include <cstring>
#include <new>
#include <sys/mman.h>

namespace nanogpt::emulation {
namespace {

constexpr int kPoison = 0xff;  // a NaN as float32 and as bf16

// Address space without memory behind it until it is touched, zero.
template <class T>
T* reserve(size_t bytes) {
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<T*>(memory);
}

Arena make_arena() {
  Arena a;
  char* const memory = reserve<char>(kArenaBytes + kWindowBytes);
  a.memory = memory + (-reinterpret_cast<uintptr_t>(memory) & (kWindowBytes - 1));
  a.shadow = reserve<Granule>(kArenaBytes / 4 * sizeof(Granule));
  a.written = reserve<uint8_t>(kArenaBytes / 8);
  a.allocation = reserve<uint32_t>(kDeviceArena / kUnitBytes * sizeof(uint32_t));
  a.windows.resize(kWindows);
  return a;
}

// Gives the memory of a range back to the system; it reads as zero from then on.
void give_back(void* from, size_t bytes) {
  const uintptr_t page = 4096, begin = (reinterpret_cast<uintptr_t>(from) + page - 1) & ~(page - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(from) + bytes) & ~(page - 1);
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

std::string whole_allocation(const void* address, size_t bytes, const char* what) {
  Arena& a = arena();
  const uint64_t offset = offset_in(a, address);
  if (bytes == 0) return "";
  const Allocation* const found =
      offset >= kSharedArena && offset < kArenaBytes ? allocation_at(a, offset) : nullptr;
  if (found == nullptr) return std::string("a ") + what + " of the host at an address that is no device memory";
  const std::string memory = "allocation " + std::to_string(found - a.allocations.data() + 1) + " of " +
                             std::to_string(found->bytes) + " bytes";
  if (found->freed) return std::string("a ") + what + " of the host in freed memory: " + memory;
  if (offset - found->offset + bytes > found->bytes) {
    return std::string("a ") + what + " of the host beyond memory: " + std::to_string(bytes) + " bytes at " + memory + " + " +
           std::to_string(offset - found->offset);
  }
  return "";
}

}  // namespace

Arena& arena() {
  static Arena made = make_arena();
  return made;
}

void set_written(uint64_t offset, size_t bytes, bool written) {
  uint8_t* const bits = arena().written;
  uint64_t at = offset;
  const uint64_t end = offset + bytes;
  const auto set_one = [&] {
    const uint8_t bit = static_cast<uint8_t>(1u << at % 8);
    bits[at / 8] = static_cast<uint8_t>(written ? bits[at / 8] | bit : bits[at / 8] & ~bit);
    at++;
  };
  while (at < end && at % 8 != 0) set_one();
  const size_t whole = (end - at) / 8;
  if (at < end) std::memset(bits + at / 8, written ? 0xff : 0, whole);
  at += whole * 8;
  while (at < end) set_one();
}

void forget(uint64_t offset, size_t bytes) {
  std::memset(static_cast<void*>(arena().shadow + offset / 4), 0, (bytes + 3) / 4 * sizeof(Granule));
}

void* allocate_device(size_t bytes) {
  const std::lock_guard<std::recursive_mutex> lock(checked.alone);
  Arena& a = arena();
  // The guard zone before it: of random length, by the seed of the schedule.
  const uint64_t random = (a.allocations.size() + 1) * 0x9e3779b97f4a7c15u ^ checked.schedule.seed * 0xbf58476d1ce4e5b9u;
  const uint64_t offset = a.next + kUnitBytes * (4 + (random >> 40) % 64);
  const size_t units = (bytes + kUnitBytes - 1) / kUnitBytes;
  if (bytes == 0 || units > kDeviceArena / kUnitBytes || offset + (units + 4) * kUnitBytes > kArenaBytes) return nullptr;
  a.next = offset + units * kUnitBytes;
  a.allocations.push_back({offset, bytes, false});
  const uint32_t index = static_cast<uint32_t>(a.allocations.size());
  std::fill_n(a.allocation + (offset - kSharedArena) / kUnitBytes, units, index);
  std::memset(a.memory + offset, kPoison, bytes);
  return a.memory + offset;
}

bool free_device(void* address) {
  const std::lock_guard<std::recursive_mutex> lock(checked.alone);
  Arena& a = arena();
  const uint64_t offset = offset_in(a, address);
  if (offset < kSharedArena || offset >= kArenaBytes) return false;
  const Allocation* const found = allocation_at(a, offset);
  if (found == nullptr || found->freed || found->offset != offset) return false;
  a.allocations[static_cast<size_t>(found - a.allocations.data())].freed = true;
  give_back(a.memory + offset, found->bytes);
  give_back(a.shadow + offset / 4, found->bytes / 4 * sizeof(Granule));
  give_back(a.written + offset / 8, found->bytes / 8);
  return true;
}

void restart_memory() {
  const std::lock_guard<std::recursive_mutex> lock(checked.alone);
  Arena& a = arena();
  const uint64_t used = a.next - kSharedArena;
  give_back(a.memory + kSharedArena, used);
  give_back(a.shadow + kSharedArena / 4, used / 4 * sizeof(Granule));
  std::memset(a.written + kSharedArena / 8, 0, used / 8);
  std::fill_n(a.allocation, used / kUnitBytes, 0u);
  a.allocations.clear();
  a.next = kSharedArena;
}

std::string host_writes(void* address, size_t bytes) {
  const std::lock_guard<std::recursive_mutex> lock(checked.alone);
  const std::string wrong = whole_allocation(address, bytes, "write");
  if (wrong.empty() && bytes > 0) set_written(offset_in(arena(), address), bytes, true);
  return wrong;
}

std::string host_reads(const void* address, size_t bytes) {
  const std::lock_guard<std::recursive_mutex> lock(checked.alone);
  return whole_allocation(address, bytes, "read");
}

std::string host_copies(void* target, const void* source, size_t bytes) {
  const std::lock_guard<std::recursive_mutex> lock(checked.alone);
  std::string wrong = whole_allocation(source, bytes, "copy");
  if (wrong.empty()) wrong = whole_allocation(target, bytes, "copy");
  if (!wrong.empty()) return wrong;
  const uint64_t from = offset_in(arena(), source), to = offset_in(arena(), target);
  const uint8_t* const bits = arena().written;
  for (size_t i = 0; i < bytes; i++) set_written(to + i, 1, bits[(from + i) / 8] >> (from + i) % 8 & 1);
  return wrong;
}

SharedWindow open_shared(const Block& block, uint32_t bytes) {
  Arena& a = arena();
  const auto spare = std::find_if(a.windows.begin(), a.windows.end(), [](const Window& w) { return w.block == nullptr; });
  if (spare == a.windows.end() || bytes + 4096 > kWindowBytes) throw std::bad_alloc();
  // The same for all blocks of the launch, since blocks of a cluster reach each other at equal addresses.
  const uint32_t begin = 1024 + 16 * (1 + checked.schedule.seed % 63);
  *spare = {&block, begin, bytes};
  const uint64_t window = static_cast<uint64_t>(spare - a.windows.begin()) * kWindowBytes;
  std::memset(a.memory + window + begin, kPoison, bytes);
  set_written(window + begin, bytes, false);
  forget(window + begin, bytes);
  return {a.memory + window, a.memory + window + begin};
}

void close_shared(const SharedWindow& shared) {
  Arena& a = arena();
  a.windows[offset_in(a, shared.window) / kWindowBytes].block = nullptr;
}

}  // namespace nanogpt::emulation

#endif
