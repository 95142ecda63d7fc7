// wgmma in every width, transposition, swizzle and with a in registers, on images of shared memory laid out from the PTX
// ISA's figures of canonical layouts. Runs the self-test's kernels. Under each seed other widths and swizzles.
#include "../../kernels/cuda/selftest_wgmma.cu"
#include "cases.h"
#include "random_words.h"

namespace {

using namespace nanogpt::cuda;
using nanogpt::emulation_tests::Gpu;
using nanogpt::emulation_tests::RandomWords;

constexpr uint32_t kDepth = 32;  // two products of 16

struct Layout {
  uint32_t step, leading, stride;  // bytes
  std::vector<uint32_t> offset;    // bytes of element (mn, k), [mn][kDepth]
  uint32_t bytes;
};

// Within 8 rows of `width` bytes the 16-byte piece c of row r lies at place c ^ (r / rows that share 128 bytes).
uint32_t place(uint32_t row, uint32_t byte, uint32_t width) {
  const uint32_t exchange = width == 128 ? row % 8 : width == 64 ? row / 2 % 4 : row / 4 % 2;
  return row * width + (byte / 16 ^ exchange) * 16 + byte % 16;
}

Layout k_major(uint32_t extent, uint32_t width) {
  Layout layout{0, 16, 0, std::vector<uint32_t>(extent * kDepth), extent * 2 * kDepth};
  for (uint32_t mn = 0; mn < extent; mn++) {
    for (uint32_t k = 0; k < kDepth; k++) {
      uint32_t& at = layout.offset[mn * kDepth + k];
      if (width == 0) {  // core matrices of 8 rows of 16 bytes, those of one k after another
        at = k / 8 * (extent * 16) + mn / 8 * 128 + mn % 8 * 16 + k % 8 * 2;
      } else if (width == 32) {  // two tiles of 16 k
        at = k / 16 * (extent * 32) + place(mn, k % 16 * 2, 32);
      } else {
        at = place(mn, 2 * k, width);
      }
    }
  }
  layout.stride = width == 0 ? 128 : 8 * width;
  layout.leading = width == 0 ? extent * 16 : 16;
  layout.step = width == 0 ? 2 * layout.leading : width == 32 ? extent * 32 : 32;
  if (width == 128) layout.bytes = extent * 128;
  return layout;
}

Layout mn_major(uint32_t extent, uint32_t width) {
  Layout layout{0, 0, 0, std::vector<uint32_t>(extent * kDepth), extent * 2 * kDepth};
  for (uint32_t mn = 0; mn < extent; mn++) {
    for (uint32_t k = 0; k < kDepth; k++) {
      const uint32_t wide = width / 2;  // elements of mn in a row
      layout.offset[mn * kDepth + k] = width == 0 ? mn / 8 * (kDepth * 16) + k / 8 * 128 + k % 8 * 16 + mn % 8 * 2
                                                  : mn / wide * (kDepth * width) + place(k, mn % wide * 2, width);
    }
  }
  layout.leading = width == 0 ? 128 : kDepth * width;
  layout.stride = width == 0 ? kDepth * 16 : 8 * width;
  layout.step = width == 0 ? 256 : 16 * width;
  if (width != 0 && extent % (width / 2) != 0) layout.bytes = (extent / (width / 2) + 1) * (kDepth * width);
  return layout;
}

// Figure of accumulator D: which thread and register hold row, column; of a in registers likewise.
uint32_t thread_of(uint32_t row, uint32_t column) { return row / 16 * 32 + row % 8 * 4 + column % 8 / 2; }
uint32_t index_of_d(uint32_t row, uint32_t column) { return column / 8 * 4 + (row % 16 < 8 ? 0 : 2) + column % 2; }
uint32_t register_of_a(uint32_t row, uint32_t k) { return (row % 16 < 8 ? 0 : 1) + (k % 16 < 8 ? 0 : 2); }

void put(std::vector<uint32_t>& words, uint32_t byte, uint16_t bits) {
  words[byte / 4] |= uint32_t{bits} << (byte % 4 * 8);
}

void check_product(Gpu& gpu, uint32_t n, Swizzle swizzle, const std::string& form) {
  const uint32_t width = swizzle == Swizzle::none ? 0 : 16u << static_cast<uint32_t>(swizzle);
  RandomWords random(gpu.seed * 8 + n);
  std::vector<uint16_t> a(64 * kDepth), b(n * kDepth);
  for (uint16_t& x : a) x = random.integer_bf16();
  for (uint16_t& x : b) x = random.integer_bf16();
  const Layout la = form[0] == 'm' ? mn_major(64, width) : k_major(64, width);
  const Layout lb = form[1] == 'n' ? mn_major(n, width) : k_major(n, width);
  const uint32_t b_start = (la.bytes + 1023) / 1024 * 1024, image = b_start + lb.bytes;
  std::vector<uint32_t> in(image / 4 + 1024);
  for (uint32_t i = 0; i < a.size(); i++) {
    const uint32_t row = i / kDepth, k = i % kDepth;
    put(in, la.offset[i], a[i]);
    put(in, image + (k / 16 * 512 + thread_of(row, k) * 4 + register_of_a(row, k)) * 4 + k % 2 * 2, a[i]);
  }
  for (uint32_t i = 0; i < b.size(); i++) put(in, b_start + lb.offset[i], b[i]);
  float* const out = gpu.array<float>(64 * n);
  const SelftestWgmmaParams params{gpu.array(in), out, image, 0, la.step, la.leading, la.stride,
                                   b_start, lb.step, lb.leading, lb.stride, swizzle};
  const std::string kernel = "selftest_wgmma_n" + std::to_string(n) + "_" + form;
  gpu.launch(kernel.c_str(), {1, 128, image + 1024}, params);
  const auto found = gpu.read(out, 64 * n);
  for (uint32_t row = 0; row < 64; row++) {
    for (uint32_t column = 0; column < n; column++) {
      float sum = 0.0f;
      for (uint32_t k = 0; k < kDepth; k++) sum += to_float(bf16{a[row * kDepth + k]}) * to_float(bf16{b[column * kDepth + k]});
      if (found[thread_of(row, column) * (n / 2) + index_of_d(row, column)] != sum) {
        gpu.wrong(kernel + " with swizzle " + std::to_string(width) + " at " + std::to_string(row) + ", " + std::to_string(column));
        return;
      }
    }
  }
}

void check_form(Gpu& gpu, const std::string& form) {
  for (uint32_t i = 0; i < 2; i++) {
    const uint32_t which = gpu.seed + 7 * i;
    check_product(gpu, 32 * (1 + which % 8), static_cast<Swizzle>((which / 8 + which) % 4), form);
  }
}

PASSES(wgmma_with_both_operands_k_major) { check_form(gpu, "kk"); }
PASSES(wgmma_with_b_n_major) { check_form(gpu, "kn"); }
PASSES(wgmma_with_a_m_major) { check_form(gpu, "mk"); }
PASSES(wgmma_with_both_operands_transposed) { check_form(gpu, "mn"); }
PASSES(wgmma_with_a_in_registers) { check_form(gpu, "rk"); }
PASSES(wgmma_with_a_in_registers_and_b_n_major) { check_form(gpu, "rn"); }

}  // namespace
