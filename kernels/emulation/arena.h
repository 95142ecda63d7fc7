// Where checked memory lies: one range of addresses with the windows of shared memory first and device memory behind, so
// that whether an address is watched is one comparison and its shadow one multiplication. Private to the checks. May include
// only memory.h and the standard library.
#pragma once
#include "memory.h"

#if defined(NANOGPT_EMULATION_CHECKS)

namespace nanogpt::emulation {

// What is remembered of 4 bytes of memory: up to four accesses, those that no later access has made irrelevant.
struct alignas(64) Granule {
  static constexpr uint32_t kCells = 4;
  uint32_t timeline[kCells];
  uint32_t epoch[kCells];
  uint32_t site[kCells];
  uint8_t bytes[kCells];  // which of the four
  uint8_t kind[kCells];   // 0: an empty cell
};

constexpr size_t kWindowBytes = size_t{512} << 10;  // of address space for a block's shared memory
constexpr size_t kWindows = 1024;
constexpr size_t kSharedArena = kWindows * kWindowBytes;
constexpr size_t kDeviceArena = size_t{64} << 30;
constexpr size_t kArenaBytes = kSharedArena + kDeviceArena;
constexpr size_t kUnitBytes = 256;  // device allocations begin at multiples

struct Allocation {
  uint64_t offset = 0;  // in the arena
  size_t bytes = 0;
  bool freed = false;
};

struct Window {
  const Block* block = nullptr;
  uint32_t begin = 0, bytes = 0;  // the block's bytes within the window
};

struct Arena {
  char* memory = nullptr;
  Granule* shadow = nullptr;      // one for 4 bytes
  uint8_t* written = nullptr;     // one bit for a byte
  uint32_t* allocation = nullptr; // one for kUnitBytes of device memory: index in allocations + 1, or 0
  std::vector<Allocation> allocations;
  std::vector<Window> windows;
  uint64_t next = kSharedArena;   // where device memory is still untouched
};

// Made at the first use; throws std::bad_alloc when the system refuses the addresses.
Arena& arena();

inline uint64_t offset_in(const Arena& arena, const void* address) {
  return static_cast<uint64_t>(static_cast<const char*>(address) - arena.memory);
}

// Sets or clears the written bits of a range, and forgets who touched it.
void set_written(uint64_t offset, size_t bytes, bool written);
void forget(uint64_t offset, size_t bytes);

// The allocation that holds the unit at the offset; null: none does.
inline const Allocation* allocation_at(const Arena& arena, uint64_t offset) {
  const uint32_t index = arena.allocation[(offset - kSharedArena) / kUnitBytes];
  return index == 0 ? nullptr : &arena.allocations[index - 1];
}

}  // namespace nanogpt::emulation

#endif
