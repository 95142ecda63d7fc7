// Recorded calls: CUDA graphs over the context's stream. (To come.) May include only context.h.
#include "context.h"

using namespace nanogpt::cuda;

namespace {
int32_t unsupported(uint64_t context) {
  if (context == 0) return NANOGPT_INVALID;
  return context_at(context).fail(NANOGPT_UNSUPPORTED, "This library has no graphs");
}
}  // namespace

NANOGPT_EXPORT int32_t nanogpt_graph_begin(uint64_t context) { return unsupported(context); }
NANOGPT_EXPORT int32_t nanogpt_graph_end(uint64_t context, uint64_t) { return unsupported(context); }
NANOGPT_EXPORT int32_t nanogpt_graph_launch(uint64_t context, uint64_t) { return unsupported(context); }
NANOGPT_EXPORT int32_t nanogpt_graph_free(uint64_t context, uint64_t) { return unsupported(context); }
