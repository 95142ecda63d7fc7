// Row kernels of abi.h: embedding, RMS norm, the row an index selects, and the first row that attention may see.
// Arithmetic is float32 whatever the element type, sums over a row are double. Rotary kernels are in rope.cpp.
// May include the other headers of this directory and the standard library.
#include "check.h"
#include "kernels.h"
#include "norm.h"
#include "reduce.h"
#include "summand.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {
namespace {

template <class Y, class X>
void copy_row(Y* y, const X* x, int64_t width) {
  by_vectors(width, [&](int64_t i, auto lanes) { store(y + i, load(x + i, lanes), lanes); });
}

template <class X>
void add_row(float* y, const X* x, int64_t width) {
  by_vectors(width, [&](int64_t i, auto lanes) { store(y + i, load(y + i, lanes) + load(x + i, lanes), lanes); });
}

template <class T>
void norm_row(T* y, const T* x, int64_t width, double eps) {
  WideSum squares;
  by_vectors(width, [&](int64_t i, auto lanes) {
    const vf v = load(x + i, lanes);
    squares.add_product(v, v);
  });
  const float r = static_cast<float>(norm_factor(squares, width, eps));
  by_vectors(width, [&](int64_t i, auto lanes) { store(y + i, r * load(x + i, lanes), lanes); });
}

// dx of a row, with or without a summand.
template <class T, class Summand>
void norm_grad_row(T* dx, const T* x, const T* dy, Summand with, int64_t width, double eps) {
  WideSum squares, products;
  by_vectors(width, [&](int64_t i, auto lanes) {
    const vf v = load(x + i, lanes);
    squares.add_product(v, v);
    products.add_product(v, load(dy + i, lanes));
  });
  const NormGradFactors f = norm_grad_factors(squares, products, width, eps);
  by_vectors(width, [&](int64_t i, auto lanes) {
    store(dx + i, with(i, f.for_dy * load(dy + i, lanes) - f.for_x * load(x + i, lanes), lanes), lanes);
  });
}

template <class T, class Summand>
void norm_grad_rows(Context& context, T* dx, const T* x, const T* dy, Summand with, uint32_t rows, int64_t w, double eps) {
  for_chunks(context, rows, rows_per_chunk(w), [=](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++)
      norm_grad_row(dx + n * w, x + n * w, dy + n * w, with.from(n * w), w, eps);
  });
}

// The tokens' positions grouped by token, in order within each group: a counting sort in shared scratch.
struct Groups {
  uint32_t V, N;
  uint32_t* end;    // [V], one past the last position of each token's group
  uint32_t* order;  // [N], positions
  uint32_t begin(uint32_t v) const { return v == 0 ? 0 : end[v - 1]; }

  Groups(Context& context, const int32_t* tokens, uint32_t N, uint32_t V)
      : V(V), N(N), end(reinterpret_cast<uint32_t*>(context.shared_scratch())), order(end + V) {
    for (uint32_t v = 0; v < V; v++) end[v] = 0;
    for (uint32_t n = 0; n < N; n++) end[tokens[n]]++;
    uint32_t sum = 0;
    for (uint32_t v = 0; v < V; v++) {
      const uint32_t count = end[v];
      end[v] = sum;
      sum += count;
    }
    for (uint32_t n = 0; n < N; n++) order[end[tokens[n]]++] = n;
  }

  // The first token whose rows to write and to read, those of all tokens before it, number at least `work`.
  uint32_t token_at(int64_t work) const {
    uint32_t low = 0, high = V;
    while (low < high) {
      const uint32_t middle = low + (high - low) / 2;
      if (int64_t{middle} + begin(middle) < work) low = middle + 1;
      else high = middle;
    }
    return low;
  }
};

template <class T>
void embed_grad_row(float* dtable, const T* dy, const Groups& groups, uint32_t v, int64_t C, bool accumulate) {
  const uint32_t end = groups.end[v];
  uint32_t i = groups.begin(v);
  if (!accumulate) {
    if (i == end) std::memset(dtable, 0, static_cast<size_t>(C) * sizeof(float));
    else copy_row(dtable, dy + groups.order[i++] * C, C);
  }
  for (; i < end; i++) add_row(dtable, dy + groups.order[i] * C, C);
}

}  // namespace

int32_t embed(uint64_t context, uint64_t y, uint64_t table, uint64_t tokens, uint32_t N, uint32_t C, uint32_t V,
              uint32_t dtype) {
  Check check(context, "embed");
  check.address("y", y).address("table", table).address("tokens", tokens).size("N", N).size("C", C).size("V", V);
  check.dtype("dtype", dtype);
  check_values(check, "tokens", tokens, N, "V", V);
  if (check.failed()) return check.status();
  const int64_t width = C;
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    for_chunks(check.context(), N, rows_per_chunk(width), [=](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++) {
        const int64_t token = memory<const int32_t>(tokens)[n];
        copy_row(memory<T>(y) + n * width, memory<const float>(table) + token * width, width);
      }
    });
  });
  return NANOGPT_OK;
}

