// Vectors of float32 for one instruction set, and bf16 loads and stores. Each instruction set compiles the kernel
// headers once, with its own NANOGPT_ISA_NAMESPACE and NANOGPT_VECTOR_FLOATS; GCC's vector extension turns the same
// source into SSE, AVX2 or AVX-512 code. Products followed by sums contract to fused multiply-adds where there are any.
// Intrinsics appear only where the compiler's code for the plain expression is poor, and compute the same bits.
// May include only the standard library and the compiler's intrinsics. tests/kernels/simd_test.cpp proves the bounds.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if !defined(NANOGPT_ISA_NAMESPACE) || !defined(NANOGPT_VECTOR_FLOATS)
#error "compile through the Makefile: NANOGPT_ISA_NAMESPACE and NANOGPT_VECTOR_FLOATS name the instruction set"
#endif
#if NANOGPT_VECTOR_FLOATS == 16 && defined(__AVX512F__)
#define NANOGPT_SIMD_AVX512 1
#elif NANOGPT_VECTOR_FLOATS == 8 && defined(__AVX2__)
#define NANOGPT_SIMD_AVX2 1
#endif

namespace nanogpt {

// Upper half of a float32. A distinct type so that no integer arithmetic happens to it by accident.
struct bf16 {
  uint16_t bits;
};

namespace NANOGPT_ISA_NAMESPACE {

constexpr int kLanes = NANOGPT_VECTOR_FLOATS;
typedef float vf __attribute__((vector_size(kLanes * 4)));
typedef int32_t vi __attribute__((vector_size(kLanes * 4)));
typedef uint32_t vu __attribute__((vector_size(kLanes * 4)));
typedef uint16_t vh __attribute__((vector_size(kLanes * 2)));
// Half as many doubles as vf has floats: the machine's own width.
typedef double vd __attribute__((vector_size(kLanes * 4)));

template <class To, class From>
inline To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

inline vf splat(float x) { return x - vf{}; }
inline vi splat(int32_t x) { return x - vi{}; }

// ---- Operations that need intrinsics to be fast ----

// vmax and vmin give b when either is NaN (the machine's rule).
#if defined(NANOGPT_SIMD_AVX512)
// The zero-masked forms with a full mask: GCC 12 warns falsely of uninitialised values in the plain ones.
struct HalfVectors {
  __m256 low, high;
};
inline vf vmax(vf a, vf b) { return _mm512_maskz_max_ps(0xffff, a, b); }
inline vf vmin(vf a, vf b) { return _mm512_maskz_min_ps(0xffff, a, b); }
inline vu widen_halves(vh h) { return bits_as<vu>(_mm512_maskz_cvtepu16_epi32(0xffff, bits_as<__m256i>(h))); }
inline vh narrow_words(vu u) { return bits_as<vh>(_mm512_maskz_cvtepi32_epi16(0xffff, bits_as<__m512i>(u))); }
inline vd low_doubles(vf x) { return _mm512_maskz_cvtps_pd(0xff, bits_as<HalfVectors>(x).low); }
inline vd high_doubles(vf x) { return _mm512_maskz_cvtps_pd(0xff, bits_as<HalfVectors>(x).high); }
#elif defined(NANOGPT_SIMD_AVX2)
inline vf vmax(vf a, vf b) { return _mm256_max_ps(a, b); }
inline vf vmin(vf a, vf b) { return _mm256_min_ps(a, b); }
inline vu widen_halves(vh h) { return bits_as<vu>(_mm256_cvtepu16_epi32(bits_as<__m128i>(h))); }
inline vh narrow_words(vu u) {
  const __m256i words = bits_as<__m256i>(u);
  return bits_as<vh>(_mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}
inline vd low_doubles(vf x) { return _mm256_cvtps_pd(_mm256_castps256_ps128(x)); }
inline vd high_doubles(vf x) { return _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)); }
#else
inline vf vmax(vf a, vf b) { return a > b ? a : b; }
inline vf vmin(vf a, vf b) { return a < b ? a : b; }
inline vu widen_halves(vh h) { return __builtin_convertvector(h, vu); }
inline vh narrow_words(vu u) { return __builtin_convertvector(u, vh); }
typedef float half_vf __attribute__((vector_size(kLanes * 2)));
struct HalfVectors {
  half_vf low, high;
};
inline vd low_doubles(vf x) { return __builtin_convertvector(bits_as<HalfVectors>(x).low, vd); }
inline vd high_doubles(vf x) { return __builtin_convertvector(bits_as<HalfVectors>(x).high, vd); }
#endif

inline vf vsqrt(vf x) {
  vf y;
  for (int i = 0; i < kLanes; i++) y[i] = __builtin_sqrtf(x[i]);  // becomes one vector instruction
  return y;
}

// ---- bf16: round to nearest even on every instruction set, subnormals kept, a NaN stays a NaN (quiet bit set) ----

inline float to_float(float x) { return x; }
inline float to_float(bf16 x) { return bits_as<float>(uint32_t{x.bits} << 16); }

inline bf16 to_bf16(float x) {
  uint32_t u = bits_as<uint32_t>(x);
  if (x != x) return {static_cast<uint16_t>((u >> 16) | 0x40)};
  return {static_cast<uint16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16)};
}
inline void assign(float& to, float x) { to = x; }
inline void assign(bf16& to, float x) { to = to_bf16(x); }

