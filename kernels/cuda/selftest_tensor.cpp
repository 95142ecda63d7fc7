// The self-test of tensor copies: boxes inside and across the edges of a tensor, with every swizzle and type, loaded, loaded
// into two blocks, stored and added. Byte for byte. May include only selftest.h, selftest_run.h, ../emulation/fragments.h
// and the standard library.
#include "../emulation/fragments.h"
#include "selftest.h"
#include "selftest_run.h"

namespace nanogpt::cuda {
namespace {

// Memory of 3 planes of 40 rows of 256 bytes, of which the tensor has 37 rows and 240 bytes of each.
constexpr uint32_t kPlanes = 3, kRows = 40, kPitch = 256, kTensorRows = 37, kTensorBytes = 240;
constexpr uint32_t kBoxRows = 16;
constexpr int32_t kCorners[][2] = {{16, 8}, {-8, 30}, {208, -5}, {-300, 0}};  // bytes, rows

struct Box {
  TensorType type;
  uint32_t element, planes;
  Swizzle swizzle;
  int32_t x, y, plane;

  uint32_t row_bytes() const { return swizzle == Swizzle::none ? 48 : 16u << static_cast<uint32_t>(swizzle); }
  uint32_t bytes() const { return row_bytes() * kBoxRows * planes; }

  // Calls use(byte in shared memory, byte in the tensor's memory or -1).
  template <class Use>
  void for_each_byte(Use use) const {
    for (uint32_t i = 0; i < bytes(); i++) {
      const uint32_t row = i / row_bytes();
      const int32_t at_x = x + static_cast<int32_t>(i % row_bytes()), at_y = y + static_cast<int32_t>(row % kBoxRows),
                    at_plane = plane + static_cast<int32_t>(row / kBoxRows);
      const bool inside = at_x >= 0 && at_x < static_cast<int32_t>(kTensorBytes) && at_y >= 0 &&
                          at_y < static_cast<int32_t>(kTensorRows) && at_plane >= 0 && at_plane < static_cast<int32_t>(kPlanes);
      use(emulation::swizzled(i, swizzle == Swizzle::none ? 0 : row_bytes()),
          inside ? (at_plane * static_cast<int32_t>(kRows) + at_y) * static_cast<int32_t>(kPitch) + at_x : -1);
    }
  }

  SelftestTensorParams params(Selftest& test, const void* memory) const {
    SelftestTensorParams p{};
    const uint64_t dims[] = {kTensorBytes / element, kTensorRows, kPlanes}, strides[] = {kPitch, kPitch * kRows};
    const uint32_t box[] = {row_bytes() / element, kBoxRows, planes};
    test.keep(test.context().encode(p.map, type, planes > 1 ? 3 : 2, reinterpret_cast<uint64_t>(memory), dims, strides, box, swizzle));
    p.corner[0] = x / static_cast<int32_t>(element);
    p.corner[1] = y;
    p.corner[2] = plane;
    p.bytes = bytes();
    return p;
  }
};

template <class Use>
void for_each_box(uint32_t smallest_element, uint32_t planes, Use use) {
  for (const auto& [type, element] : {std::pair{TensorType::uint8, 1u}, {TensorType::bfloat16, 2u}, {TensorType::float32, 4u}}) {
    if (element < smallest_element) continue;
    for (uint32_t swizzle = 0; swizzle < 4; swizzle++) {
      for (const auto& corner : kCorners)
        use(Box{type, element, planes, static_cast<Swizzle>(swizzle), corner[0], corner[1], planes > 1 ? 2 : 0});
    }
  }
}

// blocks: how many get the box.
void test_loads(Selftest& test, const char* name, const char* kernel, uint32_t planes, uint32_t blocks) {
  uint32_t cases = 0, wrong = 0;
  for_each_box(1, planes, [&](const Box& box) {
    test.reset();
    const auto words = test.words(kPlanes * kRows * kPitch / 4);
    const unsigned char* const bytes = reinterpret_cast<const unsigned char*>(words.data());
    SelftestTensorParams params = box.params(test, test.put(words));
    std::vector<unsigned char> found(blocks * box.bytes());
    unsigned char* const out = test.put(found);
    params.out = reinterpret_cast<uint32_t*>(out);
    test.launch(kernel, {{blocks}, 64, box.bytes() + 2048, blocks}, params);
    test.get(found, out);
    for (uint32_t block = 0; block < blocks; block++) {
      box.for_each_byte([&](uint32_t at, int32_t from) {
        wrong += found[block * box.bytes() + at] != (from < 0 ? 0 : bytes[from]);
      });
    }
    cases++;
  });
  test.exact(name, cases, wrong);
}

// Floats or pairs of bf16, small integers so that sums are exact.
std::vector<uint32_t> integers(Selftest& test, const Box& box, uint32_t bytes) {
  std::vector<uint32_t> all(bytes / 4);
  for (uint32_t& word : all) {
    const auto next = [&] { return static_cast<float>(test.word() % 17) - 8.0f; };
    const float x = next();
    if (box.element == 4) std::memcpy(&word, &x, sizeof x);
    else word = bf16_bits(x) | bf16_bits(next()) << 16;
  }
  return all;
}

float element_of(const std::vector<uint32_t>& words, uint32_t byte, uint32_t element) {
  uint32_t bits = words[byte / 4];
  if (element == 2) bits = byte % 4 == 0 ? bits << 16 : bits & 0xffff0000u;
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

void test_stores(Selftest& test, const char* name, const char* kernel, bool add) {
  uint32_t cases = 0, wrong = 0;
  for_each_box(2, 1, [&](const Box& box) {
    test.reset();
    const auto before = integers(test, box, kRows * kPitch), source = integers(test, box, box.bytes());
    uint32_t* const target = test.put(before);
    SelftestTensorParams params = box.params(test, target);
    params.in = test.put(source);
    test.launch(kernel, {{1}, 64, box.bytes() + 2048}, params);
    std::vector<uint32_t> found(before.size());
    test.get(found, target);
    std::vector<float> wanted(kRows * kPitch / box.element);
    for (uint32_t i = 0; i < wanted.size(); i++) wanted[i] = element_of(before, i * box.element, box.element);
    box.for_each_byte([&](uint32_t at, int32_t to) {
      if (to < 0 || static_cast<uint32_t>(to) % box.element != 0) return;
      float& x = wanted[static_cast<uint32_t>(to) / box.element];
      x = element_of(source, at, box.element) + (add ? x : 0.0f);
    });
    for (uint32_t i = 0; i < wanted.size(); i++) wrong += element_of(found, i * box.element, box.element) != wanted[i];
    cases++;
  });
  test.exact(name, cases, wrong);
}

}  // namespace

void test_tensor_copies(Selftest& test) {
  test_loads(test, "cp.async.bulk.tensor load, 2-D", "selftest_tma_load_2d", 1, 1);
  test_loads(test, "cp.async.bulk.tensor load, 3-D", "selftest_tma_load_3d", 2, 1);
  test_loads(test, "cp.async.bulk.tensor load, multicast", "selftest_tma_load_multicast", 1, 2);
  test_stores(test, "cp.async.bulk.tensor store", "selftest_tma_store_2d", false);
  test_stores(test, "cp.reduce.async.bulk.tensor add", "selftest_tma_reduce_add_2d", true);
}

}  // namespace nanogpt::cuda
