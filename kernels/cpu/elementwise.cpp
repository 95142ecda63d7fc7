// Elementwise kernels of abi.h: arithmetic on vectors of activations and their gradients, memory-bound.
// Arithmetic is float32 whatever the element type; sums are double. No kernel here knows rows or shapes.
// May include the other headers of this directory and the standard library.
#include "check.h"
#include "kernels.h"
#include "reduce.h"
#include "relu.h"
#include "summand.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {
namespace {

template <class Y, class F, class... X>
void map_range(int64_t n, Y* y, F f, const X*... x) {
  by_vectors(n, [&](int64_t i, auto lanes) { store(y + i, f(load(x + i, lanes)...), lanes); });
}

// y[i] = f(x[i]...) for vectors of float32, over the pool.
template <class Y, class F, class... X>
void map(Context& context, int64_t count, Y* y, F f, const X*... x) {
  for_chunks(context, count, kChunk,
             [=](int64_t begin, int64_t end) { map_range(end - begin, y + begin, f, (x + begin)...); });
}

// The coefficients (ca, cb) of a form of mix.
struct Coefficients {
  float a, b;
};

Coefficients mix_coefficients(const float* s, uint32_t form, uint32_t index) {
  if (form == NANOGPT_MIX_PAIR) return {s[0], s[1]};
  if (form == NANOGPT_MIX_LERP) return {1.0f - s[0], s[0]};
  return {1.0f, s[index]};
}

void check_mix(Check& check, uint32_t size, uint32_t form, uint32_t index) {
  check.below("form", form, "the number of forms", NANOGPT_MIX_SKIP + 1);
  if (form == NANOGPT_MIX_PAIR) check.at_least("size", size, 2);
  if (form == NANOGPT_MIX_SKIP) check.below("index", index, "size", size);
}

// da = ca*dy, db = cb*dy, each with or without a summand; sums = (sum(dy*a), sum(dy*b)).
template <class T, class SummandA, class SummandB>
void mix_grad_range(int64_t n, T* da, T* db, const T* dy, const T* a, const T* b, SummandA with_a, SummandB with_b,
                    Coefficients c, double* sums) {
  WideSum sum_a, sum_b;
  by_vectors(n, [&](int64_t i, auto lanes) {
    const vf d = load(dy + i, lanes);
    sum_a.add_product(d, load(a + i, lanes));
    sum_b.add_product(d, load(b + i, lanes));
    store(da + i, with_a(i, c.a * d, lanes), lanes);
    store(db + i, with_b(i, c.b * d, lanes), lanes);
  });
  sums[0] = sum_a.total();
  sums[1] = sum_b.total();
}

struct MixGradArguments {
  uint64_t da, db, ds, dy, a, b, s;
  uint32_t count, size, form, index, dtype;
};

// What is added to each output; 0: nothing.
struct MixGradSummands {
  uint64_t a = 0, b = 0, s = 0;
};

// Calls body(summand) with what is to be done for the address of one: nothing for 0.
template <class T, class Body>
void with_summand(uint64_t r, const Body& body) {
  if (r == 0) body(Alone{});
  else body(AddedTo<T>{memory<const T>(r)});
}

int32_t mix_grad_of(Check& check, const MixGradArguments& g, const MixGradSummands& r) {
  check.address("da", g.da).address("db", g.db).address("ds", g.ds).address("dy", g.dy).address("a", g.a);
  check.address("b", g.b).address("s", g.s).size("count", g.count).size("size", g.size).dtype("dtype", g.dtype);
  check_mix(check, g.size, g.form, g.index);
  if (check.failed()) return check.status();
  const Coefficients c = mix_coefficients(memory<const float>(g.s), g.form, g.index);
  double total[2];
  by_type(g.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_summand<T>(r.a, [&](auto with_a) {
      with_summand<T>(r.b, [&](auto with_b) {
        sum_chunks<2>(check.context(), g.count, total, [=](int64_t begin, int64_t end, double* sums) {
          mix_grad_range(end - begin, memory<T>(g.da) + begin, memory<T>(g.db) + begin, memory<const T>(g.dy) + begin,
                         memory<const T>(g.a) + begin, memory<const T>(g.b) + begin, with_a.from(begin),
                         with_b.from(begin), c, sums);
        });
      });
    });
  });
  const auto found = [&](uint32_t i) {
    if (g.form == NANOGPT_MIX_PAIR) return i < 2 ? total[i] : 0.0;
    if (g.form == NANOGPT_MIX_LERP) return i == 0 ? total[1] - total[0] : 0.0;
    return i == g.index ? total[1] : 0.0;
  };
  const float* before = memory<const float>(r.s);
  for (uint32_t i = 0; i < g.size; i++) {
    const float ds = static_cast<float>(found(i));
    memory<float>(g.ds)[i] = before ? before[i] + ds : ds;
  }
  return NANOGPT_OK;
}