inline vh round_to_bf16(vf x) {
  const vu u = bits_as<vu>(x);
  const vu rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  const vu quiet = (u >> 16) | 0x40;
  return narrow_words(x == x ? rounded : quiet);
}

// ---- Loads and stores ----

inline vf load(const float* p) {
  vf x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
inline vf load(const bf16* p) {
  vh h;
  std::memcpy(&h, p, sizeof h);
  return bits_as<vf>(widen_halves(h) << 16);
}
inline void store(float* p, vf x) { std::memcpy(p, &x, sizeof x); }
inline void store(bf16* p, vf x) {
  const vh h = round_to_bf16(x);
  std::memcpy(p, &h, sizeof h);
}

// The first n (0..kLanes) elements; the rest read as `fill` and are not written.
template <class T>
inline vf load_part(const T* p, int n, float fill = 0.0f) {
  float full[kLanes];
  for (int i = 0; i < kLanes; i++) full[i] = i < n ? to_float(p[i]) : fill;
  return load(full);
}
template <class T>
inline void store_part(T* p, vf x, int n) {
  float full[kLanes];
  store(full, x);
  for (int i = 0; i < kLanes; i++)
    if (i < n) assign(p[i], full[i]);
}

// How many lanes one step of by_vectors handles: all, or the rest of a row. Loads and stores take either.
struct Whole {};
struct Part {
  int lanes;
};
template <class T>
inline vf load(const T* p, Whole, float = 0.0f) { return load(p); }
template <class T>
inline vf load(const T* p, Part part, float fill = 0.0f) { return load_part(p, part.lanes, fill); }
template <class T>
inline void store(T* p, vf x, Whole) { store(p, x); }
template <class T>
inline void store(T* p, vf x, Part part) { store_part(p, x, part.lanes); }

// Calls step(i, Whole) for each whole vector of n elements and step(i, Part) once for the rest, if any.
template <class Step>
__attribute__((always_inline, flatten)) inline void by_vectors(int64_t n, Step step) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) step(i, Whole{});
  if (i < n) step(i, Part{static_cast<int>(n - i)});
}

// ---- Sums ----

// Sum of the lanes in a fixed order (pairwise halves).
inline float lane_sum(vf x) {
  float lanes[kLanes];
  store(lanes, x);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) lanes[i] += lanes[i + width];
  return lanes[0];
}

// A sum of float32 lanes kept in double.
struct WideSum {
  vd low{}, high{};
  void add(vf x) {
    low += low_doubles(x);
    high += high_doubles(x);
  }
  void add_product(vf a, vf b) {
    low += low_doubles(a) * low_doubles(b);
    high += high_doubles(a) * high_doubles(b);
  }
  double total() const {
    double lanes[kLanes / 2];
    const vd both = low + high;
    std::memcpy(lanes, &both, sizeof both);
    for (int width = kLanes / 4; width > 0; width /= 2)
      for (int i = 0; i < width; i++) lanes[i] += lanes[i + width];
    return lanes[0];
  }
};

// ---- Functions ----

// exp(x - n ln(2)) for the whole number n nearest to x / ln(2): Cody and Waite reduction to |r| <= ln(2)/2 and the
// degree-6 polynomial of Cephes expf.
inline vf exp_reduced(vf x, vf n) {
  vf r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  vf p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * (r * r) + r + 1.0f;
}

// exp within 1.1 units in the last place on [-87.3, 88.7]; 0 below, infinity above, NaN for NaN.
inline vf vexp(vf x) {
  const vf clamped = vmin(vmax(x, splat(-87.33654f)), splat(88.72283f));
  const vf magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to the nearest integer
  const vf n = (clamped * 1.44269504088896341f + magic) - magic;
  const vf p = exp_reduced(clamped, n);
  // 2^n in two steps, so that n = 128 does not overflow the exponent field.
  const vi whole = __builtin_convertvector(n, vi);
  const vi half = whole >> 1;
  const vf y = p * bits_as<vf>((half + 127) << 23) * bits_as<vf>((whole - half + 127) << 23);
  const vf low = x < splat(-87.33654f) ? vf{} : y;
  const vf high = x > splat(88.72283f) ? splat(INFINITY) : low;
  return x == x ? high : x;
}

// tanh within 1.5 units in the last place: a polynomial near 0 (Cephes tanhf), 1 - 2/(exp(2|x|)+1) beyond, the sign of
// x; NaN for NaN.
inline vf vtanh(vf x) {
  const vu sign = bits_as<vu>(x) & 0x80000000u;
  const vf a = bits_as<vf>(bits_as<vu>(x) ^ sign);
  const vf z = a * a;
  vf p = splat(-5.70498872745e-3f);
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const vf small = p * z * a + a;
  const vf large = 1.0f - 2.0f / (vexp(a + a) + 1.0f);
  return bits_as<vf>(bits_as<vu>(a < splat(0.625f) ? small : large) | sign);
}

}  // namespace NANOGPT_ISA_NAMESPACE
}  // namespace nanogpt
