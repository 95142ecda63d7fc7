// Elementwise kernels: one thread an element, striding over the grid. Values are rounded once, at the store. May include
// only device.h and elementwise.h.
#include "elementwise.h"
#include "device.h"

namespace nanogpt::cuda {

template <class F>
DEVICE void for_each(uint32_t count, F body) {
  const uint64_t stride = uint64_t{gridDim.x} * blockDim.x;
  for (uint64_t i = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += stride) body(i);
}

template <class T>
DEVICE void fill(const FillParams& p) {
  T* const y = static_cast<T*>(p.y);
  for_each(p.count, [=](uint64_t i) { y[i] = from_float<T>(p.value); });
}
KERNEL(fill_f32, FillParams, 256) { fill<float>(params); }
KERNEL(fill_bf16, FillParams, 256) { fill<bf16>(params); }

template <class Y, class X>
DEVICE void cast(const CastParams& p) {
  Y* const y = static_cast<Y*>(p.y);
  const X* const x = static_cast<const X*>(p.x);
  for_each(p.count, [=](uint64_t i) { y[i] = from_float<Y>(to_float(x[i])); });
}
KERNEL(cast_f32_f32, CastParams, 256) { cast<float, float>(params); }
KERNEL(cast_f32_bf16, CastParams, 256) { cast<float, bf16>(params); }
KERNEL(cast_bf16_f32, CastParams, 256) { cast<bf16, float>(params); }
KERNEL(cast_bf16_bf16, CastParams, 256) { cast<bf16, bf16>(params); }

}  // namespace nanogpt::cuda