template <class T>
double dot_range(int64_t n, const T* a, const T* b) {
  WideSum sum;
  by_vectors(n, [&](int64_t i, auto lanes) { sum.add_product(load(a + i, lanes), load(b + i, lanes)); });
  return sum.total();
}

double sum_range(int64_t n, const float* x) {
  WideSum sum;
  by_vectors(n, [&](int64_t i, auto lanes) { sum.add(load(x + i, lanes)); });
  return sum.total();
}

}  // namespace

int32_t fill(uint64_t context, uint64_t y, uint32_t count, uint32_t dtype, double value) {
  Check check(context, "fill");
  check.address("y", y).size("count", count).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  const float x = static_cast<float>(value);
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    map(check.context(), count, memory<T>(y), [=]() { return splat(x); });
  });
  return NANOGPT_OK;
}

int32_t cast(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype_y, uint32_t dtype_x) {
  Check check(context, "cast");
  check.address("y", y).address("x", x).size("count", count).dtype("dtype_y", dtype_y).dtype("dtype_x", dtype_x);
  if (check.failed()) return check.status();
  by_type(dtype_y, [&](auto zero_y) {
    by_type(dtype_x, [&](auto zero_x) {
      using Y = decltype(zero_y);
      using X = decltype(zero_x);
      map(check.context(), count, memory<Y>(y), [](vf v) { return v; }, memory<const X>(x));
    });
  });
  return NANOGPT_OK;
}

int32_t add(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t count, uint32_t dtype) {
  Check check(context, "add");
  check.address("y", y).address("a", a).address("b", b).size("count", count).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    map(check.context(), count, memory<T>(y), [](vf p, vf q) { return p + q; }, memory<const T>(a), memory<const T>(b));
  });
  return NANOGPT_OK;
}

int32_t axpby(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t count, uint32_t dtype, double alpha,
              double beta) {
  Check check(context, "axpby");
  check.address("y", y).address("a", a).address("b", b).size("count", count).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  const Coefficients c{static_cast<float>(alpha), static_cast<float>(beta)};
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    map(check.context(), count, memory<T>(y), [=](vf p, vf q) { return c.a * p + c.b * q; }, memory<const T>(a),
        memory<const T>(b));
  });
  return NANOGPT_OK;
}

int32_t affine(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype, double alpha, double beta) {
  Check check(context, "affine");
  check.address("y", y).address("x", x).size("count", count).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  const Coefficients c{static_cast<float>(alpha), static_cast<float>(beta)};
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    map(check.context(), count, memory<T>(y), [=](vf v) { return c.a * v + c.b; }, memory<const T>(x));
  });
  return NANOGPT_OK;
}

int32_t scale(uint64_t context, uint64_t y, uint64_t x, uint64_t s, uint32_t count, uint32_t size, uint32_t index,
              uint32_t dtype) {
  Check check(context, "scale");
  check.address("y", y).address("x", x).address("s", s).size("count", count).size("size", size);
  check.below("index", index, "size", size).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  const float factor = memory<const float>(s)[index];
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    map(check.context(), count, memory<T>(y), [=](vf v) { return factor * v; }, memory<const T>(x));
  });
  return NANOGPT_OK;
}

int32_t scale_grad(uint64_t context, uint64_t ds, uint64_t dy, uint64_t x, uint32_t count, uint32_t size,
                   uint32_t index, uint32_t dtype) {
  Check check(context, "scale_grad");
  check.address("ds", ds).address("dy", dy).address("x", x).size("count", count).size("size", size);
  check.below("index", index, "size", size).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  double total[1];
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    sum_chunks<1>(check.context(), count, total, [=](int64_t begin, int64_t end, double* sums) {
      sums[0] = dot_range(end - begin, memory<const T>(dy) + begin, memory<const T>(x) + begin);
    });
  });
  float* out = memory<float>(ds);
  for (uint32_t i = 0; i < size; i++) out[i] = 0.0f;
  out[index] = static_cast<float>(total[0]);
  return NANOGPT_OK;
}

