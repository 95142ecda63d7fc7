// What becomes of a value before it is stored: nothing, or a summand that lies in memory is added to it in float32, before
// the one rounding. For kernels that come in two ways, alone and with a sum. Stores nothing itself. May include only simd.h
// and the standard library.
#pragma once
#include "simd.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {

struct Alone {
  Alone from(int64_t) const { return {}; }
  template <class Lanes>
  vf operator()(int64_t, vf value, Lanes) const { return value; }
};

// The value for element i added to r[i].
template <class T>
struct AddedTo {
  const T* r;
  // For elements counted from number `begin` on.
  AddedTo from(int64_t begin) const { return {r + begin}; }
  template <class Lanes>
  vf operator()(int64_t i, vf value, Lanes lanes) const { return load(r + i, lanes) + value; }
};

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
