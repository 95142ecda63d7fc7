// Blocks of mma.sync: the fragments of all lanes are spread into tiles once, multiplied tile by tile, and given back. Each
// product is that of warp_matrix.cpp, with its order of k. May include only warp_tiles.h, fragments.h, k_order.h, product.h
// and the standard library.
#include "warp_tiles.h"
#include "fragments.h"
#include "k_order.h"
#include "product.h"
#include <cstring>

namespace nanogpt::emulation {
namespace {

constexpr uint32_t kMostRows = 8, kMostColumns = 32;

struct OwnTiles {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
};

float half_of(uint32_t bits, uint32_t half) {
  bits = half == 0 ? bits << 16 : bits & 0xffff0000u;
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

void spread_a(float (&tile)[16][kProductDepth], OwnTiles* const* lanes, uint32_t row, const KOrder& order) {
  for (uint32_t lane = 0; lane < kWarpLanes; lane++) {
    const uint32_t* const own = lanes[lane]->a + row * 4;
    for (uint32_t j = 0; j < 8; j++) {
      const Element at = mma_a(lane, j);
      tile[at.row][order.of[at.column]] = half_of(own[j / 2], j % 2);
    }
  }
}

void spread_b(float (&tile)[kProductDepth][8], OwnTiles* const* lanes, uint32_t column, const KOrder& order) {
  for (uint32_t lane = 0; lane < kWarpLanes; lane++) {
    const uint32_t* const own = lanes[lane]->b + column * 2;
    for (uint32_t j = 0; j < 4; j++) {
      const Element at = mma_b(lane, j);
      tile[order.of[at.row]][at.column] = half_of(own[j / 2], j % 2);
    }
  }
}

// Two neighbours of d lie side by side in a lane's registers as in the tile.
void exchange_d(MmaTiles& tiles, OwnTiles* const* lanes, uint32_t first, bool give_back) {
  for (uint32_t lane = 0; lane < kWarpLanes; lane++) {
    for (uint32_t j = 0; j < 4; j += 2) {
      const Element at = mma_d(lane, j);
      float* const own = lanes[lane]->d + first + j;
      float* const tile = &tiles.d[at.row][at.column];
      std::memcpy(give_back ? own : tile, give_back ? tile : own, 2 * sizeof(float));
    }
  }
}

void multiply_blocks(OwnTiles* const* lanes, uint32_t rows, uint32_t columns) {
  MmaTiles tiles;
  float b[kMostColumns][kProductDepth][8];
  const KOrder order;
  for (uint32_t column = 0; column < columns; column++) spread_b(b[column], lanes, column, order);
  for (uint32_t row = 0; row < rows; row++) {
    spread_a(tiles.a, lanes, row, order);
    for (uint32_t column = 0; column < columns; column++) {
      const uint32_t first = (row * columns + column) * 4;
      std::memcpy(tiles.b, b[column], sizeof tiles.b);
      exchange_d(tiles, lanes, first, false);
      multiply(tiles);
      exchange_d(tiles, lanes, first, true);
    }
  }
}

}  // namespace

void mma_tiles(float* d, const uint32_t* a, const uint32_t* b, uint32_t rows, uint32_t columns, Site site) {
  if (rows > kMostRows || columns > kMostColumns) fault(site, "mma_tiles: at most 8 x 32 tiles, found %u x %u", rows, columns);
  OwnTiles mine{d, a, b};
  collective("mma.sync", 0xffffffffu, mine, [=](OwnTiles* const* lanes) { multiply_blocks(lanes, rows, columns); }, site);
}

}  // namespace nanogpt::emulation