int32_t mix(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint32_t count, uint32_t size,
            uint32_t form, uint32_t index, uint32_t dtype) {
  Check check(context, "mix");
  check.address("y", y).address("a", a).address("b", b).address("s", s).size("count", count).size("size", size);
  check.dtype("dtype", dtype);
  check_mix(check, size, form, index);
  if (check.failed()) return check.status();
  const Coefficients c = mix_coefficients(memory<const float>(s), form, index);
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    map(check.context(), count, memory<T>(y), [=](vf p, vf q) { return c.a * p + c.b * q; }, memory<const T>(a),
        memory<const T>(b));
  });
  return NANOGPT_OK;
}

int32_t mix_grad(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b,
                 uint64_t s, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t dtype) {
  Check check(context, "mix_grad");
  return mix_grad_of(check, {da, db, ds, dy, a, b, s, count, size, form, index, dtype}, {});
}

int32_t mix_grad_add(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b,
                     uint64_t s, uint64_t r, uint32_t count, uint32_t size, uint32_t form, uint32_t index,
                     uint32_t into, uint32_t dtype) {
  Check check(context, "mix_grad_add");
  check.address("r", r).below("into", into, "the number of outputs", 3);
  return mix_grad_of(check, {da, db, ds, dy, a, b, s, count, size, form, index, dtype},
                     {into == 0 ? r : 0, into == 1 ? r : 0, into == 2 ? r : 0});
}

int32_t mix_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b,
                          uint64_t s, uint64_t ra, uint64_t rb, uint32_t count, uint32_t size, uint32_t form,
                          uint32_t index, uint32_t dtype) {
  Check check(context, "mix_grad_add_both");
  check.address("ra", ra).address("rb", rb);
  return mix_grad_of(check, {da, db, ds, dy, a, b, s, count, size, form, index, dtype}, {ra, rb, 0});
}

int32_t relu_squared(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype) {
  Check check(context, "relu_squared");
  check.address("y", y).address("x", x).size("count", count).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    map(check.context(), count, memory<T>(y), [](vf v) { return relu_squared(v); }, memory<const T>(x));
  });
  return NANOGPT_OK;
}

int32_t relu_squared_grad(uint64_t context, uint64_t dx, uint64_t y, uint64_t dy, uint32_t count, uint32_t dtype) {
  Check check(context, "relu_squared_grad");
  check.address("dx", dx).address("y", y).address("dy", dy).size("count", count).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    map(check.context(), count, memory<T>(dx), [](vf v, vf d) { return relu_squared_grad(v, d); }, memory<const T>(y),
        memory<const T>(dy));
  });
  return NANOGPT_OK;
}

int32_t softcap(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype, double cap) {
  Check check(context, "softcap");
  check.address("y", y).address("x", x).size("count", count).dtype("dtype", dtype).positive("cap", cap);
  if (check.failed()) return check.status();
  const float c = static_cast<float>(cap), inverse = static_cast<float>(1.0 / cap);
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    map(check.context(), count, memory<T>(y), [=](vf v) { return c * vtanh(v * inverse); }, memory<const T>(x));
  });
  return NANOGPT_OK;
}

int32_t softcap_grad(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint32_t count, uint32_t dtype,
                     double cap) {
  Check check(context, "softcap_grad");
  check.address("dx", dx).address("x", x).address("dy", dy).size("count", count).dtype("dtype", dtype);
  check.positive("cap", cap);
  if (check.failed()) return check.status();
  const float inverse = static_cast<float>(1.0 / cap);
  const auto grad = [=](vf v, vf d) {
    const vf t = vtanh(v * inverse);
    return (1.0f - t * t) * d;
  };
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    map(check.context(), count, memory<T>(dx), grad, memory<const T>(x), memory<const T>(dy));
  });
  return NANOGPT_OK;
}

int32_t mean(uint64_t context, uint64_t y, uint64_t x, uint32_t count) {
  Check check(context, "mean");
  check.address("y", y).address("x", x).size("count", count);
  if (check.failed()) return check.status();
  double total[1];
  sum_chunks<1>(check.context(), count, total, [=](int64_t begin, int64_t end, double* sums) {
    sums[0] = sum_range(end - begin, memory<const float>(x) + begin);
  });
  memory<float>(y)[0] = static_cast<float>(total[0] / count);
  return NANOGPT_OK;
}

int32_t broadcast(uint64_t context, uint64_t y, uint64_t s, uint32_t count, double factor) {
  Check check(context, "broadcast");
  check.address("y", y).address("s", s).size("count", count);
  if (check.failed()) return check.status();
  const float value = static_cast<float>(factor * static_cast<double>(memory<const float>(s)[0]));
  map(check.context(), count, memory<float>(y), [=]() { return splat(value); });
  return NANOGPT_OK;
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
