// Kernels that fetch rows by number (the embedding, the row an index selects) or store them (in a ring). A warp a row. A
// number outside the rows is reported, and its result is NaN: nothing is read there and nothing is made up.
// May include only device.h, vectors.h and rows.h.
#include "rows.h"
#include "device.h"
#include "vectors.h"
#include <cmath>

namespace nanogpt::cuda {

template <uint32_t W, class Y, class X>
DEVICE void copy_packs(Y* y, const X* x, uint32_t width) {
  for (uint32_t i = lane_index() * W; i < width; i += 32 * W) store_floats<W>(y + i, load_floats<W>(x + i));
}

template <class Y, class X>
DEVICE void fetch_rows(const RowsParams& p) {
  constexpr uint32_t kWide = kPack<Y> < kPack<X> ? kPack<Y> : kPack<X>;
  Y* const y = static_cast<Y*>(p.y);
  const X* const from = static_cast<const X*>(p.from);
  const bool packs = p.C % kWide == 0 && holds_packs<kWide>(y) && holds_packs<kWide>(from);
  for_warps(p.count, [&](uint64_t n) {
    const int32_t number = p.numbers[n];
    Y* const row = y + n * p.C;
    if (number < 0 || static_cast<uint32_t>(number) >= p.below) {
      if (lane_index() == 0) report_input(p.error, p.limit, static_cast<uint32_t>(n), number, p.below);
      for (uint32_t i = lane_index(); i < p.C; i += 32) row[i] = from_float<Y>(NAN);
      return;
    }
    const X* const found = from + static_cast<uint64_t>(number) * p.C;
    if (packs) copy_packs<kWide>(row, found, p.C);
    else copy_packs<1>(row, found, p.C);
  });
}
KERNEL(embed_f32, RowsParams, 256) { fetch_rows<float, float>(params); }
KERNEL(embed_bf16, RowsParams, 256) { fetch_rows<bf16, float>(params); }
KERNEL(select_row_f32, RowsParams, 256) { fetch_rows<float, float>(params); }
KERNEL(select_row_bf16, RowsParams, 256) { fetch_rows<bf16, bf16>(params); }

template <class T>
DEVICE void cache_rows(const CacheRowsParams& p) {
  T* const cache = static_cast<T*>(p.cache);
  const T* const x = static_cast<const T*>(p.x);
  const bool packs = p.C % kPack<T> == 0 && holds_packs<kPack<T>>(cache) && holds_packs<kPack<T>>(x);
  const uint32_t first = static_cast<uint32_t>(*p.position);
  for_warps(p.count, [&](uint64_t n) {
    T* const row = cache + (first + n) % p.rows * p.C;
    if (packs) copy_packs<kPack<T>>(row, x + n * p.C, p.C);
    else copy_packs<1>(row, x + n * p.C, p.C);
  });
}
KERNELS_BY_TYPE(cache_rows, CacheRowsParams, 256)

}  // namespace nanogpt::cuda
