// Launcher of the mean: a pass that leaves a partial sum a block, then one block. May include only launches.h,
// partial_sums.h and mean.h.
// Refuses nothing but what abi.h says.
#include "mean.h"
#include "launches.h"
#include "partial_sums.h"

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_mean(uint64_t context, uint64_t y, uint64_t x, uint32_t count) {
  Check check(context, "mean");
  check.address("y", y).address("x", x).size("count", count);
  if (check.failed()) return check.status();
  const uint32_t blocks = sum_blocks(count);
  const MeanParams params{memory<float>(y), memory<const float>(x), memory<double>(check.context().scratch()), count, blocks};
  if (const int32_t status = launch(check.context(), "mean_partials", {{blocks}, kSumThreads, kTotalBytes}, params)) return status;
  return launch(check.context(), "mean_total", {{1}, kSumThreads, kTotalBytes}, params);
}
