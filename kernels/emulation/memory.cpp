// Memory as kernels see it: the window of a block's shared memory, and every access of a checked kernel. Knows no
// instruction; refuses addresses outside the window. Copies nothing itself. May include only block.h and the standard
// library.
#include "block.h"

namespace nanogpt::emulation {

uint32_t shared_address_of(const void* pointer) {
  const char* const base = shared_memory();
  return static_cast<uint32_t>(static_cast<const char*>(pointer) - base);
}

char* shared_pointer(uint32_t address, uint32_t bytes, Site site) {
  if (address > shared_bytes() || bytes > shared_bytes() - address)
    fault(site, "shared address %u and %u bytes: the block has %u bytes", address, bytes, shared_bytes());
  return shared_memory() + address;
}

}  // namespace nanogpt::emulation
