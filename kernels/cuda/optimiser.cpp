// Launchers of the guard and the optimiser ops but Newton-Schulz. Those that count non-finite elements leave a count a block
// in scratch memory, which one more block adds. Refuse nothing but what abi.h says. May include only launches.h,
// partial_sums.h and optimiser.h.
#include "optimiser.h"
#include "launches.h"
#include "partial_sums.h"

namespace nanogpt::cuda {
namespace {

// Runs a kernel over `count` float32 whose blocks leave counts at params.bad, then adds those to flags[index].
template <class Params>
int32_t launch_counting(Context& context, const char* kernel, const Params& params, uint64_t flags, uint32_t index) {
  LaunchShape shape = elementwise_shape(context, params.count, NANOGPT_F32);
  shape.shared_bytes = kWarps * sizeof(uint32_t);
  if (const int32_t status = launch(context, kernel, shape, params)) return status;
  return launch(context, "count_total", {{1}, kSumThreads, kTotalBytes},
                CountTotalParams{memory<float>(flags) + index, params.scalars, params.bad, shape.grid.x});
}

}  // namespace

int32_t frobenius_normalise(Context& context, void* y, const void* x, uint32_t batch, uint32_t count, uint32_t dtype_y,
                            uint32_t dtype_x, double eps) {
  const uint32_t blocks = sum_blocks(count);
  const FrobeniusParams params{y, x, memory<double>(context.scratch()), count, blocks, eps};
  const char* const squares = by_type(dtype_x, "frobenius_squares_f32", "frobenius_squares_bf16");
  if (const int32_t status = launch(context, squares, {{blocks, batch}, kSumThreads, kTotalBytes}, params)) return status;
  const char* const scale = by_type(dtype_y, by_type(dtype_x, "frobenius_scale_f32_f32", "frobenius_scale_f32_bf16"),
                                    by_type(dtype_x, "frobenius_scale_bf16_f32", "frobenius_scale_bf16_bf16"));
  LaunchShape shape = elementwise_shape(context, count, dtype_y == dtype_x ? dtype_y : NANOGPT_F32);
  shape.grid.y = batch;
  shape.shared_bytes = kTotalBytes;
  return launch(context, scale, shape, params);
}

}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_guard(uint64_t context, uint64_t scalars, uint64_t loss) {
  Check check(context, "guard");
  check.address("scalars", scalars).address("loss", loss);
  if (check.failed()) return check.status();
  return launch(check.context(), "guard", {{1}, 32}, GuardParams{memory<float>(scalars), memory<const float>(loss)});
}

NANOGPT_EXPORT int32_t nanogpt_adam(uint64_t context, uint64_t p, uint64_t m, uint64_t v, uint64_t flags, uint64_t g,
                                    uint64_t scalars, uint32_t count, uint32_t first, uint32_t index, double lr, double beta1,
                                    double beta2, double eps) {
  Check check(context, "adam");
  check.address("p", p).address("m", m).address("v", v).address("flags", flags).address("g", g);
  check.address("scalars", scalars).size("count", count).not_negative("eps", eps);
  if (check.failed()) return check.status();
  const AdamParams params{memory<float>(p) + first,
                          memory<float>(m),
                          memory<float>(v),
                          memory<const float>(g) + first,
                          memory<const float>(scalars),
                          memory<uint32_t>(check.context().scratch()),
                          count,
                          static_cast<float>(beta1),
                          static_cast<float>(1.0 - beta1),
                          static_cast<float>(beta2),
                          static_cast<float>(1.0 - beta2),
                          static_cast<float>(eps),
                          lr};
  return launch_counting(check.context(), "adam", params, flags, index);
}

NANOGPT_EXPORT int32_t nanogpt_nesterov(uint64_t context, uint64_t m, uint64_t u, uint64_t flags, uint64_t g, uint64_t scalars,
                                        uint32_t count, uint32_t index, uint32_t slots, uint32_t slot) {
  Check check(context, "nesterov");
  check.address("m", m).address("u", u).address("flags", flags).address("g", g).address("scalars", scalars);
  check.size("count", count).below("slot", slot, "slots", slots);
  if (check.failed()) return check.status();
  const NesterovParams params{memory<float>(m),
                              memory<float>(u) + uint64_t{slot} * count,
                              memory<const float>(g),
                              memory<const float>(scalars),
                              memory<uint32_t>(check.context().scratch()),
                              count};
  return launch_counting(check.context(), "nesterov", params, flags, index);
}

NANOGPT_EXPORT int32_t nanogpt_frobenius_normalise(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype_y,
                                                   uint32_t dtype_x, double eps) {
  Check check(context, "frobenius_normalise");
  check.address("y", y).address("x", x).size("count", count).dtype("dtype_y", dtype_y).dtype("dtype_x", dtype_x);
  check.not_negative("eps", eps);
  if (check.failed()) return check.status();
  return frobenius_normalise(check.context(), memory<void>(y), memory<const void>(x), 1, count, dtype_y, dtype_x, eps);
}

NANOGPT_EXPORT int32_t nanogpt_apply_update(uint64_t context, uint64_t p, uint64_t u, uint64_t scalars, uint32_t count,
                                            uint32_t slots, uint32_t slot, double factor) {
  Check check(context, "apply_update");
  check.address("p", p).address("u", u).address("scalars", scalars).size("count", count).below("slot", slot, "slots", slots);
  if (check.failed()) return check.status();
  const float* const direction = memory<const float>(u) + uint64_t{slot} * count;
  const ApplyUpdateParams params{memory<float>(p), direction, memory<const float>(scalars), count, factor};
  return launch(check.context(), "apply_update", elementwise_shape(check.context(), count, NANOGPT_F32), params);
}
