// Optimiser kernels of abi.h but Newton-Schulz: the guard, Adam, the momentum of Muon, the Frobenius norm and the update,
// each one pass over memory (the norm two). Step-dependent values come from the step's scalar buffer, never from the caller.
// May include the other headers of this directory and the standard library.
#include "check.h"
#include "kernels.h"
#include "reduce.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {
namespace {

// Counts infinities and NaN by their exponent bits, which no compiler flag can reason away.
struct NonFinite {
  vi negative_counts{};
  void add(vf x) { negative_counts += (bits_as<vi>(x) & 0x7f800000) == 0x7f800000; }  // a true lane is -1
  double total() const {
    double sum = 0;
    for (int i = 0; i < kLanes; i++) sum -= negative_counts[i];
    return sum;
  }
};

struct AdamConstants {
  float beta1, rest1, beta2, rest2;  // rest = 1 - beta
  float rate, bias2, eps;            // rate = lr*RATE*BIAS1
};

double adam_range(int64_t n, float* p, float* m, float* v, const float* g, AdamConstants c) {
  NonFinite bad;
  by_vectors(n, [&](int64_t i, auto lanes) {
    const vf grad = load(g + i, lanes);
    const vf first = c.beta1 * load(m + i, lanes) + c.rest1 * grad;
    const vf second = c.beta2 * load(v + i, lanes) + c.rest2 * (grad * grad);
    bad.add(grad);
    store(m + i, first, lanes);
    store(v + i, second, lanes);
    store(p + i, load(p + i, lanes) - c.rate * first / (vsqrt(second * c.bias2) + c.eps), lanes);
  });
  return bad.total();
}

double nesterov_range(int64_t n, float* m, float* u, const float* g, float momentum) {
  NonFinite bad;
  by_vectors(n, [&](int64_t i, auto lanes) {
    const vf grad = load(g + i, lanes);
    const vf sum = momentum * load(m + i, lanes) + grad;
    bad.add(grad);
    store(m + i, sum, lanes);
    store(u + i, grad + momentum * sum, lanes);
  });
  return bad.total();
}

template <class T>
double squares_range(int64_t n, const T* x) {
  WideSum sum;
  by_vectors(n, [&](int64_t i, auto lanes) {
    const vf v = load(x + i, lanes);
    sum.add_product(v, v);
  });
  return sum.total();
}

template <class Y, class X>
void scale_range(int64_t n, Y* y, const X* x, float factor) {
  by_vectors(n, [&](int64_t i, auto lanes) { store(y + i, factor * load(x + i, lanes), lanes); });
}

void subtract_range(int64_t n, float* p, const float* u, float factor) {
  by_vectors(n, [&](int64_t i, auto lanes) { store(p + i, load(p + i, lanes) - factor * load(u + i, lanes), lanes); });
}

// Whether a guard has met a loss that is not finite: nothing may change any more.
bool halted(uint64_t scalars) { return memory<const float>(scalars)[NANOGPT_SCALAR_HALT] != 0; }

}  // namespace

int32_t guard(uint64_t context, uint64_t scalars, uint64_t loss) {
  Check check(context, "guard");
  check.address("scalars", scalars).address("loss", loss);
  if (check.failed()) return check.status();
  uint32_t bits;
  __builtin_memcpy(&bits, memory<const float>(loss), sizeof bits);
  if ((bits & 0x7f800000u) == 0x7f800000u) memory<float>(scalars)[NANOGPT_SCALAR_HALT] = 1;
  return NANOGPT_OK;
}

