// What the compiler's instrumentation of checked kernels leads to: each load, store and atomic access of the running lane.
// Private to the checks, and never called by the emulation for its own memory. May include only order.h and the standard
// library.
#pragma once
#include "order.h"

#if defined(NANOGPT_EMULATION_CHECKS)

namespace nanogpt::emulation {

enum class Access : uint8_t { read, write, atomic };

// A load or store of compiled kernel code at the return address `code`. `aligned`: as one access of a type that wants
// `bytes` of alignment. Never throws: a faulty lane is left where it stands.
void watch(const void* address, size_t bytes, Access access, bool aligned, const void* code);
void watch_atomic(const void* address, size_t bytes, int memory_order, const void* code);
void watch_fence(int memory_order);

}  // namespace nanogpt::emulation

#endif
