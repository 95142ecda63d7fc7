// The quintic Newton-Schulz iteration of Muon on a batch of matrices, as three products a step: S = X X^T, P = b S + c S S^T,
// X = a X + P X; for tall matrices S = X^T X and X = a X + X P, so that nothing is transposed. The sums with b S and a X are
// the products' epilogues. S and P are symmetric: forms that can compute one half. All stored in the products' type.
// May include only context.h, gemm.h and optimiser.h.
#include "context.h"
#include "gemm.h"
#include "optimiser.h"

namespace nanogpt::cuda {
namespace {

constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;  // Keller Jordan's Muon
constexpr double kNormEps = 1e-7;

// The matrices of an iteration in the workspace, each a batch: X twice, S, P.
struct Matrices {
  uint64_t x, next, s, p;
};

// Of a batch's iteration: the sizes and how its products run.
struct Iteration {
  Context& context;
  const char* op;
  uint32_t batch, rows, cols, dtype, form;

  bool tall() const { return rows > cols; }
  uint32_t side() const { return tall() ? cols : rows; }
  uint64_t count() const { return uint64_t{rows} * cols; }
  uint64_t square() const { return uint64_t{side()} * side(); }

  Matrices place(uint64_t workspace) const {
    const uint64_t element_bytes = dtype == NANOGPT_F32 ? 4 : 2;
    const uint64_t matrix = batch * count() * element_bytes, squares = batch * square() * element_bytes;
    return {workspace, workspace + matrix, workspace + 2 * matrix, workspace + 2 * matrix + squares};
  }

  Operand matrix(uint64_t x, bool transposed) const { return {memory<const void>(x), cols, transposed, dtype, count()}; }
  Operand symmetric(uint64_t s, bool transposed) const {
    return {memory<const void>(s), side(), transposed, dtype, square()};
  }
  // c = a b, of each matrix of the batch; c is [m, n], whole rows.
  Product product(uint32_t m, uint32_t n, uint32_t k, const Operand& a, const Operand& b, uint64_t c) const {
    Product product{m, n, k, a, b, memory<void>(c), n, dtype};
    product.batch = batch, product.batch_stride_c = uint64_t{m} * n;
    product.whole = 1;
    return product;
  }

  // S = X X^T, or X^T X of a tall X.
  int32_t square_of(uint64_t x, uint64_t s) const {
    Product squares = product(side(), side(), tall() ? rows : cols, matrix(x, tall()), matrix(x, !tall()), s);
    squares.symmetric = 1;
    return multiply(context, op, squares, form);
  }
  // P = b S + c S S^T, S^T being S.
  int32_t polynomial_of(uint64_t s, uint64_t p) const {
    Product polynomial = product(side(), side(), side(), symmetric(s, false), symmetric(s, true), p);
    polynomial.added = memory<const void>(s), polynomial.alpha = kC, polynomial.beta = kB;
    polynomial.symmetric = 1;
    return multiply(context, op, polynomial, form);
  }
  // next = a X + P X, or a X + X P of a tall X.
  int32_t step_of(uint64_t x, uint64_t p, uint64_t next) const {
    const Operand whole = matrix(x, false), square = symmetric(p, false);
    Product step = product(rows, cols, side(), tall() ? whole : square, tall() ? square : whole, next);
    step.added = memory<const void>(x), step.beta = kA;
    return multiply(context, op, step, form);
  }
};

int32_t run_steps(const Iteration& iteration, Matrices& m, uint32_t steps) {
  for (uint32_t step = 0; step < steps; step++) {
    if (const int32_t status = iteration.square_of(m.x, m.s)) return status;
    if (const int32_t status = iteration.polynomial_of(m.s, m.p)) return status;
    if (const int32_t status = iteration.step_of(m.x, m.p, m.next)) return status;
    const uint64_t before = m.x;
    m.x = m.next;
    m.next = before;
  }
  return NANOGPT_OK;
}

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_newton_schulz(uint64_t context, uint64_t y, uint64_t x, uint64_t workspace, uint32_t batch,
                                             uint32_t rows, uint32_t cols, uint32_t steps, uint32_t dtype, uint32_t form) {
  Check check(context, "newton_schulz");
  check.address("y", y).address("x", x).address("workspace", workspace).dtype("dtype", dtype).matrices(batch, rows, cols);
  if (check.failed()) return check.status();
  const Iteration iteration{check.context(), check.op(), batch, rows, cols, dtype, form};
  Matrices matrices = iteration.place(workspace);
  const uint32_t count = static_cast<uint32_t>(iteration.count());
  if (const int32_t status = frobenius_normalise(check.context(), memory<void>(matrices.x), memory<const void>(x), batch, count,
                                                 dtype, NANOGPT_F32, kNormEps))
    return status;
  if (const int32_t status = run_steps(iteration, matrices, steps)) return status;
  return nanogpt_cast(context, y, matrices.x, batch * count, NANOGPT_F32, dtype);
}
