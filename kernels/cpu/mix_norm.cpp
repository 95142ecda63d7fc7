// The residual mix with its norm, and its gradient: one pass over memory each. What is mixed is a sum of one to three terms,
// each a tensor and a coefficient; the mixed row is made again wherever it is needed, never read back. Arithmetic is float32,
// sums over a row and over all rows are double. May include the other headers of this directory and the standard library.
#include "check.h"
#include "kernels.h"
#include "norm.h"
#include "reduce.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {
namespace {

// The coefficients of a mix and of a skip, and what they do to them.
struct Scalars {
  const float* s;
  const float* w;  // the skip's own; nullptr where there is none
};

// What is mixed. Of each: the number of its terms, their coefficients, and the gradients of the scalars from g, the sums of
// the gradient times each term.
struct Pair {  // a, b
  static constexpr int kTerms = 2;
  static void coefficients(const Scalars& m, float* c) { c[0] = m.s[0], c[1] = m.s[1]; }
  static void gradients(const Scalars&, const double* g, double* ds, double&) { ds[0] = g[0], ds[1] = g[1]; }
};
struct Self {  // a, which is b
  static constexpr int kTerms = 1;
  static void coefficients(const Scalars& m, float* c) { c[0] = m.s[0] + m.s[1]; }
  static void gradients(const Scalars&, const double* g, double* ds, double&) { ds[0] = ds[1] = g[0]; }
};
struct Skip {  // a, b, skip
  static constexpr int kTerms = 3;
  static void coefficients(const Scalars& m, float* c) { c[0] = m.s[0], c[1] = m.s[1], c[2] = m.s[0] * m.w[0]; }
  static void gradients(const Scalars& m, const double* g, double* ds, double& dw) {
    ds[0] = g[0] + double{m.w[0]} * g[2], ds[1] = g[1];
    dw = double{m.s[0]} * g[2];
  }
};
struct SkipSelf {  // a, which is skip, and b
  static constexpr int kTerms = 2;
  static void coefficients(const Scalars& m, float* c) { c[0] = m.s[0] * (1.0f + m.w[0]), c[1] = m.s[1]; }
  static void gradients(const Scalars& m, const double* g, double* ds, double& dw) {
    ds[0] = (1.0 + double{m.w[0]}) * g[0], ds[1] = g[1];
    dw = double{m.s[0]} * g[0];
  }
};

template <class T, int K>
struct Terms {
  const T* x[K];
  float c[K];
  Terms from(int64_t begin) const {
    Terms terms = *this;
    for (int k = 0; k < K; k++) terms.x[k] += begin;
    return terms;
  }
  template <class Lanes>
  vf sum(int64_t i, Lanes lanes) const {
    vf sum = c[0] * load(x[0] + i, lanes);
    for (int k = 1; k < K; k++) sum = sum + c[k] * load(x[k] + i, lanes);
    return sum;
  }
};

template <class T, int K>
void mix_norm_row(T* x, T* y, Terms<T, K> terms, int64_t width, double eps) {
  WideSum squares;
  by_vectors(width, [&](int64_t i, auto lanes) {
    const vf v = terms.sum(i, lanes);
    squares.add_product(v, v);
  });
  const float r = static_cast<float>(norm_factor(squares, width, eps));
  by_vectors(width, [&](int64_t i, auto lanes) {
    const vf v = terms.sum(i, lanes);
    store(x + i, v, lanes);
    store(y + i, r * v, lanes);
  });
}

// Where the gradient of each term goes, and what is added to it, if anything.
template <class T, int K>
struct Targets {
  T* d[K];
  const T* r[K];
  Targets from(int64_t begin) const {
    Targets targets = *this;
    for (int k = 0; k < K; k++) {
      targets.d[k] += begin;
      if (r[k]) targets.r[k] += begin;
    }
    return targets;
  }
};

// Sums of the mixed rows' gradient times each term.
template <int K>
struct TermSums {
  WideSum of[K];
};

// `sums` and those of one more row; values, not references, so that they stay in registers beside the stores.
template <class T, int K>
TermSums<K> mix_norm_grad_row(Targets<T, K> to, const T* dy, const T* dx, Terms<T, K> terms, int64_t width, double eps,
                              TermSums<K> sums) {
  WideSum squares, products;
  by_vectors(width, [&](int64_t i, auto lanes) {
    const vf v = terms.sum(i, lanes);
    squares.add_product(v, v);
    products.add_product(v, load(dy + i, lanes));
  });
  const NormGradFactors f = norm_grad_factors(squares, products, width, eps);
  by_vectors(width, [&](int64_t i, auto lanes) {
    const vf g = load(dx + i, lanes) + (f.for_dy * load(dy + i, lanes) - f.for_x * terms.sum(i, lanes));
    for (int k = 0; k < K; k++) sums.of[k].add_product(g, load(terms.x[k] + i, lanes));
    for (int k = 0; k < K; k++) {
      const vf d = terms.c[k] * g;
      store(to.d[k] + i, to.r[k] ? load(to.r[k] + i, lanes) + d : d, lanes);
    }
  });
  return sums;
}

void check_rows(Check& check, uint32_t rows, uint32_t width, uint32_t dtype, double eps) {
  check.matrices(1, rows, width).dtype("dtype", dtype).not_negative("eps", eps);
}

// Of a skip: its weights and which of them.
void check_skip(Check& check, uint64_t w, uint32_t size, uint32_t index) {
  check.address("w", w).size("size", size).below("index", index, "size", size);
}

struct Rows {
  uint32_t rows, width, dtype;
  double eps;
};

// x and y from the terms at the addresses `of`.
template <class Kind>
int32_t mix_norm_of(Check& check, uint64_t x, uint64_t y, const uint64_t (&of)[Kind::kTerms], const Scalars& scalars,
                    const Rows& n) {
  by_type(n.dtype, [&](auto zero) {
    using T = decltype(zero);
    Terms<T, Kind::kTerms> terms;
    for (int k = 0; k < Kind::kTerms; k++) terms.x[k] = memory<const T>(of[k]);
    Kind::coefficients(scalars, terms.c);
    const int64_t w = n.width;
    for_chunks(check.context(), n.rows, rows_per_chunk(w), [=, eps = n.eps](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++)
        mix_norm_row(memory<T>(x) + row * w, memory<T>(y) + row * w, terms.from(row * w), w, eps);
    });
  });
  return NANOGPT_OK;
}

