// Launchers of the ops that scale and mix activations by learned scalars, and of their gradients: a pass over the
// activations, then one block for the scalars. Refuses nothing but what abi.h says.
// May include only launches.h, partial_sums.h and mix.h.
#include "mix.h"
#include "launches.h"
#include "partial_sums.h"

namespace nanogpt::cuda {
namespace {

void check_mix(Check& check, uint32_t size, uint32_t form, uint32_t index) {
  check.below("form", form, "the number of forms", NANOGPT_MIX_SKIP + 1);
  if (form == NANOGPT_MIX_PAIR) check.at_least("size", size, 2);
  if (form == NANOGPT_MIX_SKIP) check.below("index", index, "size", size);
}

LaunchShape total_shape() { return {{1}, kSumThreads, kTotalBytes}; }

// The two kernels of a gradient by name.
int32_t launch_gradient(Context& context, const char* pass, const char* total, float* ds, const MixGradParams& params) {
  const uint32_t blocks = sum_blocks(params.count);
  if (const int32_t status = launch(context, pass, {{blocks}, kSumThreads, kTotalBytes}, params)) return status;
  return launch(context, total, total_shape(), MixGradTotalParams{ds, params.partials, params.scalars, blocks});
}

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_scale(uint64_t context, uint64_t y, uint64_t x, uint64_t s, uint32_t count, uint32_t size,
                                     uint32_t index, uint32_t dtype) {
  Check check(context, "scale");
  check.address("y", y).address("x", x).address("s", s).size("count", count).size("size", size);
  check.below("index", index, "size", size).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  const MixParams params{memory<void>(y), memory<const void>(x), nullptr, {memory<const float>(s), size, 0, index}, count};
  return launch(check.context(), by_type(dtype, "scale_f32", "scale_bf16"), elementwise_shape(check.context(), count, dtype),
                params);
}

NANOGPT_EXPORT int32_t nanogpt_scale_grad(uint64_t context, uint64_t ds, uint64_t dy, uint64_t x, uint32_t count, uint32_t size,
                                          uint32_t index, uint32_t dtype) {
  Check check(context, "scale_grad");
  check.address("ds", ds).address("dy", dy).address("x", x).size("count", count).size("size", size);
  check.below("index", index, "size", size).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  MixGradParams params{};
  params.partials = memory<double>(check.context().scratch());
  params.dy = memory<const void>(dy);
  params.a = memory<const void>(x);
  params.scalars = {nullptr, size, 0, index};
  params.count = count;
  return launch_gradient(check.context(), by_type(dtype, "scale_grad_f32", "scale_grad_bf16"), "scale_grad_total",
                         memory<float>(ds), params);
}

NANOGPT_EXPORT int32_t nanogpt_mix(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint32_t count,
                                   uint32_t size, uint32_t form, uint32_t index, uint32_t dtype) {
  Check check(context, "mix");
  check.address("y", y).address("a", a).address("b", b).address("s", s).size("count", count).size("size", size);
  check.dtype("dtype", dtype);
  check_mix(check, size, form, index);
  if (check.failed()) return check.status();
  const MixParams params{memory<void>(y), memory<const void>(a), memory<const void>(b),
                         {memory<const float>(s), size, form, index}, count};
  return launch(check.context(), by_type(dtype, "mix_f32", "mix_bf16"), elementwise_shape(check.context(), count, dtype), params);
}

NANOGPT_EXPORT int32_t nanogpt_mix_grad(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a,
                                        uint64_t b, uint64_t s, uint32_t count, uint32_t size, uint32_t form, uint32_t index,
                                        uint32_t dtype) {
  Check check(context, "mix_grad");
  check.address("da", da).address("db", db).address("ds", ds).address("dy", dy).address("a", a).address("b", b);
  check.address("s", s).size("count", count).size("size", size).dtype("dtype", dtype);
  check_mix(check, size, form, index);
  if (check.failed()) return check.status();
  const MixGradParams params{memory<void>(da),       memory<void>(db),
                             memory<double>(check.context().scratch()),
                             memory<const void>(dy), memory<const void>(a),
                             memory<const void>(b),  {memory<const float>(s), size, form, index},
                             count};
  return launch_gradient(check.context(), by_type(dtype, "mix_grad_f32", "mix_grad_bf16"), "mix_grad_total", memory<float>(ds),
                         params);
}
