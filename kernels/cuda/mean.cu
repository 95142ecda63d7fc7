// Kernels of the mean of a float32 array: a double a block, then one block that adds them and divides. Write nothing but
// partial sums and the one result.
// May include only vectors.h, reduce.h and mean.h.
#include "mean.h"
#include "reduce.h"
#include "vectors.h"

namespace nanogpt::cuda {

KERNEL(mean_partials, MeanParams, 256) {
  const float* const x = params.x;
  double sum = 0.0;
  for_packs<4>(params.count, holds_packs<4>(x), [&](auto width, uint64_t i) {
    constexpr uint32_t kWidth = decltype(width)::value;
    const Floats<kWidth> values = load_floats<kWidth>(x + i);
    UNROLL
    for (uint32_t k = 0; k < kWidth; k++) sum += static_cast<double>(values.at[k]);
  });
  sum = block_total(sum);
  if (threadIdx.x == 0) params.partials[blockIdx.x] = sum;
}

KERNEL(mean_total, MeanParams, 256) {
  const double sum = total_of(params.partials, params.blocks);
  if (threadIdx.x == 0) params.y[0] = static_cast<float>(sum / params.count);
}

}  // namespace nanogpt::cuda
