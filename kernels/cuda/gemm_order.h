// The order in which blocks take the tiles of a product's result: in groups of a few tile rows, down a group's column before
// going to the next, so that blocks running together share rows of a and columns of b in the L2 cache. Of a symmetric result
// only the tiles on and below the diagonal. May include only ptx.h.
#pragma once
#include "ptx.h"

namespace nanogpt::cuda {

constexpr uint32_t kTileRowsOfGroup = 8;

struct TileIndex {
  uint32_t row, column;
};

// Tile number `index` of rows x columns tiles.
DEVICE TileIndex grouped_tile(uint32_t index, uint32_t rows, uint32_t columns) {
  const uint32_t of_group = kTileRowsOfGroup * columns, first = index / of_group * kTileRowsOfGroup;
  const uint32_t height = rows - first < kTileRowsOfGroup ? rows - first : kTileRowsOfGroup, within = index % of_group;
  return {first + within % height, within / height};
}

// Tile number `index` of those with column <= row, row after row.
DEVICE TileIndex lower_tile(uint32_t index) {
  uint32_t row = 0;
  while ((row + 1) * (row + 2) / 2 <= index) row++;
  return {row, index - row * (row + 1) / 2};
}

// The same of tiles twice as wide as high: those that reach to or below the diagonal.
DEVICE TileIndex wide_lower_tile(uint32_t index) {
  uint32_t pair = 0;  // of rows
  while ((pair + 1) * (pair + 2) <= index) pair++;
  const uint32_t within = index - pair * (pair + 1);
  return {2 * pair + within / (pair + 1), within % (pair + 1)};
}

}  // namespace nanogpt::cuda
