// The self-test: every asynchronous and matrix instruction on random data of the host, compared with what the PTX ISA says of
// it (../emulation/fragments.h). Meant for real GPUs, which nothing else here has touched; the emulation passes it as well.
// Copies are compared bit by bit, products with a tolerance. May include only selftest.h, selftest_run.h,
// ../emulation/fragments.h and the standard library.
#include "../emulation/fragments.h"
#include "selftest.h"
#include "selftest_run.h"

namespace nanogpt::cuda {
namespace {

using emulation::Element;

// Runs a kernel of words in and `count` words (or floats) out, which begin as `before`.
template <class T>
std::vector<T> run(Selftest& test, const char* kernel, uint32_t threads, const std::vector<uint32_t>& in, size_t count,
                   std::vector<T> before = {}) {
  test.reset();
  before.resize(count);
  T* const out = test.put(before);
  test.launch(kernel, {{1}, threads, 4096}, SelftestParams{test.put(in), reinterpret_cast<uint32_t*>(out)});
  test.get(before, out);
  return before;
}

uint16_t half(uint32_t word, uint32_t which) { return static_cast<uint16_t>(word >> (16 * which)); }

void test_load_matrix(Selftest& test) {
  const auto in = test.words(128);
  const auto found = run<uint32_t>(test, "selftest_load_matrix", 32, in, 32 * 13);
  const uint16_t* const rows = reinterpret_cast<const uint16_t*>(in.data());
  uint32_t start = 0, wrong = 0;
  for (const auto& [count, transposed] : {std::pair{1u, false}, {2u, false}, {4u, false}, {2u, true}, {4u, true}}) {
    for (uint32_t i = 0; i < 64 * count; i++) {
      const uint32_t lane = i / 2 % 32, m = i / 64;
      Element at = emulation::matrix_element(lane, i % 2);
      if (transposed) at = {at.column, at.row};
      wrong += half(found[start + lane * count + m], i % 2) != rows[64 * m + 8 * at.row + at.column];
    }
    start += 32 * count;
  }
  test.exact("ldmatrix", 5, wrong);
}

void test_store_matrix(Selftest& test) {
  const auto in = test.words(128);
  const auto found = run<uint32_t>(test, "selftest_store_matrix", 32, in, 256);
  const uint16_t* const rows = reinterpret_cast<const uint16_t*>(found.data());
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < 256; i++) {
    const uint32_t lane = i / 2 % 32, m = i / 64;
    const Element at = emulation::matrix_element(lane, i % 2);
    const uint16_t wanted = half(in[4 * lane + m], i % 2);
    wrong += rows[64 * m + 8 * at.row + at.column] != wanted;
    wrong += rows[256 + 64 * m + 8 * at.column + at.row] != wanted;
  }
  test.exact("stmatrix", 2, wrong);
}

void test_mma(Selftest& test) {
  std::vector<uint32_t> in(320);
  std::vector<float> a(256), b(128), d(128);
  for (uint32_t lane = 0; lane < 32; lane++) {
    const auto put = [&](uint32_t j, uint32_t first, float x) { in[10 * lane + first + j / 2] |= bf16_bits(x) << (16 * (j % 2)); };
    for (uint32_t j = 0; j < 8; j++) {
      const Element at = emulation::mma_a(lane, j);
      put(j, 0, a[16 * at.row + at.column] = test.value());
    }
    for (uint32_t j = 0; j < 4; j++) {
      const Element k = emulation::mma_b(lane, j), at = emulation::mma_d(lane, j);
      put(j, 4, b[8 * k.row + k.column] = test.value());
      const float x = d[8 * at.row + at.column] = test.value();
      std::memcpy(&in[10 * lane + 6 + j], &x, sizeof x);
    }
  }
  const auto found = run<float>(test, "selftest_mma", 32, in, 128);
  double worst = 0;
  for (uint32_t i = 0; i < 128; i++) {
    const Element at = emulation::mma_d(i / 4, i % 4);
    double sum = d[8 * at.row + at.column], magnitude = std::fabs(sum);
    for (uint32_t k = 0; k < 16; k++) {
      const double term = double{a[16 * at.row + k]} * b[8 * k + at.column];
      sum += term;
      magnitude += std::fabs(term);
    }
    worst = larger(worst, std::fabs(found[i] - sum) / (magnitude * kProductTolerance));
  }
  test.close("mma.sync", 1, worst);
}

void test_copies(Selftest& test) {
  const auto in = test.words(128);
  const auto copied = run<uint32_t>(test, "selftest_cp_async", 32, in, 256);
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < 512; i++) {
    const auto byte = [i](const uint32_t* words) { return reinterpret_cast<const unsigned char*>(words)[i]; };
    wrong += byte(copied.data()) != (i % 16 < i / 16 % 17 ? byte(in.data()) : 0);
    wrong += byte(copied.data() + 128) != byte(in.data());
  }
  test.exact("cp.async", 2, wrong);

  const auto words = test.words(256);
  const auto passed = run<uint32_t>(test, "selftest_mbarrier", 64, words, 256);
  wrong = 0;
  for (uint32_t i = 0; i < 256; i++) wrong += passed[i] != words[i / 64 * 64 + (i + 37) % 64];
  test.exact("mbarrier", 4, wrong);

  std::vector<float> added(256);
  std::vector<uint32_t> bits(256);
  for (uint32_t i = 0; i < 256; i++) {
    added[i] = test.value();
    std::memcpy(&bits[i], &added[i], 4);
  }
  const auto before = added;
  const auto sums = run<float>(test, "selftest_bulk", 64, bits, 256, before);
  wrong = 0;
  for (uint32_t i = 0; i < 256; i++) wrong += sums[i] != added[i] + before[i];
  test.exact("cp.async.bulk, cp.reduce.async.bulk", 2, wrong);
}

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_selftest(uint64_t context, uint64_t out_text, uint32_t capacity) {
  if (context == 0) return NANOGPT_INVALID;
  Context& c = context_at(context);
  if (out_text == 0 || capacity == 0)
    return c.fail(NANOGPT_INVALID, "The self-test takes an address for its report and at least 1 byte");
  if (c.isa() != NANOGPT_ISA_SM90A)
    return c.fail(NANOGPT_UNSUPPORTED, "The self-test is of the instructions of sm_90a; this GPU has fewer");
  Selftest test(c, context);
  test_load_matrix(test);
  test_store_matrix(test);
  test_mma(test);
  test_copies(test);
  test_tensor_copies(test);
  test_wgmma(test);
  std::snprintf(reinterpret_cast<char*>(out_text), capacity, "%s", test.report().c_str());
  return test.status();
}
