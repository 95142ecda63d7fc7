// Memory without checks: the host's own. Addresses of shared memory, for both modes. Refuses addresses outside a block's
// window; knows nothing of who wrote what: shadow does. May include only block.h, memory.h and the standard
// library.
#include "memory.h"
#include "block.h"
#include <cstdlib>

namespace nanogpt::emulation {

void* allocate_device(size_t bytes) { return std::aligned_alloc(256, (bytes + 255) / 256 * 256); }
bool free_device(void* address) {
  std::free(address);
  return true;
}
std::string host_writes(void*, size_t) { return ""; }
std::string host_reads(const void*, size_t) { return ""; }
std::string host_copies(void*, const void*, size_t) { return ""; }

uint32_t shared_address_of(const void* pointer) {
  const char* const base = shared_memory();
  return static_cast<uint32_t>(static_cast<const char*>(pointer) - base);
}

char* shared_pointer(uint32_t address, uint32_t bytes, Site site) {
  if (address > shared_bytes() || bytes > shared_bytes() - address)
    fault(site, "shared address %u and %u bytes: the block has %u bytes", address, bytes, shared_bytes());
  return shared_memory() + address;
}

char* shared_pointer_in(Block& block, uint32_t address, uint32_t bytes, Site site) {
  const uint32_t size = block.launch->shared_bytes;
  if (address > size || bytes > size - address)
    fault(site, "shared address %u and %u bytes: the block has %u bytes", address, bytes, size);
  return block.shared + address;
}

}  // namespace nanogpt::emulation
