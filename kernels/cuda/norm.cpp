// Launchers of RMS norm and its gradient: a warp a row. Refuses nothing but what abi.h says. May include only launches.h
// and norm.h.
// Which way a row takes, kept in registers or read twice, is decided in the kernel by its width and addresses.
#include "norm.h"
#include "launches.h"

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_rms_norm(uint64_t context, uint64_t y, uint64_t x, uint32_t rows, uint32_t width,
                                        uint32_t dtype, double eps) {
  Check check(context, "rms_norm");
  check.address("y", y).address("x", x).size("rows", rows).size("width", width).dtype("dtype", dtype);
  check.not_negative("eps", eps);
  if (check.failed()) return check.status();
  const NormParams params{memory<void>(y), memory<const void>(x), nullptr, nullptr, rows, width, eps};
  return launch(check.context(), by_type(dtype, "rms_norm_f32", "rms_norm_bf16"), warp_shape(check.context(), rows), params);
}

NANOGPT_EXPORT int32_t nanogpt_rms_norm_grad(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint32_t rows,
                                             uint32_t width, uint32_t dtype, double eps) {
  Check check(context, "rms_norm_grad");
  check.address("dx", dx).address("x", x).address("dy", dy).size("rows", rows).size("width", width);
  check.dtype("dtype", dtype).not_negative("eps", eps);
  if (check.failed()) return check.status();
  const NormParams params{memory<void>(dx), memory<const void>(x), memory<const void>(dy), nullptr, rows, width, eps};
  return launch(check.context(), by_type(dtype, "rms_norm_grad_f32", "rms_norm_grad_bf16"), warp_shape(check.context(), rows),
                params);
}

NANOGPT_EXPORT int32_t nanogpt_rms_norm_grad_add(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint64_t r,
                                                 uint32_t rows, uint32_t width, uint32_t dtype, double eps) {
  Check check(context, "rms_norm_grad_add");
  check.address("dx", dx).address("x", x).address("dy", dy).address("r", r).size("rows", rows).size("width", width);
  check.dtype("dtype", dtype).not_negative("eps", eps);
  if (check.failed()) return check.status();
  const NormParams params{memory<void>(dx),      memory<const void>(x), memory<const void>(dy),
                          memory<const void>(r), rows,                  width, eps};
  return launch(check.context(), by_type(dtype, "rms_norm_grad_add_f32", "rms_norm_grad_add_bf16"),
                warp_shape(check.context(), rows), params);
}
