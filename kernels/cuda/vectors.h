// Elements of memory in packs of up to 16 bytes, the widest that one instruction moves, and loops over arrays of them. An
// array whose address is no multiple of a pack's bytes is walked element by element, as is the rest after the last whole
// pack: any address and any count will do. Values are floats in registers. May include only ptx.h and the standard library.
#pragma once
#include "ptx.h"
#include <type_traits>

// Kernels name_f32 and name_bf16 from the device function template `name`.
#define KERNELS_BY_TYPE(name, Params, threads)                  \
  KERNEL(name##_f32, Params, threads) { name<float>(params); } \
  KERNEL(name##_bf16, Params, threads) { name<bf16>(params); }

namespace nanogpt::cuda {

#if defined(__CUDACC__)
using Words4 = uint4;
using Words2 = uint2;
#else
struct alignas(16) Words4 {
  uint32_t x, y, z, w;
};
struct alignas(8) Words2 {
  uint32_t x, y;
};
#endif

// Elements of a pack of arrays whose widest type is T: 4 of float, 8 of bf16.
template <class T>
constexpr uint32_t kPack = 16 / sizeof(T);

template <uint32_t W>
struct Floats {
  float at[W];
};

// As it lies in memory: W elements of T. W of 1, or W*sizeof(T) of 8, 16 or 32 bytes.
template <class T, uint32_t W>
struct Pack {
  static constexpr uint32_t kBytes = W * sizeof(T);
  using Words = std::conditional_t<W == 1, T, std::conditional_t<kBytes == 8, Words2, Words4>>;
  static constexpr uint32_t kParts = kBytes <= 16 ? 1 : kBytes / 16;
  Words part[kParts];
};

template <uint32_t W, class T>
DEVICE Pack<T, W> load_pack(const T* from) {
  using P = Pack<T, W>;
  P pack;
  UNROLL
  for (uint32_t i = 0; i < P::kParts; i++) pack.part[i] = reinterpret_cast<const typename P::Words*>(from)[i];
  return pack;
}

DEVICE void unpack_words(float* out, float x, const float*) { out[0] = x; }
DEVICE void unpack_words(float* out, bf16 x, const bf16*) { out[0] = to_float(x); }
DEVICE void unpack_words(float* out, Words4 w, const float*) {
  out[0] = float_of(w.x), out[1] = float_of(w.y), out[2] = float_of(w.z), out[3] = float_of(w.w);
}
DEVICE void unpack_word(float* out, uint32_t word) {
  out[0] = float_of(word << 16);
  out[1] = float_of(word & 0xffff0000u);
}
DEVICE void unpack_words(float* out, Words2 w, const bf16*) {
  unpack_word(out, w.x), unpack_word(out + 2, w.y);
}
DEVICE void unpack_words(float* out, Words4 w, const bf16*) {
  unpack_word(out, w.x), unpack_word(out + 2, w.y), unpack_word(out + 4, w.z), unpack_word(out + 6, w.w);
}

template <class T, uint32_t W>
DEVICE Floats<W> unpack(const Pack<T, W>& pack) {
  constexpr uint32_t kEach = W / Pack<T, W>::kParts;
  Floats<W> x;
  UNROLL
  for (uint32_t i = 0; i < Pack<T, W>::kParts; i++) unpack_words(x.at + i * kEach, pack.part[i], static_cast<const T*>(nullptr));
  return x;
}

template <uint32_t W, class T>
DEVICE Floats<W> load_floats(const T* from) { return unpack(load_pack<W>(from)); }

DEVICE void pack_words(float* to, const float* x) { to[0] = x[0]; }
DEVICE void pack_words(bf16* to, const float* x) { to[0] = to_bf16(x[0]); }
DEVICE void pack_words(Words4* to, const float* x, const float*) {
  *to = Words4{bits_of(x[0]), bits_of(x[1]), bits_of(x[2]), bits_of(x[3])};
}
DEVICE void pack_words(Words2* to, const float* x, const bf16*) { *to = Words2{pack_bf16(x[0], x[1]), pack_bf16(x[2], x[3])}; }
DEVICE void pack_words(Words4* to, const float* x, const bf16*) {
  *to = Words4{pack_bf16(x[0], x[1]), pack_bf16(x[2], x[3]), pack_bf16(x[4], x[5]), pack_bf16(x[6], x[7])};
}

// Stores W values, rounded to T.
template <uint32_t W, class T>
DEVICE void store_floats(T* to, const Floats<W>& x) {
  if constexpr (W == 1) {
    pack_words(to, x.at);
  } else {
    using P = Pack<T, W>;
    UNROLL
    for (uint32_t i = 0; i < P::kParts; i++)
      pack_words(reinterpret_cast<typename P::Words*>(to) + i, x.at + i * (W / P::kParts), static_cast<const T*>(nullptr));
  }
}

// f of each element of the packs.
template <uint32_t W, class F, class... X>
DEVICE Floats<W> each(F f, const X&... x) {
  Floats<W> y;
  UNROLL
  for (uint32_t i = 0; i < W; i++) y.at[i] = f(x.at[i]...);
  return y;
}

// Whether a pack of W elements may be moved at this address (and at those a multiple of W elements further).
template <uint32_t W, class T>
DEVICE bool holds_packs(const T* address) {
  constexpr uint32_t kBytes = W * sizeof(T) < 16 ? W * sizeof(T) : 16;
  return reinterpret_cast<uintptr_t>(address) % kBytes == 0;
}

// Calls body(width, i) for pieces of [0, count), given out to the threads of the grid: `width`, a constant, elements from
// number i on; it is W, or 1 where `packs` is false and for the rest. Which thread gets what depends on the grid only.
template <uint32_t W, class Body>
DEVICE void for_packs(uint32_t count, bool packs, Body body) {
  const uint64_t stride = uint64_t{gridDim.x} * blockDim.x;
  const uint64_t thread = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const uint32_t whole = packs ? count / W : 0;
  for (uint64_t i = thread; i < whole; i += stride) body(std::integral_constant<uint32_t, W>{}, i * W);
  for (uint64_t i = uint64_t{whole} * W + thread; i < count; i += stride) body(std::integral_constant<uint32_t, 1>{}, i);
}

// Calls body(i) for [0, count), given out to the warps of the grid: all lanes of a warp with the same i.
template <class Body>
DEVICE void for_warps(uint64_t count, Body body) {
  const uint32_t warps = blockDim.x / 32;
  for (uint64_t i = uint64_t{blockIdx.x} * warps + warp_index(); i < count; i += uint64_t{gridDim.x} * warps) body(i);
}

// y[i] = f(x[i]...) over the grid; y may be one of x. W: elements of a pack.
template <uint32_t W, class Y, class F, class... X>
DEVICE void map(uint32_t count, Y* y, F f, const X*... x) {
  const bool packs = (holds_packs<W>(y) && ... && holds_packs<W>(x));
  for_packs<W>(count, packs, [=](auto width, uint64_t i) {
    constexpr uint32_t kWidth = decltype(width)::value;
    store_floats<kWidth>(y + i, each<kWidth>(f, load_floats<kWidth>(x + i)...));
  });
}

}  // namespace nanogpt::cuda
