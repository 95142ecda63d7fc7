// What the launchers of the fast forms of a matrix product share: the limits of their operands, which kernel has a finish,
// and how a long k with few tiles is cut into parts whose sums are added in order by one kernel. Cuts by shape alone, so that
// a chip's size changes no result. May include only gemm.h, gemm_mma.h and the standard library.
#pragma once
#include <initializer_list>
#include "gemm.h"
#include "gemm_mma.h"

namespace nanogpt::cuda {

// What copies of 16 bytes need: bf16, rows and starts that are multiples of them. An error names `op`, the form and `name`.
int32_t check_operand(Context& context, const char* op, uint32_t form, const char* name, const Operand& x);

// A kernel that ends with a finish, for operands stored in one way.
struct FinishedKernel {
  FinishKind finish;
  uint32_t a_transposed, b_transposed;
  const char* name;
};

// Sets `name` to the product's kernel: of the plain ones, [a transposed][b transposed], or of those with a finish. An error
// where the form has none.
int32_t choose_kernel(Context& context, const char* op, uint32_t form, const Product& product, const char* const (&plain)[2][2],
                      std::initializer_list<FinishedKernel> finished, const char*& name);

// What a form's blocks do on an H100, whatever chip it is: stages of `depth` of k, by `blocks` at the same time; of partial
// sums, `sums` are written and read in a stage's time.
struct StageRates {
  uint32_t depth;
  uint64_t blocks, sums;
};

// How k is cut: `parts` of `depth`, the last maybe shorter.
struct Cut {
  uint32_t parts, depth;
};

// The cut of a product of so many tiles that should take the least time; one with a finish stays whole.
Cut cut_depth(const Product& product, uint64_t tiles, const StageRates& rates);

// Where a product's partial sums are, and the first 256 bytes of scratch memory that they leave free.
float* partials_of(Context& context);
uint64_t partial_ld(const Product& product);

// Enqueues c of a product from its partial sums.
int32_t add_partials(Context& context, const Product& product, uint32_t parts);

}  // namespace nanogpt::cuda