int32_t adam(uint64_t context, uint64_t p, uint64_t m, uint64_t v, uint64_t flags, uint64_t g, uint64_t scalars,
             uint32_t count, uint32_t first, uint32_t index, double lr, double beta1, double beta2, double eps) {
  Check check(context, "adam");
  check.address("p", p).address("m", m).address("v", v).address("flags", flags).address("g", g);
  check.address("scalars", scalars).size("count", count).not_negative("eps", eps);
  if (check.failed()) return check.status();
  if (halted(scalars)) return NANOGPT_OK;
  const float* s = memory<const float>(scalars);
  const double rate = lr * static_cast<double>(s[NANOGPT_SCALAR_RATE]) * static_cast<double>(s[NANOGPT_SCALAR_BIAS1]);
  const AdamConstants c{static_cast<float>(beta1),    static_cast<float>(1.0 - beta1), static_cast<float>(beta2),
                        static_cast<float>(1.0 - beta2), static_cast<float>(rate),        s[NANOGPT_SCALAR_BIAS2],
                        static_cast<float>(eps)};
  float* const part = memory<float>(p) + first;
  const float* const grad = memory<const float>(g) + first;
  double bad[1];
  sum_chunks<1>(check.context(), count, bad, [=](int64_t begin, int64_t end, double* sums) {
    sums[0] = adam_range(end - begin, part + begin, memory<float>(m) + begin, memory<float>(v) + begin, grad + begin, c);
  });
  memory<float>(flags)[index] = static_cast<float>(bad[0]);
  return NANOGPT_OK;
}

int32_t nesterov(uint64_t context, uint64_t m, uint64_t u, uint64_t flags, uint64_t g, uint64_t scalars, uint32_t count,
                 uint32_t index, uint32_t slots, uint32_t slot) {
  Check check(context, "nesterov");
  check.address("m", m).address("u", u).address("flags", flags).address("g", g).address("scalars", scalars);
  check.size("count", count).below("slot", slot, "slots", slots);
  if (check.failed()) return check.status();
  if (halted(scalars)) return NANOGPT_OK;
  float* const direction = memory<float>(u) + uint64_t{slot} * count;
  const float momentum = memory<const float>(scalars)[NANOGPT_SCALAR_MOMENTUM];
  double bad[1];
  sum_chunks<1>(check.context(), count, bad, [=](int64_t begin, int64_t end, double* sums) {
    sums[0] = nesterov_range(end - begin, memory<float>(m) + begin, direction + begin, memory<const float>(g) + begin,
                             momentum);
  });
  memory<float>(flags)[index] = static_cast<float>(bad[0]);
  return NANOGPT_OK;
}

int32_t frobenius_normalise(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype_y,
                            uint32_t dtype_x, double eps) {
  Check check(context, "frobenius_normalise");
  check.address("y", y).address("x", x).size("count", count).dtype("dtype_y", dtype_y).dtype("dtype_x", dtype_x);
  check.not_negative("eps", eps);
  if (check.failed()) return check.status();
  by_type(dtype_x, [&](auto zero_x) {
    using X = decltype(zero_x);
    double squares[1];
    sum_chunks<1>(check.context(), count, squares, [=](int64_t begin, int64_t end, double* sums) {
      sums[0] = squares_range(end - begin, memory<const X>(x) + begin);
    });
    const float factor = static_cast<float>(1.0 / (__builtin_sqrt(squares[0]) + eps));
    by_type(dtype_y, [&](auto zero_y) {
      using Y = decltype(zero_y);
      for_chunks(check.context(), count, kChunk, [=](int64_t begin, int64_t end) {
        scale_range(end - begin, memory<Y>(y) + begin, memory<const X>(x) + begin, factor);
      });
    });
  });
  return NANOGPT_OK;
}

int32_t apply_update(uint64_t context, uint64_t p, uint64_t u, uint64_t scalars, uint32_t count, uint32_t slots, uint32_t slot,
                     double factor) {
  Check check(context, "apply_update");
  check.address("p", p).address("u", u).address("scalars", scalars).size("count", count).below("slot", slot, "slots", slots);
  if (check.failed()) return check.status();
  if (halted(scalars)) return NANOGPT_OK;
  const float* const direction = memory<const float>(u) + uint64_t{slot} * count;
  const double rate = static_cast<double>(memory<const float>(scalars)[NANOGPT_SCALAR_RATE]);
  const float step = static_cast<float>(factor * rate);
  for_chunks(check.context(), count, kChunk, [=](int64_t begin, int64_t end) {
    subtract_range(end - begin, memory<float>(p) + begin, direction + begin, step);
  });
  return NANOGPT_OK;
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
