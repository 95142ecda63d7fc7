// Memory without checks: the host's own. Addresses of shared memory, for both modes. Refuses addresses outside a block's
// window. Checked memory is arena.cpp's.
// May include only block.h, memory.h and the standard library.
#include "memory.h"
#include "block.h"
#include <cstdlib>
#include <new>

namespace nanogpt::emulation {

#if !defined(NANOGPT_EMULATION_CHECKS)

void* allocate_device(size_t bytes) { return std::aligned_alloc(256, (bytes + 255) / 256 * 256); }
bool free_device(void* address) {
  std::free(address);
  return true;
}
void restart_memory() {}
std::string host_writes(void*, size_t) { return ""; }
std::string host_reads(const void*, size_t) { return ""; }
std::string host_copies(void*, const void*, size_t) { return ""; }

// As on the chip, which keeps the first 1024 bytes for itself; the base is no multiple of 1024 here either.
SharedWindow open_shared(const Block&, uint32_t bytes) {
  char* const window = static_cast<char*>(std::aligned_alloc(1024, (size_t{bytes} + 1024 + 16 + 1023) / 1024 * 1024));
  if (window == nullptr) throw std::bad_alloc();
  return {window, window + 1024 + 16};
}
void close_shared(const SharedWindow& shared) { std::free(shared.window); }

#endif

uint32_t shared_address_of(const void* pointer) {
  return static_cast<uint32_t>(static_cast<const char*>(pointer) - self().block->shared.window);
}

char* shared_pointer(uint32_t address, uint32_t bytes, Site site) {
  return shared_pointer_in(*self().block, address, bytes, site);
}

char* shared_pointer_in(Block& block, uint32_t address, uint32_t bytes, Site site) {
  const uint32_t size = block.launch->shared_bytes, begin = static_cast<uint32_t>(block.shared.base - block.shared.window);
  if (address < begin || address - begin > size || bytes > size - (address - begin))
    fault(site, "shared address %u and %u bytes: the block has %u bytes from %u on", address, bytes, size, begin);
  return block.shared.window + address;
}

}  // namespace nanogpt::emulation
