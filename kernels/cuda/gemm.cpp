// Runs a matrix product: chooses the kernel of the form that the caller names and its grid. Refuses, with a text, what the
// form's limits exclude. May include only context.h and the headers of the products' kernels.
#include "gemm.h"
#include "context.h"
#include "gemm_simple.h"

namespace nanogpt::cuda {
namespace {

int32_t multiply_simply(Context& context, const Product& p) {
  using namespace simple_gemm;
  return launch(context, "gemm_simple", {{blocks_for(p.m, kTile) * blocks_for(p.n, kTile), 1, p.batch}, kThreads, kSharedBytes}, p);
}

}  // namespace

int32_t multiply(Context& context, const char* op, const Product& product, uint32_t form) {
  switch (form) {
    case NANOGPT_FORM_SIMPLE: return multiply_simply(context, product);
    default: return context.fail(NANOGPT_UNSUPPORTED, "Kernel %s has no form %u", op, form);
  }
}

}  // namespace nanogpt::cuda
