// Rotary kernels: the table of angles, the rotation of head rows, and RMS norm with rotation in one pass. A head row is two
// halves (a, b); as many lanes as one half has packs take a row together, so a warp takes several. A row whose sum comes
// first is loaded twice, the second time from the L1 cache. Angles are double, rotations float32, sums over a row double.
// May include only vectors.h, reduce.h and rope.h.
#include "rope.h"
#include "reduce.h"
#include "vectors.h"

namespace nanogpt::cuda {

constexpr double kInversePi = 0.31830988618379067154;

// Cosine and sine of pi*x. The instruction set's own functions of an angle would need a stack for large ones.
#if defined(__CUDACC__)
DEVICE double cosine_of_pi_times(double x) { return cospi(x); }
DEVICE double sine_of_pi_times(double x) { return sinpi(x); }
#else
DEVICE double cosine_of_pi_times(double x) { return cos((x - 2.0 * rint(x / 2.0)) / kInversePi); }
DEVICE double sine_of_pi_times(double x) { return sin((x - 2.0 * rint(x / 2.0)) / kInversePi); }
#endif

KERNEL(rope_table, RopeTableParams, 256) {
  const RopeTableParams& p = params;
  const uint32_t D = 2 * p.half;
  const int64_t first = p.position != nullptr ? *p.position : 0;
  for_warps(p.T, [&](uint64_t t) {
    for (uint32_t j = lane_index(); j < p.half; j += 32) {
      const double frequency = exp2(-2.0 * j / D * p.log2_base);
      const double half_turns = static_cast<double>(first + static_cast<int64_t>(t)) * (frequency * kInversePi);
      p.table[t * D + j] = static_cast<float>(cosine_of_pi_times(half_turns));
      p.table[t * D + p.half + j] = static_cast<float>(sine_of_pi_times(half_turns));
    }
  });
}

// This lane's part of a head row: packs `first`, first + step, ... of each half. A lane without a row has no packs.
struct HeadShare {
  uint64_t row, at;     // the row, and its first element
  const float* angles;  // the row's cosines and sines
  uint32_t first, step, packs;
};

// Calls body(share, lanes) for every head row; `lanes`, a power of two, lanes of a warp share it. All lanes of a warp are in
// body together.
template <uint32_t W, class Body>
DEVICE void for_head_rows(const RopeParams& p, Body body) {
  const uint32_t packs = p.half / W;
  uint32_t lanes = 1;
  while (lanes < packs && lanes < 32) lanes *= 2;
  const uint32_t together = 32 / lanes;
  for_warps((uint64_t{p.rows} + together - 1) / together, [&](uint64_t group) {
    const uint64_t row = group * together + lane_index() / lanes;
    const bool any = row < p.rows;
    const uint32_t position = any ? static_cast<uint32_t>(row) / p.H % p.T : 0;
    body(HeadShare{row, row * (2 * p.half), p.table + uint64_t{position} * (2 * p.half), lane_index() % lanes, lanes,
                   any ? packs : 0}, lanes);
  });
}

// The packs of both halves from element i of each on.
template <uint32_t W>
struct Halves {
  Floats<W> a, b;
};

template <uint32_t W, class T>
DEVICE Halves<W> load_halves(const T* row, uint32_t i, uint32_t half) {
  return {load_floats<W>(row + i), load_floats<W>(row + half + i)};
}
template <uint32_t W, class T>
DEVICE void store_halves(T* row, uint32_t i, uint32_t half, const Halves<W>& x) {
  store_floats<W>(row + i, x.a);
  store_floats<W>(row + half + i, x.b);
}

// (a cos + b sin, b cos - a sin), the sines times `direction`.
template <uint32_t W>
DEVICE Halves<W> rotated(const Halves<W>& x, const Halves<W>& angles, float direction) {
  Halves<W> y;
  UNROLL
  for (uint32_t k = 0; k < W; k++) {
    const float c = angles.a.at[k], s = direction * angles.b.at[k];
    y.a.at[k] = x.a.at[k] * c + x.b.at[k] * s;
    y.b.at[k] = x.b.at[k] * c - x.a.at[k] * s;
  }
  return y;
}

template <uint32_t W>
DEVICE double dot(const Halves<W>& x, const Halves<W>& y) {
  double sum = 0.0;
  UNROLL
  for (uint32_t k = 0; k < W; k++) {
    sum += static_cast<double>(x.a.at[k]) * static_cast<double>(y.a.at[k]);
    sum += static_cast<double>(x.b.at[k]) * static_cast<double>(y.b.at[k]);
  }
  return sum;
}

// f of each element of both halves of the packs.
template <uint32_t W, class F, class... X>
DEVICE Halves<W> each_half(F f, const X&... x) {
  return {each<W>(f, x.a...), each<W>(f, x.b...)};
}

// Calls rows(width) with the pack's width, or 1 where a half or an address is not made of packs.
template <class T, class Rows>
DEVICE void by_pack_width(const RopeParams& p, Rows rows) {
  constexpr uint32_t kWide = kPack<T>;
  const bool packs = p.half % kWide == 0 && holds_packs<kWide>(static_cast<const T*>(p.out)) &&
                     holds_packs<kWide>(static_cast<const T*>(p.x)) && holds_packs<kWide>(static_cast<const T*>(p.dy)) &&
                     holds_packs<kWide>(p.table);
  if (packs) rows(std::integral_constant<uint32_t, kWide>{});
  else rows(std::integral_constant<uint32_t, 1>{});
}

template <class T>
DEVICE void rope(const RopeParams& p) {
  T* const y = static_cast<T*>(p.out);
  const T* const x = static_cast<const T*>(p.x);
  by_pack_width<T>(p, [&](auto width) {
    constexpr uint32_t W = decltype(width)::value;
    for_head_rows<W>(p, [&](const HeadShare& s, uint32_t) {
      for (uint32_t j = s.first; j < s.packs; j += s.step) {
        const uint32_t i = j * W;
        store_halves(y + s.at, i, p.half,
                     rotated(load_halves<W>(x + s.at, i, p.half), load_halves<W>(s.angles, i, p.half), p.direction));
      }
    });
  });
}
KERNELS_BY_TYPE(rope, RopeParams, 256)

template <class T>
DEVICE void norm_rope(const RopeParams& p) {
  T* const y = static_cast<T*>(p.out);
  const T* const x = static_cast<const T*>(p.x);
  by_pack_width<T>(p, [&](auto width) {
    constexpr uint32_t W = decltype(width)::value;
    for_head_rows<W>(p, [&](const HeadShare& s, uint32_t lanes) {
      double squares = 0.0;
      for (uint32_t j = s.first; j < s.packs; j += s.step) {
        const Halves<W> v = load_halves<W>(x + s.at, j * W, p.half);
        squares += dot(v, v);
      }
      squares = warp_total(squares, lanes);
      const float r = static_cast<float>(1.0 / sqrt(squares / (2 * p.half) + p.eps));
      if (s.first == 0 && s.packs > 0) p.r[s.row] = r;
      for (uint32_t j = s.first; j < s.packs; j += s.step) {
        const uint32_t i = j * W;
        const Halves<W> v = each_half<W>([=](float e) { return r * e; }, load_halves<W>(x + s.at, i, p.half));
        store_halves(y + s.at, i, p.half, rotated(v, load_halves<W>(s.angles, i, p.half), 1.0f));
      }
    });
  });
}
KERNELS_BY_TYPE(norm_rope, RopeParams, 256)

// With y the row that norm_rope made, dx = r * (dy - y * mean(dy*y)) rotated back.
template <class T>
DEVICE void norm_rope_grad(const RopeParams& p) {
  T* const dx = static_cast<T*>(p.out);
  const T* const y = static_cast<const T*>(p.x);
  const T* const dy = static_cast<const T*>(p.dy);
  by_pack_width<T>(p, [&](auto width) {
    constexpr uint32_t W = decltype(width)::value;
    for_head_rows<W>(p, [&](const HeadShare& s, uint32_t lanes) {
      double products = 0.0;
      for (uint32_t j = s.first; j < s.packs; j += s.step)
        products += dot(load_halves<W>(dy + s.at, j * W, p.half), load_halves<W>(y + s.at, j * W, p.half));
      const float mean = static_cast<float>(warp_total(products, lanes) / (2 * p.half));
      const float r = s.packs > 0 ? p.r[s.row] : 0.0f;
      const auto across = [=](float d, float v) { return r * (d - mean * v); };
      for (uint32_t j = s.first; j < s.packs; j += s.step) {
        const uint32_t i = j * W;
        const Halves<W> g = each_half<W>(across, load_halves<W>(dy + s.at, i, p.half), load_halves<W>(y + s.at, i, p.half));
        store_halves(dx + s.at, i, p.half, rotated(g, load_halves<W>(s.angles, i, p.half), -1.0f));
      }
    });
  });
}
KERNELS_BY_TYPE(norm_rope_grad, RopeParams, 256)

}  // namespace nanogpt::cuda
