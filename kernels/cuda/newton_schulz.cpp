// The quintic Newton-Schulz iteration of Muon on one matrix, as three products a step: S = X X^T, P = b S + c S S,
// X = a X + P X; for a tall matrix S = X^T X and X = a X + X P, so that nothing is transposed. The sums with b S and a X are
// the products' epilogues. S and P are symmetric: forms that can compute one half. All stored in the products' type.
// May include only context.h and gemm.h.
#include "context.h"
#include "gemm.h"

namespace nanogpt::cuda {
namespace {

constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;  // Keller Jordan's Muon
constexpr double kNormEps = 1e-7;

// The matrices of an iteration in the workspace: X twice, S, P.
struct Matrices {
  uint64_t x, next, s, p;
};

Matrices place(uint64_t workspace, uint64_t count, uint64_t side, uint64_t element_bytes) {
  const uint64_t matrix = count * element_bytes, square = side * side * element_bytes;
  return {workspace, workspace + matrix, workspace + 2 * matrix, workspace + 2 * matrix + square};
}

// Of one matrix's iteration: the sizes and how its products run.
struct Iteration {
  Context& context;
  const char* op;
  uint32_t rows, cols, dtype, form;

  bool tall() const { return rows > cols; }
  uint32_t side() const { return tall() ? cols : rows; }
  Operand operand(uint64_t address, uint32_t ld, bool transposed) const {
    return {memory<const void>(address), ld, transposed, dtype};
  }

  // S = X X^T, or X^T X of a tall X.
  int32_t square_of(uint64_t x, uint64_t s) const {
    const Operand plain = operand(x, cols, false), turned = operand(x, cols, true);
    Product product{side(), side(), tall() ? rows : cols, tall() ? turned : plain, tall() ? plain : turned, memory<void>(s), side(),
                    dtype};
    product.symmetric = 1;
    return multiply(context, op, product, form);
  }
  // P = b S + c S S.
  int32_t polynomial_of(uint64_t s, uint64_t p) const {
    const Operand left = operand(s, side(), false);
    Product product{side(), side(), side(), left, left, memory<void>(p), side(), dtype, memory<const void>(s), kC, kB, 1};
    return multiply(context, op, product, form);
  }
  // next = a X + P X, or a X + X P of a tall X.
  int32_t step_of(uint64_t x, uint64_t p, uint64_t next) const {
    const Operand matrix = operand(x, cols, false), square = operand(p, side(), false);
    const Product product{rows, cols, side(), tall() ? matrix : square, tall() ? square : matrix, memory<void>(next), cols,
                          dtype, memory<const void>(x), 1.0f, kA};
    return multiply(context, op, product, form);
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

NANOGPT_EXPORT int32_t nanogpt_newton_schulz(uint64_t context, uint64_t y, uint64_t x, uint64_t workspace, uint32_t rows,
                                             uint32_t cols, uint32_t steps, uint32_t dtype, uint32_t form) {
  Check check(context, "newton_schulz");
  check.address("y", y).address("x", x).address("workspace", workspace).size("rows", rows).size("cols", cols).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  const uint64_t count = uint64_t{rows} * cols;
  if (count > UINT32_MAX)
    return check.context().fail(NANOGPT_INVALID, "Kernel newton_schulz: expected rows*cols of at most %u, found %u*%u", UINT32_MAX,
                                rows, cols);
  const Iteration iteration{check.context(), check.op(), rows, cols, dtype, form};
  Matrices matrices = place(workspace, count, iteration.side(), dtype == NANOGPT_F32 ? 4 : 2);
  const uint32_t elements = static_cast<uint32_t>(count);
  if (const int32_t status = nanogpt_frobenius_normalise(context, matrices.x, x, elements, dtype, NANOGPT_F32, kNormEps)) return status;
  if (const int32_t status = run_steps(iteration, matrices, steps)) return status;
  return nanogpt_cast(context, y, matrices.x, elements, NANOGPT_F32, dtype);
}
