// The soft cap of the head's logits and their exponentials, element by element, in the accuracy that the type of the logits
// asks for: for the kernel that finishes rows of them and for the product that caps them itself. Sums nothing. May include
// only ptx.h.
#pragma once
#include "ptx.h"

namespace nanogpt::cuda {

// In bf16 the approximations are off by less than the rounding of the logits: tanh.approx by 2^-11 of its result, which a
// bf16 logit holds to 2^-9. A capped logit z is off by (2^-9 + 2^-11) |z| at most, wherever it is rounded: before the cap,
// which only lessens a relative error, or after it.
template <class T>
DEVICE float tanh_of(float x) {
  if constexpr (sizeof(T) == 4) return tanhf(x);
  else return tanh_approx(x);
}
template <class T>
DEVICE float exp_of(float x) {
  constexpr float kLog2E = 1.4426950408889634f;
  if constexpr (sizeof(T) == 4) return expf(x);
  else return exp2_approx(x * kLog2E);
}

template <class T>
DEVICE float softcap(float logit, float cap) { return cap * tanh_of<T>(logit * (1.0f / cap)); }

}  // namespace nanogpt::cuda
