// What the compiler's instrumentation of checked kernels leads to: each load, store and atomic access of the running lane.
// Where the address lies decides what is asked of it. Private to the checks; empty without them.
// May include only order.h and the standard library.
#pragma once
#include "order.h"

#if defined(NANOGPT_EMULATION_CHECKS)

namespace nanogpt::emulation {

enum class AtomicAccess : uint8_t { load, store, update };

// A load or store (kRead, kWrite of shadow.h) of compiled kernel code at the return address `code`. `aligned`: as one
// access of a type that wants `bytes` of alignment. Never throws: a faulty lane is left where it stands.
void watch(const void* address, size_t bytes, uint8_t kind, bool aligned, const void* code);
void watch_atomic(const void* address, size_t bytes, AtomicAccess access, int memory_order, const void* code);
void watch_fence(int memory_order);

}  // namespace nanogpt::emulation

#endif
