// Rotary kernels of abi.h: the table of angles, the rotation of head rows, and RMS norm with rotation in one pass.
// The table is made in double with libm; rotations are float32 whatever the element type, sums over a row are double.
// A head row is two halves (a, b); rotating by the opposite angle is the rotation's inverse and its transpose.
// May include the other headers of this directory and the standard library.
#include "check.h"
#include "kernels.h"
#include "norm.h"
#include "reduce.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {
namespace {

struct Shape {
  int64_t N, T, H, D;
};

// Calls body(number of the head row, its table row) for every head row, over the pool.
template <class Body>
void for_head_rows(Context& context, const Shape& shape, const float* table, const Body& body) {
  for_chunks(context, shape.N, rows_per_chunk(shape.H * shape.D), [=](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++)
      for (int64_t h = 0; h < shape.H; h++) body(n * shape.H + h, table + n % shape.T * shape.D);
  });
}

void check_table(Check& check, uint64_t table, uint32_t T, uint32_t D, double base) {
  check.address("table", table).size("T", T).size("D", D).even("D", D).positive("base", base);
}

// The angles of the positions first + t, t in [0, T).
void fill_table(Context& context, float* table, int64_t first, int64_t T, int64_t width, double base) {
  const int64_t half = width / 2;
  for_chunks(context, T, rows_per_chunk(width), [=](int64_t begin, int64_t end) {
    for (int64_t j = 0; j < half; j++) {
      const double frequency = pow(base, -2.0 * static_cast<double>(j) / static_cast<double>(width));
      for (int64_t t = begin; t < end; t++) {
        const double angle = static_cast<double>(first + t) * frequency;
        table[t * width + j] = static_cast<float>(cos(angle));
        table[t * width + half + j] = static_cast<float>(sin(angle));
      }
    }
  });
}

template <class T>
void rotate_row(T* y, const T* x, const float* angles, int64_t D, float direction) {
  const int64_t half = D / 2;
  by_vectors(half, [&](int64_t i, auto lanes) {
    const vf a = load(x + i, lanes), b = load(x + half + i, lanes);
    const vf c = load(angles + i, lanes), s = direction * load(angles + half + i, lanes);
    store(y + i, a * c + b * s, lanes);
    store(y + half + i, b * c - a * s, lanes);
  });
}

// Returns what the row was multiplied by.
template <class T>
float norm_rotate_row(T* y, const T* x, const float* angles, int64_t D, double eps) {
  const int64_t half = D / 2;
  WideSum squares;
  by_vectors(D, [&](int64_t i, auto lanes) {
    const vf v = load(x + i, lanes);
    squares.add_product(v, v);
  });
  const float r = static_cast<float>(norm_factor(squares, D, eps));
  by_vectors(half, [&](int64_t i, auto lanes) {
    const vf a = r * load(x + i, lanes), b = r * load(x + half + i, lanes);
    const vf c = load(angles + i, lanes), s = load(angles + half + i, lanes);
    store(y + i, a * c + b * s, lanes);
    store(y + half + i, b * c - a * s, lanes);
  });
  return r;
}

// With y the row that norm_rotate_row made of r times x, dx = r * (dy - y * mean(dy*y)) rotated back.
template <class T>
void norm_rotate_grad_row(T* dx, const T* dy, const T* y, float r, const float* angles, int64_t D) {
  const int64_t half = D / 2;
  WideSum products;
  by_vectors(D, [&](int64_t i, auto lanes) { products.add_product(load(dy + i, lanes), load(y + i, lanes)); });
  const float mean = static_cast<float>(products.total() / static_cast<double>(D));
  by_vectors(half, [&](int64_t i, auto lanes) {
    const vf a = r * (load(dy + i, lanes) - mean * load(y + i, lanes));
    const vf b = r * (load(dy + half + i, lanes) - mean * load(y + half + i, lanes));
    const vf c = load(angles + i, lanes), s = load(angles + half + i, lanes);
    store(dx + i, a * c - b * s, lanes);
    store(dx + half + i, b * c + a * s, lanes);
  });
}

void check_shape(Check& check, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype) {
  check.size("N", N).size("T", T).size("H", H).size("D", D).multiple("N", N, "T", T).even("D", D).dtype("dtype", dtype);
}

}  // namespace