// Addresses of a gradient: of each term's gradient, of the terms, and of what is added, 0 for nothing.
template <int K>
struct GradAddresses {
  uint64_t d[K], of[K], r[K];
};

// Where the scalars' gradients go, and what is added to the skip's.
struct ScalarTargets {
  float* ds;
  float* dw;
  const float* r;
  uint32_t size, index;
};

template <class Kind>
int32_t mix_norm_grad_of(Check& check, uint64_t dy, uint64_t dx, const GradAddresses<Kind::kTerms>& at, const Scalars& scalars,
                         const ScalarTargets& to, const Rows& n) {
  constexpr int K = Kind::kTerms;
  double totals[K];
  by_type(n.dtype, [&](auto zero) {
    using T = decltype(zero);
    Terms<T, K> terms;
    Targets<T, K> targets;
    for (int k = 0; k < K; k++) {
      terms.x[k] = memory<const T>(at.of[k]);
      targets.d[k] = memory<T>(at.d[k]);
      targets.r[k] = memory<const T>(at.r[k]);
    }
    Kind::coefficients(scalars, terms.c);
    const int64_t w = n.width;
    const auto body = [=, eps = n.eps](int64_t begin, int64_t end, double* sums) {
      TermSums<K> wide;
      for (int64_t row = begin; row < end; row++)
        wide = mix_norm_grad_row(targets.from(row * w), memory<const T>(dy) + row * w, memory<const T>(dx) + row * w,
                                 terms.from(row * w), w, eps, wide);
      for (int k = 0; k < K; k++) sums[k] = wide.of[k].total();
    };
    sum_chunks<K>(check.context(), n.rows, totals, body, rows_per_chunk(w));
  });
  double ds[2], dw = 0.0;
  Kind::gradients(scalars, totals, ds, dw);
  for (int i = 0; i < 2; i++) to.ds[i] = static_cast<float>(ds[i]);
  for (uint32_t i = 0; i < to.size; i++) {
    const float found = i == to.index ? static_cast<float>(dw) : 0.0f;
    to.dw[i] = to.r ? to.r[i] + found : found;
  }
  return NANOGPT_OK;
}

Scalars scalars_of(uint64_t s, uint64_t w = 0, uint32_t index = 0) {
  return {memory<const float>(s), w == 0 ? nullptr : memory<const float>(w) + index};
}

}  // namespace

int32_t mix_norm(uint64_t context, uint64_t x, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint32_t rows, uint32_t width,
                 uint32_t dtype, double eps) {
  Check check(context, "mix_norm");
  check.address("x", x).address("y", y).address("a", a).address("b", b).address("s", s);
  check_rows(check, rows, width, dtype, eps);
  if (check.failed()) return check.status();
  return mix_norm_of<Pair>(check, x, y, {a, b}, scalars_of(s), {rows, width, dtype, eps});
}

