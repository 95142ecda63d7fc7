// The self-test of wgmma: every width, transposition and swizzle, and a in registers;
// two products of 16 of k each.
// May include only selftest.h, selftest_run.h, ../emulation/fragments.h and the standard library.
#include "../emulation/fragments.h"
#include "selftest.h"
#include "selftest_run.h"

namespace nanogpt::cuda {
namespace {

using emulation::Element;

constexpr uint32_t kRows = 64, kDepth = 32, kStep = 16, kThreads = 128;

// A dense operand of `extent` rows (columns): its descriptor from byte `start`, and how far the second product begins.
struct Operand {
  emulation::MatrixDescriptor at;
  bool transposed;
  uint32_t step, bytes;

  Operand(uint32_t start, uint32_t extent, bool is_transposed, Swizzle swizzle) : at{}, transposed(is_transposed) {
    const uint32_t w = swizzle == Swizzle::none ? 0 : 16u << static_cast<uint32_t>(swizzle);
    at.start = start;
    at.width = w;
    if (w == 0) {  // matrices of 8 rows of 16 bytes, one after another
      const uint32_t along_k = transposed ? 128 : extent * 16, along_mn = transposed ? kDepth * 16 : 128;
      at.leading = along_k;
      at.stride = along_mn;
      step = 2 * along_k;
      bytes = extent * kDepth * 2;
    } else if (transposed) {  // columns of `w` bytes of all k
      at.leading = kDepth * w;
      at.stride = 8 * w;
      step = kStep * w;
      bytes = (2 * extent + w - 1) / w * at.leading;
    } else {  // rows of `w` bytes; where these hold 16 of k only, the next 16 lie behind all rows
      at.leading = 16;
      at.stride = 8 * w;
      step = w == 32 ? extent * w : 2 * kStep;
      bytes = (w == 32 ? 2 : 1) * extent * w;
    }
  }

  uint32_t address(uint32_t mn, uint32_t k) const {
    emulation::MatrixDescriptor product = at;
    product.start += k / kStep * step;
    return emulation::operand_address(product, transposed, mn, k % kStep);
  }
};

struct Product {
  uint32_t n;
  Swizzle swizzle;
  const char* form;  // letters of the kernel's name: a is k-major, m-major or in registers; b is k-major or n-major
};

void put(std::vector<uint32_t>& words, uint32_t byte, float x) { words[byte / 4] |= bf16_bits(x) << (byte % 4 * 8); }

// The worst difference in shares of what is allowed.
double difference(Selftest& test, const Product& product) {
  const uint32_t n = product.n;
  std::vector<float> a(kRows * kDepth), b(n * kDepth);
  for (float& x : a) x = test.value();
  for (float& x : b) x = test.value();
  const Operand in_a(0, kRows, product.form[0] == 'm', product.swizzle);
  const Operand in_b((in_a.bytes + 1023) / 1024 * 1024, n, product.form[1] == 'n', product.swizzle);
  const uint32_t image = in_b.at.start + in_b.bytes;
  std::vector<uint32_t> in(image / 4 + 2 * kThreads * 4);
  for (uint32_t i = 0; i < a.size(); i++) put(in, in_a.address(i / kDepth, i % kDepth), a[i]);
  for (uint32_t i = 0; i < b.size(); i++) put(in, in_b.address(i / kDepth, i % kDepth), b[i]);
  for (uint32_t i = 0; i < 2 * kThreads * 8; i++) {
    const Element at = emulation::wgmma_a(i / 8 % kThreads, i % 8);
    put(in, image + 2 * i, a[at.row * kDepth + i / (8 * kThreads) * kStep + at.column]);
  }
  test.reset();
  std::vector<float> found(kRows * n);
  float* const out = test.put(found);
  const SelftestWgmmaParams params{test.put(in), out, image, in_a.at.start, in_a.step, in_a.at.leading, in_a.at.stride,
                                   in_b.at.start, in_b.step, in_b.at.leading, in_b.at.stride, product.swizzle};
  const std::string kernel = "selftest_wgmma_n" + std::to_string(n) + "_" + product.form;
  test.launch(kernel.c_str(), {{1}, kThreads, image + 1024}, params);
  test.get(found, out);
  double worst = 0;
  for (uint32_t i = 0; i < found.size(); i++) {
    const Element at = emulation::wgmma_d(i / (n / 2), i % (n / 2));
    double sum = 0, magnitude = 0;
    for (uint32_t k = 0; k < kDepth; k++) {
      const double term = double{a[at.row * kDepth + k]} * b[at.column * kDepth + k];
      sum += term;
      magnitude += std::fabs(term);
    }
    worst = larger(worst, std::fabs(found[i] - sum) / (magnitude * kProductTolerance));
  }
  return worst;
}

}  // namespace

void test_wgmma(Selftest& test) {
  constexpr const char* forms[][2] = {{"kk", "wgmma, both k-major"},       {"kn", "wgmma, b n-major"},
                                      {"mk", "wgmma, a m-major"},          {"mn", "wgmma, both transposed"},
                                      {"rk", "wgmma, a in registers"},     {"rn", "wgmma, a in registers, b n-major"}};
  for (const auto& [form, name] : forms) {
    uint32_t cases = 0;
    double worst = 0;
    for (uint32_t n = 32; n <= 256; n += 32) {
      for (uint32_t swizzle = 0; swizzle < 4; swizzle++, cases++)
        worst = larger(worst, difference(test, {n, static_cast<Swizzle>(swizzle), form}));
    }
    test.close(name, cases, worst);
  }
}

}  // namespace nanogpt::cuda
