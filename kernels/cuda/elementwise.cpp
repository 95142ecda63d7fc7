// Launchers of the elementwise ops: check arguments, choose the kernel by type, launch it. Refuses nothing but what abi.h
// says.
// May include only launches.h and elementwise.h.
#include "elementwise.h"
#include "launches.h"

namespace nanogpt::cuda {
namespace {

// What y = f(a, b) and y = f(a) (b 0) have in common.
int32_t launch_elementwise(Check& check, const char* kernel, uint64_t y, uint64_t a, uint64_t b, uint32_t count, uint32_t dtype,
                           double alpha = 0, double beta = 0) {
  const ElementwiseParams params{memory<void>(y), memory<const void>(a),     memory<const void>(b),
                                 count,           static_cast<float>(alpha), static_cast<float>(beta)};
  return launch(check.context(), kernel, elementwise_shape(check.context(), count, dtype), params);
}

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_fill(uint64_t context, uint64_t y, uint32_t count, uint32_t dtype, double value) {
  Check check(context, "fill");
  check.address("y", y).size("count", count).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  return launch_elementwise(check, by_type(dtype, "fill_f32", "fill_bf16"), y, 0, 0, count, dtype, value);
}

NANOGPT_EXPORT int32_t nanogpt_cast(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype_y,
                                    uint32_t dtype_x) {
  Check check(context, "cast");
  check.address("y", y).address("x", x).size("count", count).dtype("dtype_y", dtype_y).dtype("dtype_x", dtype_x);
  if (check.failed()) return check.status();
  const char* const kernel = by_type(dtype_y, by_type(dtype_x, "cast_f32_f32", "cast_f32_bf16"),
                                     by_type(dtype_x, "cast_bf16_f32", "cast_bf16_bf16"));
  const uint32_t wider = dtype_y == dtype_x ? dtype_y : NANOGPT_F32;
  return launch_elementwise(check, kernel, y, x, 0, count, wider);
}

NANOGPT_EXPORT int32_t nanogpt_add(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t count, uint32_t dtype) {
  Check check(context, "add");
  check.address("y", y).address("a", a).address("b", b).size("count", count).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  return launch_elementwise(check, by_type(dtype, "add_f32", "add_bf16"), y, a, b, count, dtype);
}

NANOGPT_EXPORT int32_t nanogpt_axpby(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t count, uint32_t dtype,
                                     double alpha, double beta) {
  Check check(context, "axpby");
  check.address("y", y).address("a", a).address("b", b).size("count", count).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  return launch_elementwise(check, by_type(dtype, "axpby_f32", "axpby_bf16"), y, a, b, count, dtype, alpha, beta);
}

NANOGPT_EXPORT int32_t nanogpt_affine(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype, double alpha,
                                      double beta) {
  Check check(context, "affine");
  check.address("y", y).address("x", x).size("count", count).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  return launch_elementwise(check, by_type(dtype, "affine_f32", "affine_bf16"), y, x, 0, count, dtype, alpha, beta);
}

NANOGPT_EXPORT int32_t nanogpt_relu_squared(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype) {
  Check check(context, "relu_squared");
  check.address("y", y).address("x", x).size("count", count).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  return launch_elementwise(check, by_type(dtype, "relu_squared_f32", "relu_squared_bf16"), y, x, 0, count, dtype);
}

NANOGPT_EXPORT int32_t nanogpt_relu_squared_grad(uint64_t context, uint64_t dx, uint64_t y, uint64_t dy, uint32_t count,
                                                 uint32_t dtype) {
  Check check(context, "relu_squared_grad");
  check.address("dx", dx).address("y", y).address("dy", dy).size("count", count).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  return launch_elementwise(check, by_type(dtype, "relu_squared_grad_f32", "relu_squared_grad_bf16"), dx, y, dy, count, dtype);
}

NANOGPT_EXPORT int32_t nanogpt_softcap(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype, double cap) {
  Check check(context, "softcap");
  check.address("y", y).address("x", x).size("count", count).dtype("dtype", dtype).positive("cap", cap);
  if (check.failed()) return check.status();
  return launch_elementwise(check, by_type(dtype, "softcap_f32", "softcap_bf16"), y, x, 0, count, dtype, cap, 1.0 / cap);
}

NANOGPT_EXPORT int32_t nanogpt_softcap_grad(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint32_t count,
                                            uint32_t dtype, double cap) {
  Check check(context, "softcap_grad");
  check.address("dx", dx).address("x", x).address("dy", dy).size("count", count).dtype("dtype", dtype);
  check.positive("cap", cap);
  if (check.failed()) return check.status();
  return launch_elementwise(check, by_type(dtype, "softcap_grad_f32", "softcap_grad_bf16"), dx, x, dy, count, dtype, cap,
                            1.0 / cap);
}

NANOGPT_EXPORT int32_t nanogpt_broadcast(uint64_t context, uint64_t y, uint64_t s, uint32_t count, double factor) {
  Check check(context, "broadcast");
  check.address("y", y).address("s", s).size("count", count);
  if (check.failed()) return check.status();
  const BroadcastParams params{memory<float>(y), memory<const float>(s), count, factor};
  return launch(check.context(), "broadcast", elementwise_shape(check.context(), count, NANOGPT_F32), params);
}
