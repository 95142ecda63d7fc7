// Elementwise kernels: each thread a pack of elements, striding over the grid; memory-bound. Arithmetic is float32 whatever
// the type, rounded once, at the store. Nothing here knows rows or shapes.
// May include only vectors.h, relu.h and elementwise.h.
#include "elementwise.h"
#include "relu.h"
#include "vectors.h"

namespace nanogpt::cuda {

template <class T, class F>
DEVICE void map_none(const ElementwiseParams& p, F f) { map<kPack<T>>(p.count, static_cast<T*>(p.y), f); }
template <class T, class F>
DEVICE void map_one(const ElementwiseParams& p, F f) {
  map<kPack<T>>(p.count, static_cast<T*>(p.y), f, static_cast<const T*>(p.a));
}
template <class T, class F>
DEVICE void map_two(const ElementwiseParams& p, F f) {
  map<kPack<T>>(p.count, static_cast<T*>(p.y), f, static_cast<const T*>(p.a), static_cast<const T*>(p.b));
}

template <class T>
DEVICE void fill(const ElementwiseParams& p) {
  map_none<T>(p, [=]() { return p.alpha; });
}
KERNELS_BY_TYPE(fill, ElementwiseParams, 256)

template <class Y, class X>
DEVICE void cast(const ElementwiseParams& p) {
  constexpr uint32_t kWidth = kPack<Y> < kPack<X> ? kPack<Y> : kPack<X>;
  map<kWidth>(p.count, static_cast<Y*>(p.y), [](float x) { return x; }, static_cast<const X*>(p.a));
}
KERNEL(cast_f32_f32, ElementwiseParams, 256) { cast<float, float>(params); }
KERNEL(cast_f32_bf16, ElementwiseParams, 256) { cast<float, bf16>(params); }
KERNEL(cast_bf16_f32, ElementwiseParams, 256) { cast<bf16, float>(params); }
KERNEL(cast_bf16_bf16, ElementwiseParams, 256) { cast<bf16, bf16>(params); }

template <class T>
DEVICE void add(const ElementwiseParams& p) {
  map_two<T>(p, [](float a, float b) { return a + b; });
}
KERNELS_BY_TYPE(add, ElementwiseParams, 256)

template <class T>
DEVICE void axpby(const ElementwiseParams& p) {
  map_two<T>(p, [=](float a, float b) { return p.alpha * a + p.beta * b; });
}
KERNELS_BY_TYPE(axpby, ElementwiseParams, 256)

template <class T>
DEVICE void affine(const ElementwiseParams& p) {
  map_one<T>(p, [=](float x) { return p.alpha * x + p.beta; });
}
KERNELS_BY_TYPE(affine, ElementwiseParams, 256)

template <class T>
DEVICE void relu_squared(const ElementwiseParams& p) {
  map_one<T>(p, [](float x) { return relu_squared(x); });
}
KERNELS_BY_TYPE(relu_squared, ElementwiseParams, 256)

// a: y, b: dy.
template <class T>
DEVICE void relu_squared_grad(const ElementwiseParams& p) {
  map_two<T>(p, [](float y, float dy) { return relu_squared_grad(y, dy); });
}
KERNELS_BY_TYPE(relu_squared_grad, ElementwiseParams, 256)

// alpha: the cap, beta: 1/cap.
template <class T>
DEVICE void softcap(const ElementwiseParams& p) {
  map_one<T>(p, [=](float x) { return p.alpha * tanhf(x * p.beta); });
}
KERNELS_BY_TYPE(softcap, ElementwiseParams, 256)

// a: x, b: dy, beta: 1/cap.
template <class T>
DEVICE void softcap_grad(const ElementwiseParams& p) {
  map_two<T>(p, [=](float x, float dy) {
    const float t = tanhf(x * p.beta);
    return (1.0f - t * t) * dy;
  });
}
KERNELS_BY_TYPE(softcap_grad, ElementwiseParams, 256)

KERNEL(broadcast, BroadcastParams, 256) {
  const float value = static_cast<float>(params.factor * static_cast<double>(params.s[0]));
  map<kPack<float>>(params.count, params.y, [=]() { return value; });
}

}  // namespace nanogpt::cuda
