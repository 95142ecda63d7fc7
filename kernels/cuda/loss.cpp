// Launchers of cross-entropy and its gradient: a block a row, striding over the grid. A target outside the vocabulary is found
// by the kernel and told by the next sync or download. The fused head has its own launchers.
// May include only launches.h, partial_sums.h and loss.h.
#include "loss.h"
#include "launches.h"
#include "partial_sums.h"

namespace nanogpt::cuda {
namespace {

int32_t launch_rows(Context& context, const char* kernel, const LossParams& params) {
  LaunchShape shape = filling_shape(context, params.N);
  shape.threads = kSumThreads;
  shape.shared_bytes = kSumThreads / 32 * 16;  // a maximum and a sum a warp
  return launch(context, kernel, shape, params);
}

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_cross_entropy(uint64_t context, uint64_t losses, uint64_t logits, uint64_t targets, uint32_t N,
                                             uint32_t V) {
  Check check(context, "cross_entropy");
  check.address("losses", losses).address("logits", logits).address("targets", targets).size("N", N).size("V", V);
  if (check.failed()) return check.status();
  const LossParams params{memory<float>(losses), memory<const float>(logits), nullptr, memory<const int32_t>(targets),
                          memory<InputError>(check.context().input_error()), N, V};
  return launch_rows(check.context(), "cross_entropy", params);
}

NANOGPT_EXPORT int32_t nanogpt_cross_entropy_grad(uint64_t context, uint64_t dlogits, uint64_t logits, uint64_t targets,
                                                  uint64_t dlosses, uint32_t N, uint32_t V) {
  Check check(context, "cross_entropy_grad");
  check.address("dlogits", dlogits).address("logits", logits).address("targets", targets).address("dlosses", dlosses);
  check.size("N", N).size("V", V);
  if (check.failed()) return check.status();
  const LossParams params{memory<float>(dlogits), memory<const float>(logits), memory<const float>(dlosses),
                          memory<const int32_t>(targets), memory<InputError>(check.context().input_error()), N, V};
  return launch_rows(check.context(), "cross_entropy_grad", params);
}