int32_t rope_table(uint64_t context, uint64_t table, uint32_t T, uint32_t D, double base) {
  Check check(context, "rope_table");
  check_table(check, table, T, D, base);
  if (check.failed()) return check.status();
  fill_table(check.context(), memory<float>(table), 0, T, D, base);
  return NANOGPT_OK;
}

int32_t rope_table_at(uint64_t context, uint64_t table, uint64_t position, uint32_t T, uint32_t D, double base) {
  Check check(context, "rope_table_at");
  check_table(check, table, T, D, base);
  check.address("position", position);
  check_position(check, position, T);
  if (check.failed()) return check.status();
  fill_table(check.context(), memory<float>(table), *memory<const int32_t>(position), T, D, base);
  return NANOGPT_OK;
}

int32_t rope(uint64_t context, uint64_t y, uint64_t x, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D,
             uint32_t inverse, uint32_t dtype) {
  Check check(context, "rope");
  check.address("y", y).address("x", x).address("table", table).flag("inverse", inverse);
  check_shape(check, N, T, H, D, dtype);
  if (check.failed()) return check.status();
  const float direction = inverse == 1 ? -1.0f : 1.0f;
  by_type(dtype, [&](auto zero) {
    using E = decltype(zero);
    for_head_rows(check.context(), {N, T, H, D}, memory<const float>(table), [=](int64_t row, const float* angles) {
      rotate_row(memory<E>(y) + row * D, memory<const E>(x) + row * D, angles, D, direction);
    });
  });
  return NANOGPT_OK;
}

int32_t norm_rope(uint64_t context, uint64_t y, uint64_t r, uint64_t x, uint64_t table, uint32_t N, uint32_t T, uint32_t H,
                  uint32_t D, uint32_t dtype, double eps) {
  Check check(context, "norm_rope");
  check.address("y", y).address("r", r).address("x", x).address("table", table).not_negative("eps", eps);
  check_shape(check, N, T, H, D, dtype);
  if (check.failed()) return check.status();
  by_type(dtype, [&](auto zero) {
    using E = decltype(zero);
    for_head_rows(check.context(), {N, T, H, D}, memory<const float>(table), [=](int64_t row, const float* angles) {
      memory<float>(r)[row] = norm_rotate_row(memory<E>(y) + row * D, memory<const E>(x) + row * D, angles, D, eps);
    });
  });
  return NANOGPT_OK;
}

int32_t norm_rope_grad(uint64_t context, uint64_t dx, uint64_t dy, uint64_t y, uint64_t r, uint64_t table, uint32_t N,
                       uint32_t T, uint32_t H, uint32_t D, uint32_t dtype) {
  Check check(context, "norm_rope_grad");
  check.address("dx", dx).address("dy", dy).address("y", y).address("r", r).address("table", table);
  check_shape(check, N, T, H, D, dtype);
  if (check.failed()) return check.status();
  by_type(dtype, [&](auto zero) {
    using E = decltype(zero);
    for_head_rows(check.context(), {N, T, H, D}, memory<const float>(table), [=](int64_t row, const float* angles) {
      norm_rotate_grad_row(memory<E>(dx) + row * D, memory<const E>(dy) + row * D, memory<const E>(y) + row * D,
                           memory<const float>(r)[row], angles, D);
    });
  });
  return NANOGPT_OK;
}

// The product as the others are, then the norm and rotation in place.
int32_t matmul_norm_rope(uint64_t context, uint64_t y, uint64_t r, uint64_t a, uint64_t b, uint64_t table, uint32_t N,
                         uint32_t T, uint32_t H, uint32_t D, uint32_t C, uint32_t dtype, uint32_t dtype_b, uint32_t form,
                         double eps) {
  Check check(context, "matmul_norm_rope");
  check.address("r", r).address("table", table).not_negative("eps", eps);
  check_shape(check, N, T, H, D, dtype);
  if (check.failed()) return check.status();
  if (const int32_t status = matmul(context, y, a, b, N, H * D, C, 0, 1, dtype, dtype, dtype_b, 0, form)) return status;
  return norm_rope(context, y, r, y, table, N, T, H, D, dtype, eps);
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
