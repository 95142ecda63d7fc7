// Where matrix instructions keep their elements: fragments in registers, tiles in shared memory (swizzles, descriptors). Pure
// functions of the PTX ISA's figures ("Matrix Fragments for mma.m16n8k16", "Register Fragments" and "Strides" of wgmma);
// they move nothing. May include only the standard library; host code that checks a real GPU includes this too.
#pragma once
#include <cstdint>

namespace nanogpt::emulation {

struct Element {
  uint32_t row, column;
};

// Register r of an 8 x 8 matrix's fragment holds these two elements of it, the first in the lower half.
constexpr Element matrix_element(uint32_t lane, uint32_t half) { return {lane / 4, 2 * (lane % 4) + half}; }

// mma.m16n8k16: element j of a (0..7; register j / 2), of b (0..3; row is k), of c and d (0..3).
constexpr Element mma_a(uint32_t lane, uint32_t j) { return {lane / 4 + 8 * (j / 2 % 2), 2 * (lane % 4) + j % 2 + 8 * (j / 4)}; }
constexpr Element mma_b(uint32_t lane, uint32_t j) { return {2 * (lane % 4) + j % 2 + 8 * (j / 2), lane / 4}; }
constexpr Element mma_d(uint32_t lane, uint32_t j) { return {lane / 4 + 8 * (j / 2), 2 * (lane % 4) + j % 2}; }

// wgmma: element j of a in registers (0..7) and accumulator i of thread 0..127.
constexpr Element wgmma_a(uint32_t thread, uint32_t j) {
  const Element inside = mma_a(thread % 32, j);
  return {16 * (thread / 32) + inside.row, inside.column};
}
constexpr Element wgmma_d(uint32_t thread, uint32_t i) {
  return {16 * (thread / 32) + thread % 32 / 4 + 8 * (i / 2 % 2), 8 * (i / 4) + 2 * (thread % 4) + i % 2};
}

// A swizzle of `width` bytes (0, 32, 64, 128) exchanges 16-byte pieces within 8 rows of that width: bits 4.. of the absolute
// shared address are combined with bits 7...
constexpr uint32_t swizzled(uint32_t address, uint32_t width) {
  return width == 0 ? address : address ^ ((address >> 7 & (width / 16 - 1)) << 4);
}

// The fields of a wgmma matrix descriptor, in bytes.
struct MatrixDescriptor {
  uint32_t start, leading, stride, base_offset;
  uint32_t width;  // of the swizzle, 0 for none
  bool reserved;   // bits set that must be 0
};
constexpr MatrixDescriptor decode_descriptor(uint64_t bits) {
  const auto field = [bits](uint32_t low) { return static_cast<uint32_t>(bits >> low & 0x3fff) << 4; };
  constexpr uint64_t used = 0x3fffull | 0x3fffull << 16 | 0x3fffull << 32 | 7ull << 49 | 3ull << 62;
  constexpr uint32_t widths[] = {0, 128, 64, 32};
  return {field(0), field(16), field(32), static_cast<uint32_t>(bits >> 49 & 7), widths[bits >> 62], (bits & ~used) != 0};
}

// Shared address of the bf16 element (mn, k) of an operand: mn is m of a or n of b; transposed: mn is contiguous in memory.
constexpr uint32_t operand_address(const MatrixDescriptor& d, bool transposed, uint32_t mn, uint32_t k) {
  const uint32_t w = d.width, mn_bytes = 2 * mn, k_bytes = 2 * k;
  uint32_t offset = 0;
  if (!transposed && w != 0) offset = mn / 8 * d.stride + mn % 8 * w + k_bytes;
  if (!transposed && w == 0) offset = mn / 8 * d.stride + mn % 8 * 16 + k_bytes / 16 * d.leading + k_bytes % 16;
  if (transposed && w != 0) offset = mn_bytes / w * d.leading + k / 8 * d.stride + k % 8 * w + mn_bytes % w;
  if (transposed && w == 0) offset = mn_bytes / 16 * d.stride + k / 8 * d.leading + k % 8 * 16 + mn_bytes % 16;
  return swizzled(d.start + offset, w);
}

}  // namespace nanogpt::emulation
