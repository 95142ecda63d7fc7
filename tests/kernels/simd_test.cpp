// Proves the bounds that kernels/cpu/simd.h and approx.h state, for the instruction set it is compiled for: the worst
// error of their exp and tanh over the whole float32 range against double libm, their special values, the bf16 rounding,
// and the loads and stores of part of a vector. The optional argument is the step through the 2^32 bit patterns (1 = all).
// Prints one line per function; exits 1 when a bound is broken. Includes nothing but those and the standard library.
#include "../../kernels/cpu/approx.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>

using namespace nanogpt;
using namespace nanogpt::NANOGPT_ISA_NAMESPACE;

namespace {

int failures = 0;

void expect(bool ok, const char* what, double found) {
  if (ok) return;
  failures++;
  std::printf("FAILED lanes %d: expected %s, found %g\n", kLanes, what, found);
}

// Distance of `found` from the exact value in units of the last place of the exact value as a float32.
double ulp_error(float found, double exact) {
  const float nearest = static_cast<float>(exact);
  if (std::isnan(exact)) return std::isnan(found) ? 0 : INFINITY;
  if (std::isinf(nearest)) return found == nearest ? 0 : INFINITY;
  if (std::isnan(found) || std::isinf(found)) return INFINITY;
  const int exponent = std::max(std::ilogb(exact == 0 ? 1e-300 : exact), -126);
  return std::fabs(found - exact) / std::ldexp(1.0, exponent - 23);
}

double exact_exp(float x) { return std::exp(static_cast<double>(x)); }
// What exp_bounded promises: its ends hold beyond them.
double exact_exp_bounded(float x) { return std::isnan(x) ? x : exact_exp(std::min(std::max(x, -87.0f), 88.0f)); }
double exact_exp2_bounded(float x) {
  return std::isnan(x) ? x : std::exp2(static_cast<double>(std::min(std::max(x, -125.0f), 127.0f)));
}
double exact_tanh(float x) { return std::tanh(static_cast<double>(x)); }

// Worst error over the bit patterns 0, step, 2 step, ..., leaving out arguments outside [low, high].
void worst_error(const char* name, vf (*function)(vf), double (*exact)(float), uint32_t step, float low, float high,
                 double bound) {
  double worst = 0, total = 0;
  float at = 0;
  for (uint64_t first = 0; first < (uint64_t{1} << 32); first += uint64_t{step} * kLanes) {
    float x[kLanes], y[kLanes];
    for (int i = 0; i < kLanes; i++) {
      const float value = bits_as<float>(static_cast<uint32_t>(first + uint64_t{step} * i));
      x[i] = value < low || value > high ? 0.0f : value;
    }
    store(y, function(load(x)));
    for (int i = 0; i < kLanes; i++) {
      const double error = ulp_error(y[i], exact(x[i]));
      total++;
      if (error <= worst) continue;
      worst = error;
      at = x[i];
    }
  }
  std::printf("lanes %2d %-13s worst error %.3f ulp at %.9g over %.0f values (bound %g)\n", kLanes, name, worst, at,
              total, bound);
  expect(worst <= bound, name, worst);
}

float one(vf (*function)(vf), float x) {
  const vf y = function(splat(x));
  for (int i = 1; i < kLanes; i++)
    expect(bits_as<int32_t>(float{y[i]}) == bits_as<int32_t>(float{y[0]}), "equal lanes", i);
  return y[0];
}

void special_values() {
  const float none = std::nanf("");
  expect(one(vexp, -INFINITY) == 0, "vexp(-inf) = 0", one(vexp, -INFINITY));
  expect(one(vexp, INFINITY) == INFINITY, "vexp(inf) = inf", one(vexp, INFINITY));
  expect(std::isnan(one(vexp, none)), "vexp(NaN) = NaN", one(vexp, none));
  expect(one(vexp, 0.0f) == 1, "vexp(0) = 1", one(vexp, 0.0f));
  expect(one(vexp, -87.4f) == 0, "vexp(-87.4) = 0", one(vexp, -87.4f));
  expect(one(vexp, 88.73f) == INFINITY, "vexp(88.73) = inf", one(vexp, 88.73f));
  expect(one(vtanh, INFINITY) == 1, "vtanh(inf) = 1", one(vtanh, INFINITY));
  expect(one(vtanh, -INFINITY) == -1, "vtanh(-inf) = -1", one(vtanh, -INFINITY));
  expect(std::isnan(one(vtanh, none)), "vtanh(NaN) = NaN", one(vtanh, none));
  expect(std::signbit(one(vtanh, -0.0f)), "vtanh(-0) = -0", one(vtanh, -0.0f));
  const float least = static_cast<float>(std::exp(-87.0)), most = static_cast<float>(std::exp(88.0));
  for (const float x : {-INFINITY, -88.0f}) expect(one(exp_bounded, x) <= least * (1 + 2e-7f), "exp_bounded ends at exp(-87)", x);
  for (const float x : {INFINITY, 89.0f}) expect(one(exp_bounded, x) >= most * (1 - 2e-7f), "exp_bounded ends at exp(88)", x);
  expect(std::isnan(one(exp_bounded, none)) && std::isnan(one(exp_bounded, -none)), "exp_bounded(NaN) = NaN", 0);
  expect(std::isnan(one(tanh_rational, none)) && std::isnan(one(tanh_rational, -none)), "tanh_rational(NaN) = NaN", 0);
  expect(one(tanh_rational, INFINITY) == one(tanh_rational, 8.0f), "tanh_rational(inf) = tanh_rational(8)", one(tanh_rational, INFINITY));
  expect(one(vsqrt, 4.0f) == 2 && std::isnan(one(vsqrt, -1.0f)), "vsqrt(4) = 2, vsqrt(-1) = NaN", one(vsqrt, 4.0f));
}

// The bf16 nearest to x, ties to the even one, by comparing distances in double: not the way simd.h does it.
uint16_t nearest_bf16(float x) {
  const uint32_t below = bits_as<uint32_t>(x) & 0xffff0000u;
  const double low = bits_as<float>(below);
  // Beyond the largest finite value the next step would have been 2^128.
  const float next = bits_as<float>(below + 0x10000u);
  const double high = std::isinf(next) ? std::copysign(0x1p128, low) : static_cast<double>(next);
  const double to_low = std::fabs(x - low), to_high = std::fabs(high - x);
  const bool up = to_high < to_low || (to_high == to_low && (below & 0x10000u));
  return static_cast<uint16_t>((up ? below + 0x10000u : below) >> 16);
}

bool rounds_right(float x, bf16 rounded) {
  if (std::isnan(x)) return std::isnan(to_float(rounded)) && (rounded.bits >> 15) == (bits_as<uint32_t>(x) >> 31);
  if (std::isinf(x)) return rounded.bits == bits_as<uint32_t>(x) >> 16;
  return rounded.bits == nearest_bf16(x);
}

void bf16_rounding(uint32_t step) {
  double wrong = 0, total = 0;
  for (uint64_t first = 0; first < (uint64_t{1} << 32); first += uint64_t{step} * kLanes) {
    float x[kLanes];
    bf16 y[kLanes];
    for (int i = 0; i < kLanes; i++) x[i] = bits_as<float>(static_cast<uint32_t>(first + uint64_t{step} * i));
    store(y, load(x));
    for (int i = 0; i < kLanes; i++) {
      total++;
      wrong += !rounds_right(x[i], y[i]) || to_bf16(x[i]).bits != y[i].bits;
    }
  }
  // Every tie lies on a pattern xxxx8000, which an odd step rarely meets: all 65536 of them, and their neighbours.
  for (uint32_t upper = 0; upper < 0x10000u; upper++)
    for (uint32_t lower = 0x7fff; lower <= 0x8001; lower++) {
      const float x = bits_as<float>(upper << 16 | lower);
      bf16 y[kLanes];
      store(y, splat(0.0f) + load_part(&x, 1));
      total++;
      wrong += !rounds_right(x, to_bf16(x)) || (x == x && y[0].bits != to_bf16(x).bits);
    }
  for (uint32_t upper = 0; upper < 0x10000u; upper++) {
    bf16 h[kLanes];
    float y[kLanes];
    for (int i = 0; i < kLanes; i++) h[i] = {static_cast<uint16_t>(upper + i)};
    store(y, load(h));
    for (int i = 0; i < kLanes; i++) wrong += bits_as<uint32_t>(y[i]) != uint32_t{h[i].bits} << 16;
  }
  std::printf("lanes %2d bf16          %.0f wrong of %.0f values\n", kLanes, wrong, total);
  expect(wrong == 0, "bf16 rounding to nearest even", wrong);
}

template <class T>
void parts() {
  T from[kLanes], to[kLanes];
  for (int n = 0; n <= kLanes; n++) {
    for (int i = 0; i < kLanes; i++) {
      assign(from[i], static_cast<float>(i + 1));
      assign(to[i], -1.0f);
    }
    const vf x = load_part(from, n, -7.0f);
    store_part(to, x, n);
    for (int i = 0; i < kLanes; i++) {
      expect(x[i] == (i < n ? i + 1 : -7), "the elements, then the fill", x[i]);
      expect(to_float(to[i]) == (i < n ? i + 1 : -1), "only n elements written", to_float(to[i]));
    }
  }
  int steps = 0;
  by_vectors(3 * kLanes + 1, [&](int64_t i, auto) { steps += i == steps * kLanes; });
  expect(steps == 4, "4 steps of by_vectors", steps);
}

void sums() {
  float x[kLanes];
  for (int i = 0; i < kLanes; i++) x[i] = 1.0f + 0x1p-20f * static_cast<float>(i);
  const double total = kLanes + 0x1p-20 * kLanes * (kLanes - 1) / 2;
  WideSum plain, squares;
  plain.add(load(x));
  squares.add_product(load(x), splat(1.0f));
  expect(plain.total() == total, "the exact sum", plain.total());
  expect(squares.total() == total, "the exact sum of products", squares.total());
  expect(lane_sum(load(x)) == static_cast<float>(total), "the exact lane sum", lane_sum(load(x)));
  const float none = std::nanf("");
  expect(vmax(splat(2.0f), splat(3.0f))[0] == 3 && vmin(splat(2.0f), splat(3.0f))[0] == 2, "max 3, min 2", 0);
  expect(vmax(splat(none), splat(3.0f))[0] == 3 && vmin(splat(none), splat(3.0f))[0] == 3, "b when a is NaN", 0);
  expect(std::isnan(vmax(splat(3.0f), splat(none))[0]), "b when b is NaN", 0);
}

}  // namespace

int main(int count, char** arguments) {
  const uint32_t step = count > 1 ? static_cast<uint32_t>(std::strtoul(arguments[1], nullptr, 10)) : 613;
  if (step == 0) {
    std::printf("Expected a step through the bit patterns of at least 1\n");
    return 1;
  }
  worst_error("vexp", vexp, exact_exp, step, -87.3f, 88.7f, 1.1);
  worst_error("vtanh", vtanh, exact_tanh, step, -INFINITY, INFINITY, 1.5);
  worst_error("exp_bounded", exp_bounded, exact_exp_bounded, step, -INFINITY, INFINITY, 2);
  worst_error("exp2_bounded", exp2_bounded, exact_exp2_bounded, step, -INFINITY, INFINITY, 2);
  worst_error("tanh_rational", tanh_rational, exact_tanh, step, -INFINITY, INFINITY, 8);
  special_values();
  bf16_rounding(step);
  parts<float>();
  parts<bf16>();
  sums();
  return failures == 0 ? 0 : 1;
}
