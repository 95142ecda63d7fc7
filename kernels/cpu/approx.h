// Cheaper exp and tanh for the inner loops of attention and of the head, where the argument's range is known.
// NaN comes through both. The error bounds stated here are relative to the exact value.
// May include only simd.h and the standard library.
#pragma once
#include "simd.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {

// x held inside [low, high]; NaN comes through, as vmax and vmin give their second operand for it.
inline vf clamp(vf x, float low, float high) { return vmin(splat(high), vmax(splat(low), x)); }

// exp within 2 units in the last place on [-87, 88]; exp(-87) below and exp(88) above, NaN for NaN.
// The reduction and polynomial of vexp; the narrower range spares the second scaling and the selects.
inline vf exp_bounded(vf x) {
  const vf clamped = clamp(x, -87.0f, 88.0f);
  const vf magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to the nearest integer, kept in the low bits
  const vf shifted = clamped * 1.44269504088896341f + magic;
  const vf n = shifted - magic;
  const vf p = exp_reduced(clamped, n);
  // The low byte of `shifted` is n: moved to the exponent's place it scales p by 2^n.
  const vf y = bits_as<vf>(bits_as<vi>(p) + (bits_as<vi>(shifted) << 23));
  return x == x ? y : x;
}

constexpr float kLog2E = 1.44269504088896341f;

// 2^x within 2 units in the last place on [-125, 127]; 2^-125 below and 2^127 above, NaN for NaN.
// The polynomial 1 + ... is fitted to 2^x on [-1/2, 1/2] for the least largest relative error, 2e-9 (Lawson's iteration
// on 4001 points). The caller folds log2(e) into a factor that it multiplies by anyway.
inline vf exp2_bounded(vf x) {
  const vf clamped = clamp(x, -125.0f, 127.0f);
  const vf magic = splat(12582912.0f);  // as in exp_bounded
  const vf shifted = clamped + magic;
  const vf r = clamped - (shifted - magic);
  vf p = splat(1.535336341476068e-4f);
  p = p * r + 1.3398875016719103e-3f;
  p = p * r + 9.61843691766262e-3f;
  p = p * r + 5.5503323674201965e-2f;
  p = p * r + 2.4022647738456726e-1f;
  p = p * r + 6.931471824645996e-1f;
  p = p * r + 1.0f;
  const vf y = bits_as<vf>(bits_as<vi>(p) + (bits_as<vi>(shifted) << 23));
  return x == x ? y : x;
}

// tanh within 8 units in the last place: the odd rational function of degree 13/6 of Eigen's ptanh, 1 beyond +-7.9.
inline vf tanh_rational(vf x) {
  const vf a = clamp(x, -7.90531110763549805f, 7.90531110763549805f);
  const vf z = a * a;
  vf p = splat(-2.76076847742355e-16f);
  p = p * z + 2.00018790482477e-13f;
  p = p * z + -8.60467152213735e-11f;
  p = p * z + 5.12229709037114e-08f;
  p = p * z + 1.48572235717979e-05f;
  p = p * z + 6.37261928875436e-04f;
  p = p * z + 4.89352455891786e-03f;
  vf q = splat(1.19825839466702e-06f);
  q = q * z + 1.18534705686654e-04f;
  q = q * z + 2.26843463243900e-03f;
  q = q * z + 4.89352518554385e-03f;
  return a * (p / q);  // in this order: a * p of a tiny a would lose bits below the normal range
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
