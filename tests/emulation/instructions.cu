// The instructions of a warp and of copies without maps against tables written from the PTX ISA's figures, position by
// position (which lane holds it), where the emulation goes lane by lane. Runs the self-test's kernels.
#include "../../kernels/cuda/selftest.cu"
#include "cases.h"
#include "random_words.h"
#include <cstring>

namespace {

using namespace nanogpt::cuda;
using nanogpt::emulation_tests::Gpu;
using nanogpt::emulation_tests::RandomWords;

// Figure "Fragment layout for mma.m16n8k16 matrix A", by quarters of 8 x 8: which register of the lane holds row, column.
struct Holder {
  uint32_t lane, index;
};
Holder holder_of_a(uint32_t row, uint32_t column) {
  const uint32_t quarter = row < 8 ? (column < 8 ? 0 : 2) : (column < 8 ? 1 : 3);
  return {row % 8 * 4 + column % 8 / 2, 2 * quarter + column % 2};
}
Holder holder_of_b(uint32_t k, uint32_t column) { return {column * 4 + k % 8 / 2, (k < 8 ? 0 : 2) + k % 2}; }
Holder holder_of_d(uint32_t row, uint32_t column) { return {row % 8 * 4 + column / 2, (row < 8 ? 0 : 2) + column % 2}; }

uint16_t half_of(const uint32_t* registers, uint32_t index) {
  return static_cast<uint16_t>(registers[index / 2] >> (index % 2 * 16));
}

PASSES(mma_is_the_product_of_its_fragments) {
  RandomWords random(gpu.seed);
  std::vector<uint32_t> in(320);
  for (uint32_t lane = 0; lane < 32; lane++) {
    for (uint32_t i = 0; i < 6; i++) in[10 * lane + i] = random.integers_bf16();
    for (uint32_t i = 6; i < 10; i++) in[10 * lane + i] = bits_of(static_cast<float>(random.integer(100)));
  }
  uint32_t* const out = gpu.array<uint32_t>(128);
  gpu.launch("selftest_mma", {1, 32, 2048}, SelftestParams{gpu.array(in), out});
  const auto found = gpu.read(out, 128);
  for (uint32_t row = 0; row < 16; row++) {
    for (uint32_t column = 0; column < 8; column++) {
      const Holder at = holder_of_d(row, column);
      float sum = float_of(in[10 * at.lane + 6 + at.index]);
      for (uint32_t k = 0; k < 16; k++) {
        const Holder a = holder_of_a(row, k), b = holder_of_b(k, column);
        sum += to_float(bf16{half_of(&in[10 * a.lane], a.index)}) * to_float(bf16{half_of(&in[10 * b.lane + 4], b.index)});
      }
      // Integers: exact in every order.
      if (float_of(found[4 * at.lane + at.index]) != sum) gpu.wrong("mma at " + std::to_string(row) + ", " + std::to_string(column));
    }
  }
}

PASSES(ldmatrix_gives_each_lane_two_neighbours) {
  RandomWords random(gpu.seed);
  const auto in = random.words(128);
  const uint16_t* const halves = reinterpret_cast<const uint16_t*>(in.data());
  uint32_t* const out = gpu.array<uint32_t>(32 * 13);
  gpu.launch("selftest_load_matrix", {1, 32, 2048}, SelftestParams{gpu.array(in), out});
  const auto found = gpu.read(out, 32 * 13);
  uint32_t start = 0;
  for (const auto& [count, transposed] : {std::pair{1u, false}, {2u, false}, {4u, false}, {2u, true}, {4u, true}}) {
    for (uint32_t m = 0; m < count; m++) {
      for (uint32_t row = 0; row < 8; row++) {
        for (uint32_t column = 0; column < 8; column++) {
          // Without transposition a row is spread over four lanes, with it a column is.
          const uint32_t lane = transposed ? column * 4 + row / 2 : row * 4 + column / 2;
          const uint16_t wanted = halves[64 * m + 8 * row + column];
          if (half_of(&found[start + lane * count + m], (transposed ? row : column) % 2) != wanted)
            gpu.wrong("ldmatrix x" + std::to_string(count) + (transposed ? ".trans" : ""));
        }
      }
    }
    start += 32 * count;
  }
}

PASSES(stmatrix_is_its_inverse) {
  RandomWords random(gpu.seed);
  const auto in = random.words(128);
  uint32_t* const out = gpu.array<uint32_t>(256);
  gpu.launch("selftest_store_matrix", {1, 32, 3072}, SelftestParams{gpu.array(in), out});
  const auto found = gpu.read(out, 256);
  const uint16_t* const halves = reinterpret_cast<const uint16_t*>(found.data());
  for (uint32_t i = 0; i < 256; i++) {
    const uint32_t m = i / 64, row = i / 8 % 8, column = i % 8;
    const uint32_t plain = row * 4 + column / 2, transposed = column * 4 + row / 2;
    if (halves[i] != half_of(&in[4 * plain + m], column % 2)) gpu.wrong("stmatrix");
    if (halves[256 + i] != half_of(&in[4 * transposed + m], row % 2)) gpu.wrong("stmatrix.trans");
  }
}

PASSES(cp_async_fills_with_zeros) {
  RandomWords random(gpu.seed);
  const auto in = random.words(128);
  uint32_t* const out = gpu.array<uint32_t>(256);
  gpu.launch("selftest_cp_async", {1, 32, 3072}, SelftestParams{gpu.array(in), out});
  const auto found = gpu.read(out, 256);
  const unsigned char* const bytes = reinterpret_cast<const unsigned char*>(found.data());
  const unsigned char* const source = reinterpret_cast<const unsigned char*>(in.data());
  for (uint32_t i = 0; i < 512; i++) {
    const unsigned char wanted = i % 16 < i / 16 % 17 ? source[i] : 0;
    if (bytes[i] != wanted || bytes[512 + i] != source[i]) gpu.wrong("cp.async at byte " + std::to_string(i));
  }
}

PASSES(mbarrier_passes_words_phase_by_phase) {
  RandomWords random(gpu.seed);
  const auto in = random.words(256);
  uint32_t* const out = gpu.array<uint32_t>(256);
  gpu.launch("selftest_mbarrier", {1, 64, 4096}, SelftestParams{gpu.array(in), out});
  const auto found = gpu.read(out, 256);
  for (uint32_t i = 0; i < 256; i++) {
    if (found[i] != in[i / 64 * 64 + (i + 37) % 64]) gpu.wrong("mbarrier at word " + std::to_string(i));
  }
}

PASSES(bulk_load_then_reduce_adds) {
  RandomWords random(gpu.seed);
  std::vector<float> in(256), before(256);
  for (uint32_t i = 0; i < 256; i++) {
    in[i] = static_cast<float>(random.integer(100));
    before[i] = static_cast<float>(random.integer(100));
  }
  float* const out = gpu.array(before);
  gpu.launch("selftest_bulk", {1, 64, 4096},
             SelftestParams{reinterpret_cast<uint32_t*>(gpu.array(in)), reinterpret_cast<uint32_t*>(out)});
  const auto found = gpu.read(out, 256);
  for (uint32_t i = 0; i < 256; i++) {
    if (found[i] != in[i] + before[i]) gpu.wrong("bulk reduce at float " + std::to_string(i));
  }
}

}  // namespace
