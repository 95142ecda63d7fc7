// Launchers of the elementwise ops: check arguments, choose the kernel by type, launch it. May include only context.h and
// elementwise.h.
#include "elementwise.h"
#include "context.h"

namespace nanogpt::cuda {
namespace {

constexpr uint32_t kThreads = 256;

// One thread an element, up to enough blocks to fill the chip several times.
LaunchShape elementwise_shape(Context& context, uint64_t count) {
  const uint32_t most = context.processors() * 32;
  const uint32_t blocks = blocks_for(count, kThreads);
  return {{blocks < most ? blocks : most}, kThreads};
}

const char* by_type(uint32_t dtype, const char* f32, const char* bf16) { return dtype == NANOGPT_BF16 ? bf16 : f32; }

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_fill(uint64_t context, uint64_t y, uint32_t count, uint32_t dtype, double value) {
  Check check(context, "fill");
  check.address("y", y).size("count", count).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  const FillParams params{memory<void>(y), count, static_cast<float>(value)};
  return launch(check.context(), by_type(dtype, "fill_f32", "fill_bf16"), elementwise_shape(check.context(), count), params);
}

NANOGPT_EXPORT int32_t nanogpt_cast(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype_y,
                                    uint32_t dtype_x) {
  Check check(context, "cast");
  check.address("y", y).address("x", x).size("count", count).dtype("dtype_y", dtype_y).dtype("dtype_x", dtype_x);
  if (check.failed()) return check.status();
  const CastParams params{memory<void>(y), memory<const void>(x), count};
  const char* const kernel = by_type(dtype_y, by_type(dtype_x, "cast_f32_f32", "cast_f32_bf16"),
                                     by_type(dtype_x, "cast_bf16_f32", "cast_bf16_bf16"));
  return launch(check.context(), kernel, elementwise_shape(check.context(), count), params);
}
