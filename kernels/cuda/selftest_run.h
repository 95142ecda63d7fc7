// One run of the self-test: random data, memory of the GPU, launches, and the lines of its report.
// Knows no instruction.
// May include only context.h and the standard library.
#pragma once
#include "context.h"
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace nanogpt::cuda {

inline uint32_t bf16_bits(float exact) {
  uint32_t bits;
  std::memcpy(&bits, &exact, sizeof bits);
  return bits >> 16;
}
// The larger of two differences; NaN stays.
inline double larger(double a, double b) { return a > b || std::isnan(a) ? a : b; }

class Selftest {
 public:
  Selftest(Context& context, uint64_t handle) : context_(context), handle_(handle) {}

  uint32_t word() { return static_cast<uint32_t>(random_()); }
  std::vector<uint32_t> words(size_t count) {
    std::vector<uint32_t> all(count);
    for (uint32_t& w : all) w = word();
    return all;
  }
  // A number of magnitude 1/8 to 16 that bf16 holds exactly, with all of its 8 bits.
  float value() {
    const uint32_t bits = word();
    const float x = std::ldexp(1.0f + static_cast<float>(bits % 128) / 128.0f, static_cast<int>(bits / 128 % 7) - 3);
    return (bits >> 31) != 0 ? -x : x;
  }

  // A copy of `values` in the GPU's memory, until the next reset.
  template <class T>
  T* put(const std::vector<T>& values) {
    const uint64_t address = context_.scratch() + used_;
    used_ += (values.size() * sizeof(T) + 255) / 256 * 256;
    if (used_ > kScratchBytes) status_ = context_.fail(NANOGPT_INTERNAL, "The self-test asks for more memory than there is");
    const double bytes = static_cast<double>(values.size() * sizeof(T));
    if (ok()) status_ = nanogpt_upload(handle_, address, reinterpret_cast<uint64_t>(values.data()), bytes);
    return memory<T>(address);
  }
  template <class T>
  void get(std::vector<T>& values, const T* from) {
    const double bytes = static_cast<double>(values.size() * sizeof(T));
    if (ok())
      status_ = nanogpt_download(handle_, reinterpret_cast<uint64_t>(values.data()), reinterpret_cast<uint64_t>(from), bytes);
  }
  template <class Params>
  void launch(const char* kernel, const LaunchShape& shape, const Params& params) {
    if (ok()) status_ = cuda::launch(context_, kernel, shape, params);
  }
  void reset() { used_ = 0; }
  Context& context() { return context_; }
  bool ok() const { return status_ == NANOGPT_OK; }
  // Keeps the status of a call, if it is the first to fail.
  void keep(int32_t status) {
    if (ok()) status_ = status;
  }

  // A line of the report: bits that must agree, or differences in shares of what is allowed.
  void exact(const char* name, uint32_t cases, uint32_t wrong) { line(name, cases, wrong, wrong == 0); }
  void close(const char* name, uint32_t cases, double worst) { line(name, cases, worst, worst <= 1); }

  const std::string& report() const { return report_; }
  int32_t status() const { return status_; }

 private:
  void line(const char* name, uint32_t cases, double worst, bool pass) {
    if (!ok()) return;
    char text[160];
    std::snprintf(text, sizeof text, "%s %-36s %2u cases, worst %.3g\n", pass ? "PASS" : "FAIL", name, cases, worst);
    report_ += text;
  }

  Context& context_;
  const uint64_t handle_;
  std::mt19937 random_{20241119};
  uint64_t used_ = 0;
  int32_t status_ = NANOGPT_OK;
  std::string report_;
};

// Tensor cores align the terms of a sum to the largest and cut them off, in an order that is not documented: each of 32
// terms and the accumulator may lose some units of 2^-23 of the sum of magnitudes.
constexpr double kProductTolerance = 1.0 / (1 << 18);

void test_tensor_copies(Selftest& test);
void test_wgmma(Selftest& test);

}  // namespace nanogpt::cuda
