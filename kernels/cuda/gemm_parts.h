// What the launchers of the fast forms of a matrix product share: the limits of their operands, and how a long k with few
// tiles is cut into parts whose sums are added in order by one kernel. Cuts by shape alone, so that a chip's size changes no
// result. May include only gemm.h and gemm_mma.h.
#pragma once
#include "gemm.h"
#include "gemm_mma.h"

namespace nanogpt::cuda {

// What copies of 16 bytes need: bf16, rows and starts that are multiples of them. An error names `op`, the form and `name`.
int32_t check_operand(Context& context, const char* op, uint32_t form, const char* name, const Operand& x);

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

// The cut of a product of so many tiles that should take the least time.
Cut cut_depth(const Product& product, uint64_t tiles, const StageRates& rates);

// Where a product's partial sums are, and the first 256 bytes of scratch memory that they leave free.
float* partials_of(Context& context);
uint64_t partial_ld(const Product& product);

// Enqueues c of a product from its partial sums.
int32_t add_partials(Context& context, const Product& product, uint32_t parts);

}  // namespace nanogpt::cuda
