// Arithmetic instructions of one lane: conversions and approximations. Errors of the approximations are those of the PTX ISA
// (ex2.approx, rsqrt.approx: 2 ulp; sqrt.approx: 2^-23 relative; tanh.approx: 2^-11 relative); emulated they are exact. May
// include only words.h and the standard library.
#pragma once
#include "words.h"
#include <cmath>
#include <cstring>

namespace nanogpt::cuda {

DEVICE uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
DEVICE float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
DEVICE float to_float(bf16 x) { return float_of(uint32_t{x.bits} << 16); }
DEVICE float to_float(float x) { return x; }

#if defined(__CUDACC__)

DEVICE uint32_t count_bits(uint32_t x) { return static_cast<uint32_t>(__popc(x)); }
// Two floats to bf16, rounded to nearest even; `low` in the lower half.
DEVICE uint32_t pack_bf16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}
DEVICE bf16 to_bf16(float x) { return {static_cast<uint16_t>(pack_bf16(x, 0.0f))}; }
DEVICE float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
DEVICE float rsqrt_approx(float x) {
  float y;
  asm("rsqrt.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
DEVICE float sqrt_approx(float x) {
  float y;
  asm("sqrt.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
DEVICE float tanh_approx(float x) {
  float y;
  asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

#else

DEVICE uint32_t count_bits(uint32_t x) { return static_cast<uint32_t>(__builtin_popcount(x)); }
DEVICE bf16 to_bf16(float x) {
  const uint32_t bits = bits_of(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {0x7fff};  // NaN, as cvt.rn.bf16 gives it
  return {static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
}
DEVICE uint32_t pack_bf16(float low, float high) {
  return uint32_t{to_bf16(low).bits} | uint32_t{to_bf16(high).bits} << 16;
}
DEVICE float exp2_approx(float x) { return std::exp2(x); }
DEVICE float rsqrt_approx(float x) { return 1.0f / std::sqrt(x); }
DEVICE float sqrt_approx(float x) { return std::sqrt(x); }
DEVICE float tanh_approx(float x) { return std::tanh(x); }

#endif

template <class T>
DEVICE T from_float(float x);
template <>
DEVICE float from_float<float>(float x) { return x; }
template <>
DEVICE bf16 from_float<bf16>(float x) { return to_bf16(x); }

}  // namespace nanogpt::cuda
