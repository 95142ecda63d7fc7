// Runs a matrix product: checks the limits of the form that the caller names, chooses its kernel and grid, and cuts a long k
// with few tiles into parts whose sums are added in order. Cuts by shape alone, so that a chip's size changes no result.
// Never takes another form than the named one. May include only context.h and the headers of the products' kernels.
#include "gemm.h"
#include "context.h"
#include "gemm_mma.h"
#include "gemm_simple.h"

namespace nanogpt::cuda {
namespace {

int32_t multiply_simply(Context& context, const Product& p) {
  using namespace simple_gemm;
  const Grid grid{blocks_for(p.m, kTile) * blocks_for(p.n, kTile), 1, p.batch};
  return launch(context, "gemm_simple", {grid, kThreads, kSharedBytes}, p);
}

// ---- mma.sync ------------------------------------------------------------------------------------------------------

// What cp.async's 16 bytes need: rows and starts that are multiples of them.
int32_t check_operand(Context& context, const char* op, const char* name, const Operand& x) {
  if (x.dtype != NANOGPT_BF16)
    return context.fail(NANOGPT_INVALID, "Kernel %s: form %d takes bf16 operands, found float32 %s", op, NANOGPT_FORM_MMA, name);
  if (x.ld % 8 != 0 || x.batch_stride % 8 != 0)
    return context.fail(NANOGPT_INVALID, "Kernel %s: form %d takes rows of a multiple of 8 elements, found %llu in %s", op,
                        NANOGPT_FORM_MMA, static_cast<unsigned long long>(x.ld), name);
  if (reinterpret_cast<uint64_t>(x.data) % 16 != 0)
    return context.fail(NANOGPT_INVALID, "Kernel %s: form %d takes addresses of a multiple of 16 bytes, found %p for %s", op,
                        NANOGPT_FORM_MMA, x.data, name);
  return NANOGPT_OK;
}

// How k is cut: `parts` of `depth`, the last maybe shorter.
struct Cut {
  uint32_t parts, depth;
};

// The cut that should take the least time, in units of one stage of k of a full chip: waves of blocks, and partial sums
// written and read. The chip is an H100 (132 processors of two blocks; 0.47 us a stage; 3 TB/s) whatever chip it is.
Cut cut_depth(const Product& p, uint64_t tiles, uint64_t partial_ld) {
  constexpr uint64_t kBlocks = 264, kLeastDepth = 512, kSumsOfStage = 176000, kMostParts = 64;
  const uint64_t sums = p.m * partial_ld;
  const uint32_t whole = blocks_for(p.k, mma_gemm::kDepth);
  Cut best{1, whole * mma_gemm::kDepth};
  if (p.symmetric != 0 || p.batch != 1) return best;
  uint64_t least = (tiles + kBlocks - 1) / kBlocks * whole;
  for (uint64_t parts = 2; parts <= kMostParts && parts * kLeastDepth <= p.k && parts * sums * 4 <= kScratchBytes; parts++) {
    const uint64_t stages = (whole + parts - 1) / parts;
    const uint64_t time = (tiles * parts + kBlocks - 1) / kBlocks * stages + parts * sums / kSumsOfStage;
    if (time >= least) continue;
    least = time;
    best.depth = static_cast<uint32_t>(stages) * mma_gemm::kDepth;
  }
  best.parts = blocks_for(p.k, best.depth);
  return best;
}

int32_t multiply_by_mma(Context& context, const char* op, const Product& p) {
  using namespace mma_gemm;
  if (const int32_t status = check_operand(context, op, "a", p.a)) return status;
  if (const int32_t status = check_operand(context, op, "b", p.b)) return status;
  const char* const kernels[2][2] = {{"gemm_mma_nn", "gemm_mma_nt"}, {"gemm_mma_tn", "gemm_mma_tt"}};
  const char* const kernel = kernels[p.a.transposed != 0][p.b.transposed != 0];
  const uint32_t rows = blocks_for(p.m, kTile), columns = blocks_for(p.n, kTile);
  const uint32_t tiles = p.symmetric != 0 ? rows * (rows + 1) / 2 : rows * columns;
  const uint64_t partial_ld = (uint64_t{p.n} + 7) / 8 * 8;
  const Cut cut = cut_depth(p, tiles, partial_ld);
  const LaunchShape shape{{tiles, cut.parts, p.batch}, kThreads, kSharedBytes};
  if (cut.parts == 1) return launch(context, kernel, shape, MmaProduct{p, cut.depth, nullptr, 0});
  float* const partials = memory<float>(context.scratch());
  if (const int32_t status = launch(context, kernel, shape, MmaProduct{p, cut.depth, partials, partial_ld})) return status;
  return launch(context, "gemm_add_partials", {{blocks_for(p.m * partial_ld / 8, 256)}, 256},
                PartialSums{p, partials, partial_ld, cut.parts});
}

}  // namespace

int32_t multiply(Context& context, const char* op, const Product& product, uint32_t form) {
  switch (form) {
    case NANOGPT_FORM_SIMPLE: return multiply_simply(context, product);
    case NANOGPT_FORM_MMA: return multiply_by_mma(context, op, product);
    default: return context.fail(NANOGPT_UNSUPPORTED, "Kernel %s has no form %u", op, form);
  }
}

}  // namespace nanogpt::cuda
