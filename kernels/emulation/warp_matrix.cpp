// ldmatrix, stmatrix and mma.sync: what the 32 lanes of a warp do together. Addresses must be multiples of 16 inside the
// block's shared memory. In checked mode the sum over k has a random order, as no one knows the tensor cores'. May include
// only block.h, fragments.h, k_order.h, matrix.h, product.h and the standard library.
#include "block.h"
#include "fragments.h"
#include "matrix.h"
#include "product.h"
#include "k_order.h"
#include <cstring>

namespace nanogpt::emulation {
namespace {

constexpr uint32_t kRowBytes = 16;

struct Transfer {
  uint32_t* r;
  uint32_t address;
  char* row;  // the host's memory there
};

char* row_at(const char* op, uint32_t address, Site site) {
  if (address % kRowBytes != 0) fault(site, "%s: shared address %u of a row is no multiple of 16", op, address);
  return shared_pointer(address, kRowBytes, site);
}

// Where element `half` of register m of a lane lies among the rows.
uint16_t* element_at(Transfer* const* lanes, uint32_t m, uint32_t lane, uint32_t half, bool transposed) {
  Element at = matrix_element(lane, half);
  if (transposed) at = {at.column, at.row};
  return reinterpret_cast<uint16_t*>(lanes[8 * m + at.row]->row) + at.column;
}

// The lane of the running warp; each reads or writes the elements that its own registers hold.
Lane& lane_of_warp(uint32_t lane) { return *self().block->lanes[self().warp->index * kWarpLanes + lane]; }

struct Mma {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
};

float float_of_bf16(const uint32_t* registers, uint32_t j) {
  const uint32_t bits = j % 2 == 0 ? registers[j / 2] << 16 : registers[j / 2] & 0xffff0000u;
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

void mma_of_warp(Mma* const* lanes) {
  MmaTiles tiles;
  const KOrder order;
  for (uint32_t lane = 0; lane < kWarpLanes; lane++) {
    const Mma& own = *lanes[lane];
    for (uint32_t j = 0; j < 8; j++) {
      const Element at = mma_a(lane, j);
      tiles.a[at.row][order.of[at.column]] = float_of_bf16(own.a, j);
    }
    for (uint32_t j = 0; j < 4; j++) {
      const Element k = mma_b(lane, j), at = mma_d(lane, j);
      tiles.b[order.of[k.row]][k.column] = float_of_bf16(own.b, j);
      tiles.d[at.row][at.column] = own.d[j];
    }
  }
  multiply(tiles);
  for (uint32_t lane = 0; lane < kWarpLanes; lane++) {
    for (uint32_t j = 0; j < 4; j++) {
      const Element at = mma_d(lane, j);
      lanes[lane]->d[j] = tiles.d[at.row][at.column];
    }
  }
}

}  // namespace

void load_matrix(uint32_t* r, uint32_t count, bool transposed, uint32_t address, Site site) {
  Transfer mine{r, address, nullptr};
  if (self().lane < 8 * count) mine.row = row_at("ldmatrix", address, site);
  collective("ldmatrix", 0xffffffffu, mine, [=](Transfer* const* lanes) {
    for (uint32_t m = 0; m < count; m++) {
      for (uint32_t lane = 0; lane < kWarpLanes; lane++) {
        const uint16_t* const low = element_at(lanes, m, lane, 0, transposed);
        const uint16_t* const high = element_at(lanes, m, lane, 1, transposed);
        note_read(lane_of_warp(lane), low, sizeof *low, site);
        note_read(lane_of_warp(lane), high, sizeof *high, site);
        lanes[lane]->r[m] = uint32_t{*low} | uint32_t{*high} << 16;
      }
    }
  }, site);
}

void store_matrix(uint32_t address, const uint32_t* r, uint32_t count, bool transposed, Site site) {
  Transfer mine{const_cast<uint32_t*>(r), address, nullptr};
  if (self().lane < 8 * count) mine.row = row_at("stmatrix", address, site);
  collective("stmatrix", 0xffffffffu, mine, [=](Transfer* const* lanes) {
    for (uint32_t m = 0; m < count; m++) {
      for (uint32_t lane = 0; lane < kWarpLanes; lane++) {
        const uint32_t both = lanes[lane]->r[m];
        uint16_t* const low = element_at(lanes, m, lane, 0, transposed);
        uint16_t* const high = element_at(lanes, m, lane, 1, transposed);
        note_write(lane_of_warp(lane), low, sizeof *low, site);
        note_write(lane_of_warp(lane), high, sizeof *high, site);
        *low = static_cast<uint16_t>(both);
        *high = static_cast<uint16_t>(both >> 16);
      }
    }
  }, site);
}

void mma_m16n8k16(float* d, const uint32_t* a, const uint32_t* b, Site site) {
  Mma mine{d, a, b};
  collective("mma.sync", 0xffffffffu, mine, mma_of_warp, site);
}

}  // namespace nanogpt::emulation
