// Matrix products of bf16 operands on mma.sync (sm_80 and later): blocks of 128 x 128 of c, 64 x 64 a warp, fed by cp.async
// through a ring of stages in shared memory. One template for all transpositions. Sums of a part of k go to partial sums,
// which a second kernel adds in order. Refuses nothing: gemm.cpp has checked the limits. May include only
// gemm_finish_relu.h, gemm_mma.h, gemm_order.h and gemm_tile.h.
#include "../abi.h"
#include "gemm_finish_relu.h"
#include "gemm_mma.h"
#include "gemm_order.h"
#include "gemm_tile.h"

namespace nanogpt::cuda {
namespace {

using namespace mma_gemm;

constexpr uint32_t kWarpTile = 64, kStepDepth = 16;  // of a warp; of one mma.sync
constexpr uint32_t kAcross = kWarpTile / 16;         // fragments of 16 along each side
constexpr uint32_t kStripPitch = kWarpTile + 8;      // floats: rows of a strip start 8 banks apart
static_assert(kWarps * 16 * kStripPitch * sizeof(float) <= kSharedBytes);

// A warp's sums: [i][j] is the mma result of rows 16i.. and columns 8j...
using Sums = float[kAcross][2 * kAcross][4];

struct Fragments {
  uint32_t a[kAcross][4];
  uint32_t b[2 * kAcross][2];
};

template <bool a_along_k, bool b_along_k>
DEVICE void load_step(Fragments& f, uint32_t a, uint32_t b, uint32_t row, uint32_t column, uint32_t k) {
  UNROLL
  for (uint32_t i = 0; i < kAcross; i++) load_fragment<a_along_k, false, kDepth>(f.a[i], a, row + 16 * i, k);
  UNROLL
  for (uint32_t j = 0; j < kAcross; j++) {
    uint32_t pair[4];
    load_fragment<b_along_k, true, kDepth>(pair, b, column + 16 * j, k);
    f.b[2 * j][0] = pair[0], f.b[2 * j][1] = pair[1];
    f.b[2 * j + 1][0] = pair[2], f.b[2 * j + 1][1] = pair[3];
  }
}

// The block's share of k: copies run kStages - 1 tiles ahead; a stage is filled again after the barrier behind its reading.
template <bool a_along_k, bool b_along_k>
DEVICE void sum_products(Sums& sums, const Product& p, const TileIndex& tile, uint32_t begin, uint32_t end) {
  TileCopy<a_along_k, kTile, kDepth, kThreads> copy_a(p.a, blockIdx.z, tile.row * kTile, p.m, begin, end);
  TileCopy<b_along_k, kTile, kDepth, kThreads> copy_b(p.b, blockIdx.z, tile.column * kTile, p.n, begin, end);
  const uint32_t shared = shared_address(dynamic_shared()), tiles = (end - begin + kDepth - 1) / kDepth;
  const uint32_t row = warp_index() / 2 * kWarpTile, column = warp_index() % 2 * kWarpTile;
  const auto copy = [&](uint32_t number) {
    const uint32_t stage = shared + number % kStages * 2 * kTileBytes;
    if (number < tiles) copy_a.next(stage), copy_b.next(stage + kTileBytes);
    cp_async_commit();
  };
  for (uint32_t number = 0; number < kStages - 1; number++) copy(number);
  for (uint32_t number = 0; number < tiles; number++) {
    cp_async_wait<kStages - 2>();
    block_sync();
    copy(number + kStages - 1);
    const uint32_t stage = shared + number % kStages * 2 * kTileBytes;
    Fragments fragments[kDepth / kStepDepth];
    UNROLL
    for (uint32_t step = 0; step < kDepth / kStepDepth; step++)
      load_step<a_along_k, b_along_k>(fragments[step], stage, stage + kTileBytes, row, column, step * kStepDepth);
    UNROLL
    for (uint32_t step = 0; step < kDepth / kStepDepth; step++) mma_tiles(sums, fragments[step].a, fragments[step].b);
  }
  cp_async_wait<0>();
  block_sync();
}

// A strip of 16 rows of the warp's sums, laid out in shared memory by rows.
DEVICE void lay_out(float* strip, const float (&sums)[2 * kAcross][4]) {
  const uint32_t row = lane_index() / 4, column = lane_index() % 4 * 2;
  UNROLL
  for (uint32_t j = 0; j < 2 * kAcross; j++) {
    UNROLL
    for (uint32_t half = 0; half < 2; half++)
      *reinterpret_cast<Words2*>(strip + (row + 8 * half) * kStripPitch + 8 * j + column) =
          Words2{bits_of(sums[j][2 * half]), bits_of(sums[j][2 * half + 1])};
  }
}

// The warp's sums to c, strip by strip, eight neighbours a lane; `mirrored`: to their places across the diagonal as well.
template <class Epilogue>
DEVICE void store_sums(const Epilogue& epilogue, const Sums& sums, uint32_t first_row, uint32_t first_column, bool mirrored) {
  float* const strip = reinterpret_cast<float*>(dynamic_shared()) + warp_index() * 16 * kStripPitch;
  UNROLL
  for (uint32_t i = 0; i < kAcross; i++) {
    lay_out(strip, sums[i]);
    warp_sync();
    for (uint32_t item = lane_index(); item < 16 * kWarpTile / 8; item += 32) {
      const uint32_t row = item / 8, column = item % 8 * 8;
      if (first_column + column < epilogue.n)
        epilogue.store_row(first_row + 16 * i + row, first_column + column, load_floats<8>(strip + row * kStripPitch + column));
    }
    for (uint32_t item = lane_index(); mirrored && item < 16 * kWarpTile / 8; item += 32) {
      const uint32_t column = item / 2, row = item % 2 * 8;
      Floats<8> x;
      UNROLL
      for (uint32_t r = 0; r < 8; r++) x.at[r] = strip[(row + r) * kStripPitch + column];
      if (first_row + 16 * i + row < epilogue.n) epilogue.store_row(first_column + column, first_row + 16 * i + row, x);
    }
    warp_sync();
  }
}

// Block x: tile; y: part of k; z: product of the batch.
template <bool a_along_k, bool b_along_k, class Ending = Scaled>
DEVICE void multiply(const MmaProduct& params) {
  const Product& p = params.product;
  const TileIndex tile = p.symmetric != 0 ? lower_tile(blockIdx.x)
                                          : grouped_tile(blockIdx.x, (p.m + kTile - 1) / kTile, (p.n + kTile - 1) / kTile);
  const uint32_t begin = blockIdx.y * params.depth, end = p.k - begin < params.depth ? p.k : begin + params.depth;
  Sums sums = {};
  sum_products<a_along_k, b_along_k>(sums, p, tile, begin, end);
  const uint32_t row = tile.row * kTile + warp_index() / 2 * kWarpTile, column = tile.column * kTile + warp_index() % 2 * kWarpTile;
  const bool mirrored = p.symmetric != 0 && tile.row != tile.column;
  if (params.partials != nullptr) {
    float* const part = params.partials + uint64_t{blockIdx.y} * p.m * params.partial_ld;
    const uint32_t columns = static_cast<uint32_t>(params.partial_ld);
    store_sums(ScaledSum<float>(part, nullptr, params.partial_ld, p.m, columns, 1.0f, 0.0f), sums, row, column, false);
  } else if (p.dtype_c == NANOGPT_BF16) {
    store_sums(ScaledSum<bf16, Ending>(p, blockIdx.z), sums, row, column, mirrored);
  } else {
    store_sums(ScaledSum<float, Ending>(p, blockIdx.z), sums, row, column, mirrored);
  }
}

template <class T>
DEVICE void add_partials(const PartialSums& params) {
  const uint64_t item = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x, of_row = params.partial_ld / 8;
  const uint32_t row = static_cast<uint32_t>(item / of_row), column = static_cast<uint32_t>(item % of_row) * 8;
  if (row >= params.product.m) return;
  const float* from = params.partials + row * params.partial_ld + column;
  Floats<8> sums = load_floats<8>(from);
  for (uint32_t part = 1; part < params.parts; part++) {
    from += params.product.m * params.partial_ld;
    sums = each<8>([](float sum, float more) { return sum + more; }, sums, load_floats<8>(from));
  }
  ScaledSum<T>(params.product, 0).store_row(row, column, sums);
}

}  // namespace

// Named by the operands, n as [m][k] and [k][n], t as [k][m] and [n][k].
KERNEL(gemm_mma_nn, MmaProduct, kThreads) { multiply<true, false>(params); }
KERNEL(gemm_mma_nt, MmaProduct, kThreads) { multiply<true, true>(params); }
KERNEL(gemm_mma_tn, MmaProduct, kThreads) { multiply<false, false>(params); }
KERNEL(gemm_mma_tt, MmaProduct, kThreads) { multiply<false, true>(params); }
KERNEL(gemm_mma_relu_squared_nt, MmaProduct, kThreads) { multiply<true, true, ReluSquared>(params); }
KERNEL(gemm_mma_relu_squared_grad_nn, MmaProduct, kThreads) { multiply<true, false, ReluSquaredGrad>(params); }

KERNEL(gemm_add_partials, PartialSums, 256) {
  if (params.product.dtype_c == NANOGPT_BF16) {
    add_partials<bf16>(params);
  } else {
    add_partials<float>(params);
  }
}

}  // namespace nanogpt::cuda
