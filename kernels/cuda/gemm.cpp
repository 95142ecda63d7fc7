// Runs a matrix product in the form that the caller names: the simple form and the one on mma.sync here, with their kernels
// and grids; the one on wgmma and cuBLASLt's have launchers of their own. Never takes another form than the named one. May
// include only context.h, gemm_parts.h and the headers of the products' kernels.
#include "gemm.h"
#include "context.h"
#include "gemm_cublaslt.h"
#include "gemm_mma.h"
#include "gemm_parts.h"
#include "gemm_simple.h"
#include "gemm_wgmma.h"

namespace nanogpt::cuda {
namespace {

int32_t multiply_simply(Context& context, const Product& p) {
  using namespace simple_gemm;
  const Grid grid{blocks_for(p.m, kTile) * blocks_for(p.n, kTile), 1, p.batch};
  const char* const kernel = p.finish.kind == FinishKind::relu_squared        ? "gemm_simple_relu_squared"
                             : p.finish.kind == FinishKind::relu_squared_grad ? "gemm_simple_relu_squared_grad"
                                                                              : "gemm_simple";
  return launch(context, kernel, {grid, kThreads, kSharedBytes}, p);
}

// ---- mma.sync ------------------------------------------------------------------------------------------------------

// A stage takes a block 0.47 us, two blocks a processor; a sum is 8 bytes of 3 TB/s.
constexpr StageRates kMmaRates{mma_gemm::kDepth, 264, 176000};

int32_t multiply_by_mma(Context& context, const char* op, const Product& p) {
  using namespace mma_gemm;
  if (const int32_t status = check_operand(context, op, NANOGPT_FORM_MMA, "a", p.a)) return status;
  if (const int32_t status = check_operand(context, op, NANOGPT_FORM_MMA, "b", p.b)) return status;
  static const char* const kernels[2][2] = {{"gemm_mma_nn", "gemm_mma_nt"}, {"gemm_mma_tn", "gemm_mma_tt"}};
  static constexpr auto kFinished = {
      FinishedKernel{FinishKind::relu_squared, 0, 1, "gemm_mma_relu_squared_nt"},
      FinishedKernel{FinishKind::relu_squared_grad, 0, 0, "gemm_mma_relu_squared_grad_nn"}};
  const char* kernel = nullptr;
  if (const int32_t status = choose_kernel(context, op, NANOGPT_FORM_MMA, p, kernels, kFinished, kernel)) return status;
  const uint32_t rows = blocks_for(p.m, kTile), columns = blocks_for(p.n, kTile);
  const uint32_t tiles = p.symmetric != 0 ? rows * (rows + 1) / 2 : rows * columns;
  const Cut cut = cut_depth(p, tiles, kMmaRates);
  const LaunchShape shape{{tiles, cut.parts, p.batch}, kThreads, kSharedBytes};
  if (cut.parts == 1) return launch(context, kernel, shape, MmaProduct{p, cut.depth, nullptr, 0});
  const MmaProduct parts{p, cut.depth, partials_of(context), partial_ld(p)};
  if (const int32_t status = launch(context, kernel, shape, parts)) return status;
  return add_partials(context, p, cut.parts);
}

}  // namespace

int32_t multiply(Context& context, const char* op, const Product& product, uint32_t form) {
  switch (form) {
    case NANOGPT_FORM_SIMPLE: return multiply_simply(context, product);
    case NANOGPT_FORM_MMA: return multiply_by_mma(context, op, product);
    case NANOGPT_FORM_WGMMA: return multiply_by_wgmma(context, op, product);
    case NANOGPT_FORM_CUBLASLT: return multiply_by_cublaslt(context, op, product);
    default: return context.fail(NANOGPT_UNSUPPORTED, "Kernel %s has no form %u", op, form);
  }
}

}  // namespace nanogpt::cuda
