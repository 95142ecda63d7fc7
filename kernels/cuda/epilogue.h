// What happens to finished float32 sums of a product on their way into c: scaled, added to what was there or to a residual,
// rounded once, stored. Works on elements and on rows of eight, whose edges it knows; where the sums come from it does not.
// May include only vectors.h and gemm.h.
#pragma once
#include "gemm.h"
#include "vectors.h"

namespace nanogpt::cuda {

// Two neighbours of c's type as they lie in memory.
template <class T>
using Pair = std::conditional_t<sizeof(T) == sizeof(float), Words2, uint32_t>;

// What becomes of the sums of a plain product. Kernels with another gemm.h Finish have a class in place of this one: derived
// from it, with what differs.
struct Scaled {
  // Only on wgmma: a warpgroup's complete sums, changed in place before all else. The first is element (row, column) of c;
  // sums[i] of the group's thread t lies t/32*16 + t%32/4 + i/2%2*8 rows below and t%4*2 + i/4*8 + i%2 columns to the right.
  // Params is WgmmaProduct.
  template <class Params, class Sums>
  static DEVICE void finish(const Params&, uint32_t /*row*/, uint32_t /*column*/, uint32_t /*batch*/, Sums&) {}
  // The factor of what is added, given to join().
  template <class Params>
  static DEVICE float beta(const Params& params) { return params.product.beta; }
  // An element of c, of alpha times its sum, where nothing is added and where an element of `added` is.
  static DEVICE float alone(float x) { return x; }
  static DEVICE float join(float x, float before, float beta) { return x + beta * before; }
};

// c = alpha sum + beta added, or what Ending makes of them, in c's type T.
template <class T, class Ending = Scaled>
struct ScaledSum {
  T* c;
  const T* added;
  uint64_t ldc;
  uint32_t m, n;
  float alpha, beta;

  DEVICE ScaledSum(T* c, const T* added, uint64_t ldc, uint32_t m, uint32_t n, float alpha, float beta)
      : c(c), added(added), ldc(ldc), m(m), n(n), alpha(alpha), beta(beta) {}
  DEVICE ScaledSum(const Product& p, uint32_t batch)
      : ScaledSum(static_cast<T*>(p.c) + batch * p.batch_stride_c,
                  p.added == nullptr ? nullptr : static_cast<const T*>(p.added) + batch * p.batch_stride_c, p.ldc, p.m, p.n,
                  p.alpha, p.beta) {}

  DEVICE void store(uint32_t row, uint32_t column, float sum) const {
    if (row >= m || column >= n) return;
    const uint64_t at = row * ldc + column;
    c[at] = from_float<T>(added == nullptr ? alone(sum) : joined(sum, to_float(added[at])));
  }

  // Whether neighbours (column, column + 1), column even, may be moved whole.
  DEVICE bool holds_pairs() const {
    return ldc % 2 == 0 && reinterpret_cast<uintptr_t>(c) % (2 * sizeof(T)) == 0 &&
           reinterpret_cast<uintptr_t>(added) % (2 * sizeof(T)) == 0;
  }
  // Sums of (row, column) and its right neighbour; `column` is even, `paired` what holds_pairs() says.
  DEVICE void store_pair(uint32_t row, uint32_t column, float left, float right, bool paired) const {
    if (row >= m) return;
    if (!paired || column + 2 > n) {
      store(row, column, left);
      store(row, column + 1, right);
      return;
    }
    const uint64_t at = row * ldc + column;
    Pair<T> before{};
    if (added != nullptr) before = *reinterpret_cast<const Pair<T>*>(added + at);
    float x[2];
    if constexpr (sizeof(T) == sizeof(float)) {
      x[0] = float_of(before.x), x[1] = float_of(before.y);
    } else {
      unpack_word(x, before);
    }
    left = added == nullptr ? alone(left) : joined(left, x[0]), right = added == nullptr ? alone(right) : joined(right, x[1]);
    if constexpr (sizeof(T) == sizeof(float)) {
      *reinterpret_cast<Pair<T>*>(c + at) = Pair<T>{bits_of(left), bits_of(right)};
    } else {
      *reinterpret_cast<Pair<T>*>(c + at) = pack_bf16(left, right);
    }
  }

  // Sums of (row, column) and the seven to its right; `column` is a multiple of 8.
  DEVICE void store_row(uint32_t row, uint32_t column, const Floats<8>& sums) const {
    if (row >= m) return;
    if (n - column < 8 || !whole()) {
      UNROLL
      for (uint32_t j = 0; j < 8; j++) store(row, column + j, sums.at[j]);
      return;
    }
    const uint64_t at = row * ldc + column;
    const auto one = [this](float sum) { return alone(sum); };
    const auto two = [this](float sum, float before) { return joined(sum, before); };
    store_floats<8>(c + at, added == nullptr ? each<8>(one, sums) : each<8>(two, sums, load_floats<8>(added + at)));
  }

 private:
  DEVICE float alone(float sum) const { return Ending::alone(alpha * sum); }
  DEVICE float joined(float sum, float before) const { return Ending::join(alpha * sum, before, beta); }

  // Whether rows of eight may be moved whole.
  DEVICE bool whole() const { return ldc % 8 == 0 && holds_packs<8>(c) && holds_packs<8>(added); }
};

}  // namespace nanogpt::cuda
