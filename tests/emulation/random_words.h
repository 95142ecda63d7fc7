// Random data of the emulation's tests, by seed.
#pragma once
#include <cstdint>
#include <random>
#include <vector>

namespace nanogpt::emulation_tests {

class RandomWords {
 public:
  explicit RandomWords(uint32_t seed) : engine_(seed + 1) {}

  uint32_t word() { return static_cast<uint32_t>(engine_()); }
  std::vector<uint32_t> words(size_t count) {
    std::vector<uint32_t> all(count);
    for (uint32_t& w : all) w = word();
    return all;
  }
  // -most to most.
  int32_t integer(int32_t most) { return static_cast<int32_t>(word() % (2 * static_cast<uint32_t>(most) + 1)) - most; }
  // A bf16 that is an integer from -8 to 8: sums of products of such are exact in every order.
  uint16_t integer_bf16() {
    static const uint16_t positive[] = {0, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0, 0x4100};
    const int32_t x = integer(8);
    return static_cast<uint16_t>(x < 0 ? positive[-x] | 0x8000 : positive[x]);
  }
  uint32_t integers_bf16() {
    const uint32_t low = integer_bf16();
    return low | uint32_t{integer_bf16()} << 16;
  }

 private:
  std::mt19937 engine_;
};

}  // namespace nanogpt::emulation_tests
