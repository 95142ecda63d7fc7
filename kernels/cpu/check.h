// Checks of an ABI function's arguments on a cpu: those of every library, and those that read the arguments' memory, which
// only a cpu can do before it computes. Computes nothing itself. May include ../check.h, context.h, simd.h and the
// standard library.
#pragma once
#include "../check.h"
#include "context.h"
#include "simd.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {

using Check = ArgumentCheck<Context>;

// Every one of the int32 values at an address in [0, limit); names the first that is not.
inline void check_values(Check& check, const char* name, uint64_t address, uint32_t count, const char* limit_name,
                         uint32_t limit) {
  if (check.failed()) return;
  const int32_t* value = reinterpret_cast<const int32_t*>(address);
  uint32_t bad = 0;  // no early exit, so that the loop becomes vector code
  for (uint32_t i = 0; i < count; i++) bad |= value[i] < 0 || static_cast<uint32_t>(value[i]) >= limit;
  if (bad == 0) return;
  uint32_t at = 0;
  while (value[at] >= 0 && static_cast<uint32_t>(value[at]) < limit) at++;
  check.failure(check.context().fail(NANOGPT_INVALID,
                                     "Kernel %s: expected every one of %s in 0..%s-1 with %s %u, found %d at position %u",
                                     check.op(), name, limit_name, limit_name, limit, value[at], at));
}

// The position of the first of `count` rows of a text: not negative, nor is any row's too large for an int32.
inline void check_position(Check& check, uint64_t address, uint32_t count) {
  if (check.failed()) return;
  const int32_t position = *reinterpret_cast<const int32_t*>(address);
  if (position >= 0 && int64_t{position} + count - 1 <= INT32_MAX) return;
  check.failure(check.context().fail(NANOGPT_INVALID, "Kernel %s: expected a position of %u rows in 0..%d, found %d", check.op(),
                                     count, INT32_MAX, position));
}

// N rows of a text from such a position on, which must find room in a ring of `rows`.
inline void check_ring(Check& check, uint64_t address, uint32_t N, uint32_t rows) {
  check_position(check, address, N);
  if (check.failed() || N <= rows) return;
  check.failure(check.context().fail(NANOGPT_INVALID, "Kernel %s: expected N of at most rows, found N %u, rows %u", check.op(), N,
                                     rows));
}

// The one form that a cpu has.
inline void check_form(Check& check, uint32_t form) {
  if (check.failed() || form == NANOGPT_FORM_SIMPLE) return;
  check.failure(check.context().fail(NANOGPT_UNSUPPORTED, "Kernel %s: a cpu has form 0 only, found %u", check.op(), form));
}

// The memory at an address of the ABI, as a T.
template <class T>
inline T* memory(uint64_t address) { return reinterpret_cast<T*>(address); }

// Calls body(T{}) with T the element type of a checked dtype.
template <class Body>
inline void by_type(uint32_t dtype, const Body& body) {
  if (dtype == NANOGPT_BF16) body(bf16{});
  else body(float{});
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
