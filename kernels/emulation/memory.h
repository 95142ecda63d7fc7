// The memory of the emulated GPU: device allocations and the windows of shared memory, as the fake driver and the
// scheduler ask for them. Checked, both lie in one arena with a shadow beside it, allocations far apart at random places
// and freed ones never used again; otherwise it is the host's memory. May include only lane.h and the standard library.
#pragma once
#include "lane.h"
#include <cstddef>
#include <string>

namespace nanogpt::emulation {

// Device memory, aligned to 256 bytes; null when there is none. Checked, it is unwritten until somebody writes.
void* allocate_device(size_t bytes);
// False when no allocation begins at the address.
bool free_device(void* address);

// All device memory is gone, and numbering starts anew.
void restart_memory();

// The host's copies and fills through the driver: empty text, or what is wrong with the range. A written range counts as
// written from then on; call before touching the memory.
std::string host_writes(void* address, size_t bytes);
std::string host_reads(const void* address, size_t bytes);
// The same for a copy on the device: unwritten bytes stay unwritten.
std::string host_copies(void* target, const void* source, size_t bytes);

// A block's shared memory: `window` is where the addresses of PTX begin (a multiple of 1024), `base` where the block's own
// bytes do (a multiple of 16 only; checked, by the seed). Checked, the bytes are unwritten.
struct SharedWindow {
  char* window = nullptr;
  char* base = nullptr;
};
SharedWindow open_shared(const Block& block, uint32_t bytes);
void close_shared(const SharedWindow& shared);

}  // namespace nanogpt::emulation