// The pool's pieces hold about equal work, so they depend on the tokens; each row's sum does not depend on the pieces.
int32_t embed_grad(uint64_t context, uint64_t dtable, uint64_t dy, uint64_t tokens, uint32_t N, uint32_t C, uint32_t V,
                   uint32_t accumulate, uint32_t dtype) {
  Check check(context, "embed_grad");
  check.address("dtable", dtable).address("dy", dy).address("tokens", tokens).size("N", N).size("C", C).size("V", V);
  check.flag("accumulate", accumulate).dtype("dtype", dtype);
  check_values(check, "tokens", tokens, N, "V", V);
  if (check.failed()) return check.status();
  const int64_t rows = int64_t{V} + N, width = C;
  if (rows > static_cast<int64_t>(kSharedScratchBytes / sizeof(uint32_t)))
    return check.context().fail(NANOGPT_INVALID, "Kernel embed_grad: expected N + V of at most %zu, found N %u, V %u",
                                kSharedScratchBytes / sizeof(uint32_t), N, V);
  const Groups groups(check.context(), memory<const int32_t>(tokens), N, V);
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    for_chunks(check.context(), rows, rows_per_chunk(width), [&](int64_t begin, int64_t end) {
      const uint32_t last = groups.token_at(end == rows ? rows + 1 : end);
      for (uint32_t v = groups.token_at(begin); v < last; v++)
        embed_grad_row(memory<float>(dtable) + v * width, memory<const T>(dy), groups, v, width, accumulate == 1);
    });
  });
  return NANOGPT_OK;
}

int32_t select_row(uint64_t context, uint64_t y, uint64_t x, uint64_t index, uint32_t N, uint32_t C, uint32_t dtype) {
  Check check(context, "select_row");
  check.address("y", y).address("x", x).address("index", index).size("N", N).size("C", C).dtype("dtype", dtype);
  check_values(check, "index", index, 1, "N", N);
  if (check.failed()) return check.status();
  const size_t bytes = size_t{C} * (dtype == NANOGPT_BF16 ? sizeof(bf16) : sizeof(float));
  std::memcpy(memory<std::byte>(y), memory<const std::byte>(x) + memory<const uint32_t>(index)[0] * bytes, bytes);
  return NANOGPT_OK;
}

int32_t cache_rows(uint64_t context, uint64_t cache, uint64_t x, uint64_t position, uint32_t N, uint32_t rows, uint32_t C,
                   uint32_t dtype) {
  Check check(context, "cache_rows");
  check.address("cache", cache).address("x", x).address("position", position).size("N", N).size("rows", rows).size("C", C);
  check.dtype("dtype", dtype);
  check_ring(check, position, N, rows);
  if (check.failed()) return check.status();
  const size_t bytes = size_t{C} * (dtype == NANOGPT_BF16 ? sizeof(bf16) : sizeof(float));
  const int64_t first = *memory<const int32_t>(position);
  for (int64_t n = 0; n < N; n++)
    std::memcpy(memory<std::byte>(cache) + (first + n) % rows * bytes, memory<const std::byte>(x) + n * bytes, bytes);
  return NANOGPT_OK;
}

int32_t rms_norm(uint64_t context, uint64_t y, uint64_t x, uint32_t rows, uint32_t width, uint32_t dtype, double eps) {
  Check check(context, "rms_norm");
  check.address("y", y).address("x", x).size("rows", rows).size("width", width).dtype("dtype", dtype);
  check.not_negative("eps", eps);
  if (check.failed()) return check.status();
  const int64_t w = width;
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    for_chunks(check.context(), rows, rows_per_chunk(w), [=](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++) norm_row(memory<T>(y) + n * w, memory<const T>(x) + n * w, w, eps);
    });
  });
  return NANOGPT_OK;
}

int32_t rms_norm_grad(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint32_t rows, uint32_t width,
                      uint32_t dtype, double eps) {
  Check check(context, "rms_norm_grad");
  check.address("dx", dx).address("x", x).address("dy", dy).size("rows", rows).size("width", width);
  check.dtype("dtype", dtype).not_negative("eps", eps);
  if (check.failed()) return check.status();
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    norm_grad_rows(check.context(), memory<T>(dx), memory<const T>(x), memory<const T>(dy), Alone{}, rows, width, eps);
  });
  return NANOGPT_OK;
}

int32_t rms_norm_grad_add(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint64_t r, uint32_t rows,
                          uint32_t width, uint32_t dtype, double eps) {
  Check check(context, "rms_norm_grad_add");
  check.address("dx", dx).address("x", x).address("dy", dy).address("r", r).size("rows", rows).size("width", width);
  check.dtype("dtype", dtype).not_negative("eps", eps);
  if (check.failed()) return check.status();
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    const AddedTo<T> with{memory<const T>(r)};
    norm_grad_rows(check.context(), memory<T>(dx), memory<const T>(x), memory<const T>(dy), with, rows, width, eps);
  });
  return NANOGPT_OK;
}

int32_t attention_start(uint64_t context, uint64_t start, uint64_t tokens, uint32_t N, uint32_t T, uint32_t window,
                        uint32_t eos) {
  Check check(context, "attention_start");
  check.address("start", start).address("tokens", tokens).size("N", N).size("T", T).multiple("N", N, "T", T);
  check.size("window", window);
  if (N > 0x7fffffffu) check.below("N", N, "the int32 range", 0x80000000u);
  if (check.failed()) return check.status();
  for_chunks(check.context(), N / T, rows_per_chunk(T), [=](int64_t begin, int64_t end) {
    for (int64_t sequence = begin; sequence < end; sequence++) {
      int64_t document = sequence * T;  // first row of the document that row n belongs to
      for (int64_t n = sequence * T; n < (sequence + 1) * T; n++) {
        if (static_cast<uint32_t>(memory<const int32_t>(tokens)[n]) == eos) document = n;
        const int64_t oldest = n - window + 1;
        memory<int32_t>(start)[n] = static_cast<int32_t>(oldest > document ? oldest : document);
      }
    }
  });
  return NANOGPT_OK;
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
