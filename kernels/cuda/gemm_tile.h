// Tiles of bf16 operands on their way from global memory to the registers of mma.sync: copied to shared memory in pieces of
// 16 bytes, swizzled so that no eight rows that are read together share a bank, and loaded as fragments. A tile is kept as it
// is stored: rows of k (`along_k`: [i][k]) or rows of i ([k][i], in boxes of 64 columns), so no operand is ever transposed in
// memory; ldmatrix does it. The layouts are those of TMA with 128-byte (or, for rows of 32 k, 64-byte) swizzle. Multiplies
// nothing. May include only ptx.h and gemm.h.
#pragma once
#include "gemm.h"
#include "ptx.h"

namespace nanogpt::cuda {

constexpr uint32_t kPieceBytes = 16, kPiece = kPieceBytes / 2;  // bf16 of a piece
constexpr uint32_t kBox = 64;                                   // columns of a box: 128 bytes

// Where a tile of `size` i and `depth` k (64 or 32) holds things, in bytes from its start.
template <bool along_k, uint32_t depth>
struct TileLayout {
  static_assert(depth == 32 || depth == 64);
  // The piece that holds (i, k); i or k, whichever lies along the rows, is a multiple of 8.
  static DEVICE uint32_t offset(uint32_t i, uint32_t k) {
    constexpr uint32_t kRowBytes = along_k ? depth * 2 : kBox * 2, kMask = kRowBytes / kPieceBytes - 1;
    const uint32_t row = along_k ? i : i / kBox * depth + k, piece = along_k ? k / kPiece : i % kBox / kPiece;
    const uint32_t start = row * kRowBytes;
    return start + ((piece ^ (start / 128 & kMask)) * kPieceBytes);
  }
};

// What one of `threads` threads copies of an operand's tiles, one tile after another along k.
template <bool along_k, uint32_t size, uint32_t depth, uint32_t threads>
class TileCopy {
 public:
  // first: the tile's first i of `limit`; k goes from begin to end.
  DEVICE TileCopy(const Operand& x, uint32_t batch, uint32_t first, uint32_t limit, uint32_t begin, uint32_t end)
      : data_(static_cast<const bf16*>(x.data) + batch * x.batch_stride), ld_(x.ld), k_(begin + own_k()), end_(end) {
    const uint32_t i = first + own_i();
    at_ = data_ + (along_k ? i * ld_ + k_ : k_ * ld_ + i);
    left_ = i < limit ? limit - i : 0;
  }

  // Begins to copy the next tile to shared memory at `tile`; beyond the operand's ends it is zero.
  DEVICE void next(uint32_t tile) {
    for (uint32_t piece = 0; piece < kPieces; piece++) {
      const uint32_t k = along_k ? k_ : k_ + piece * kRows, passed = along_k ? piece * kRows : 0;
      const uint32_t left_k = k < end_ ? end_ - k : 0, left_i = left_ > passed ? left_ - passed : 0;
      const uint32_t along = along_k ? left_k : left_i, across = along_k ? left_i : left_k;
      const uint32_t bytes = across == 0 ? 0 : along < kPiece ? along * 2 : kPieceBytes;
      const bf16* const from = at_ + piece * kRows * ld_;
      const uint32_t i = own_i() + passed, tile_k = own_k() + (along_k ? 0 : piece * kRows);
      cp_async_16(tile + TileLayout<along_k, depth>::offset(i, tile_k), bytes == 0 ? data_ : from, bytes);
    }
    k_ += depth;
    at_ += along_k ? uint64_t{depth} : depth * ld_;
  }

 private:
  static constexpr uint32_t kOfRow = (along_k ? depth : size) / kPiece;  // pieces of a row
  static constexpr uint32_t kRows = threads / kOfRow;                    // rows that all threads copy at once
  static constexpr uint32_t kPieces = (along_k ? size : depth) / kRows;  // of a thread
  static_assert(threads % kOfRow == 0 && (along_k ? size : depth) % kRows == 0);

  static DEVICE uint32_t own_i() { return along_k ? threadIdx.x / kOfRow : threadIdx.x % kOfRow * kPiece; }
  static DEVICE uint32_t own_k() { return along_k ? threadIdx.x % kOfRow * kPiece : threadIdx.x / kOfRow; }

  const bf16* data_;
  const bf16* at_;
  uint64_t ld_;
  uint32_t k_, end_, left_;
};

// The fragments of 16 i x 16 k from (i, k) of a tile on. For operand a of mma the four registers are a's; for operand b the
// first two are b of the first 8 i, the last two of the others.
template <bool along_k, bool b, uint32_t depth>
DEVICE void load_fragment(uint32_t (&r)[4], uint32_t tile, uint32_t i, uint32_t k) {
  const uint32_t lane = lane_index(), bit3 = lane / 8 % 2 * 8, bit4 = lane / 16 * 8, low = lane % 8;
  const uint32_t half_i = b ? bit4 : bit3, half_k = b ? bit3 : bit4;
  const uint32_t row_i = along_k ? low : 0, row_k = along_k ? 0 : low;
  const uint32_t at = tile + TileLayout<along_k, depth>::offset(i + half_i + row_i, k + half_k + row_k);
  if (along_k) {
    load_matrix_x4(r, at);
  } else {
    load_matrix_x4_transposed(r, at);
  }
}

}  // namespace nanogpt::cuda