int32_t skip_mix_norm(uint64_t context, uint64_t x, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w,
                      uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps) {
  Check check(context, "skip_mix_norm");
  check.address("x", x).address("y", y).address("a", a).address("b", b).address("s", s).address("skip", skip);
  check_skip(check, w, size, index);
  check_rows(check, rows, width, dtype, eps);
  if (check.failed()) return check.status();
  return mix_norm_of<Skip>(check, x, y, {a, b, skip}, scalars_of(s, w, index), {rows, width, dtype, eps});
}

int32_t mix_norm_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t dx, uint64_t a,
                               uint64_t b, uint64_t s, uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width,
                               uint32_t dtype, double eps) {
  Check check(context, "mix_norm_grad_add_both");
  check.address("da", da).address("db", db).address("ds", ds).address("dy", dy).address("dx", dx).address("a", a);
  check.address("b", b).address("s", s).address("r0", r0).address("r1", r1);
  check_rows(check, rows, width, dtype, eps);
  if (check.failed()) return check.status();
  return mix_norm_grad_of<Pair>(check, dy, dx, {{da, db}, {a, b}, {r0, r1}}, scalars_of(s),
                                {memory<float>(ds), nullptr, nullptr, 0, 0}, {rows, width, dtype, eps});
}

int32_t mix_norm_self_grad_add(uint64_t context, uint64_t da, uint64_t ds, uint64_t dy, uint64_t dx, uint64_t a, uint64_t s,
                               uint64_t r0, uint32_t rows, uint32_t width, uint32_t dtype, double eps) {
  Check check(context, "mix_norm_self_grad_add");
  check.address("da", da).address("ds", ds).address("dy", dy).address("dx", dx).address("a", a).address("s", s);
  check.address("r0", r0);
  check_rows(check, rows, width, dtype, eps);
  if (check.failed()) return check.status();
  return mix_norm_grad_of<Self>(check, dy, dx, {{da}, {a}, {r0}}, scalars_of(s),
                                {memory<float>(ds), nullptr, nullptr, 0, 0}, {rows, width, dtype, eps});
}

int32_t skip_mix_norm_grad(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dskip, uint64_t dw, uint64_t dy,
                           uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint32_t rows,
                           uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps) {
  Check check(context, "skip_mix_norm_grad");
  check.address("da", da).address("db", db).address("ds", ds).address("dskip", dskip).address("dw", dw).address("dy", dy);
  check.address("dx", dx).address("a", a).address("b", b).address("s", s).address("skip", skip);
  check_skip(check, w, size, index);
  check_rows(check, rows, width, dtype, eps);
  if (check.failed()) return check.status();
  return mix_norm_grad_of<Skip>(check, dy, dx, {{da, db, dskip}, {a, b, skip}, {0, 0, 0}}, scalars_of(s, w, index),
                                {memory<float>(ds), memory<float>(dw), nullptr, size, index}, {rows, width, dtype, eps});
}

int32_t skip_mix_norm_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dskip, uint64_t dw,
                                    uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w,
                                    uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width, uint32_t size, uint32_t index,
                                    uint32_t dtype, double eps) {
  Check check(context, "skip_mix_norm_grad_add_both");
  check.address("da", da).address("db", db).address("ds", ds).address("dskip", dskip).address("dw", dw).address("dy", dy);
  check.address("dx", dx).address("a", a).address("b", b).address("s", s).address("skip", skip);
  check.address("r0", r0).address("r1", r1);
  check_skip(check, w, size, index);
  check_rows(check, rows, width, dtype, eps);
  if (check.failed()) return check.status();
  return mix_norm_grad_of<Skip>(check, dy, dx, {{da, db, dskip}, {a, b, skip}, {0, r0, 0}}, scalars_of(s, w, index),
                                {memory<float>(ds), memory<float>(dw), memory<const float>(r1), size, index},
                                {rows, width, dtype, eps});
}

int32_t skip_mix_norm_self_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dw, uint64_t dy,
                                         uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t w, uint64_t r0,
                                         uint64_t r1, uint32_t rows, uint32_t width, uint32_t size, uint32_t index,
                                         uint32_t dtype, double eps) {
  Check check(context, "skip_mix_norm_self_grad_add_both");
  check.address("da", da).address("db", db).address("ds", ds).address("dw", dw).address("dy", dy).address("dx", dx);
  check.address("a", a).address("b", b).address("s", s).address("r0", r0).address("r1", r1);
  check_skip(check, w, size, index);
  check_rows(check, rows, width, dtype, eps);
  if (check.failed()) return check.status();
  return mix_norm_grad_of<SkipSelf>(check, dy, dx, {{da, db}, {a, b}, {0, r0}}, scalars_of(s, w, index),
                                    {memory<float>(ds), memory<float>(dw), memory<const float>(r1), size, index},
                                    {rows, width, dtype, eps});
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
