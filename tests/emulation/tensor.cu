// Tensor copies of boxes inside and across the edges of a tensor, with every swizzle and type, and the rules of making a map.
// Runs the self-test's kernels, which instructions.cu brings.
#include "../../kernels/cuda/selftest.h"
#include "cases.h"
#include "random_words.h"
#include <cstring>

namespace {

using namespace nanogpt::cuda;
using nanogpt::emulation_tests::Gpu;
using nanogpt::emulation_tests::RandomWords;

// A matrix of bytes of 3 planes of 40 rows of 256 bytes, of which the tensor is the first 37 rows and all but 16 bytes.
constexpr uint32_t kPlanes = 3, kRows = 40, kPitch = 256, kTensorRows = 37, kTensorBytes = 240;

struct Tensor {
  TensorType type;
  uint32_t element;
  Swizzle swizzle;
  uint32_t row_bytes;  // of a box; as wide as the swizzle
  uint32_t rows, planes;
  int32_t corner[3];  // elements, row, plane
};

TensorMap map_of(Gpu& gpu, const Tensor& t, const void* memory) {
  TensorMap map{};
  const uint64_t dims[] = {kTensorBytes / t.element, kTensorRows, kPlanes}, strides[] = {kPitch, kPitch * kRows};
  const uint32_t box[] = {t.row_bytes / t.element, t.rows, t.planes}, ones[] = {1, 1, 1};
  gpu.ok(gpu.driver.tensor_map_encode(&map, static_cast<int>(t.type), t.planes > 1 ? 3 : 2, const_cast<void*>(memory), dims,
                                      strides, box, ones, 0, static_cast<int>(t.swizzle), 2, 0));
  return map;
}

// Calls use(byte of the box in shared memory, byte of the memory of the tensor or -1 outside it).
template <class Use>
void for_each_byte(const Tensor& t, Use use) {
  for (uint32_t row = 0; row < t.rows * t.planes; row++) {
    for (uint32_t byte = 0; byte < t.row_bytes; byte++) {
      const int32_t plane = t.corner[2] + static_cast<int32_t>(row / t.rows);
      const int32_t y = t.corner[1] + static_cast<int32_t>(row % t.rows);
      const int32_t x = t.corner[0] * static_cast<int32_t>(t.element) + static_cast<int32_t>(byte);
      const bool inside = x >= 0 && x < static_cast<int32_t>(kTensorBytes) && y >= 0 &&
                          y < static_cast<int32_t>(kTensorRows) && plane >= 0 && plane < static_cast<int32_t>(kPlanes);
      // Figures of the swizzles: the 16-byte pieces of 8 rows change places.
      const uint32_t exchange = t.swizzle == Swizzle::bytes128 ? row % 8 : t.swizzle == Swizzle::bytes64 ? row / 2 % 4
                                : t.swizzle == Swizzle::bytes32 ? row / 4 % 2 : 0;
      const uint32_t at = row * t.row_bytes + (byte / 16 ^ exchange) * 16 + byte % 16;
      use(at, inside ? (plane * static_cast<int32_t>(kRows) + y) * static_cast<int32_t>(kPitch) + x : -1);
    }
  }
}

Tensor random_tensor(RandomWords& random, uint32_t seed, bool bytes_too) {
  const uint32_t element = bytes_too ? 1u << seed % 3 : 2u << seed % 2;
  const TensorType type = element == 1 ? TensorType::uint8 : element == 2 ? TensorType::bfloat16 : TensorType::float32;
  const Swizzle swizzle = static_cast<Swizzle>(seed % 4);
  const uint32_t row_bytes = swizzle == Swizzle::none ? 48 : 16u << static_cast<uint32_t>(swizzle);
  Tensor t{type, element, swizzle, row_bytes, 8 + random.word() % 9, 1, {}};
  t.corner[0] = random.integer(static_cast<int32_t>(256 / element));
  t.corner[1] = random.integer(45);
  return t;
}

void check_load(Gpu& gpu, const Tensor& t, RandomWords& random) {
  std::vector<unsigned char> memory(kPlanes * kRows * kPitch);
  for (unsigned char& byte : memory) byte = static_cast<unsigned char>(random.word());
  const uint32_t bytes = t.row_bytes * t.rows * t.planes;
  uint32_t* const out = gpu.array<uint32_t>(bytes / 4);
  SelftestTensorParams params{map_of(gpu, t, gpu.array(memory)), nullptr, out, {t.corner[0], t.corner[1], t.corner[2]}, bytes};
  gpu.launch(t.planes > 1 ? "selftest_tma_load_3d" : "selftest_tma_load_2d", {1, 64, bytes + 2048}, params);
  const auto found = gpu.read(reinterpret_cast<const unsigned char*>(out), bytes);
  for_each_byte(t, [&](uint32_t at, int32_t from) {
    if (found[at] != (from < 0 ? 0 : memory[static_cast<size_t>(from)])) gpu.wrong("byte " + std::to_string(at) + " of the box");
  });
}

PASSES(tma_load_of_boxes_across_edges) {
  RandomWords random(gpu.seed);
  for (uint32_t i = 0; i < 4; i++) check_load(gpu, random_tensor(random, gpu.seed + i, true), random);
}

PASSES(tma_load_of_planes) {
  RandomWords random(gpu.seed);
  Tensor t = random_tensor(random, gpu.seed, true);
  t.planes = 2;
  t.corner[2] = random.integer(3);
  check_load(gpu, t, random);
}

// Stores or adds a box of small integers to a tensor of such.
void check_store(Gpu& gpu, bool add) {
  RandomWords random(gpu.seed);
  const Tensor t = random_tensor(random, gpu.seed + gpu.seed / 4, false);
  const auto integers = [&](uint32_t bytes) {
    std::vector<uint32_t> words(bytes / 4);
    for (uint32_t& w : words) w = t.element == 2 ? random.integers_bf16() : bits_of(static_cast<float>(random.integer(9)));
    return words;
  };
  const auto memory = integers(kRows * kPitch), box = integers(t.row_bytes * t.rows);
  uint32_t* const target = gpu.array(memory);
  const uint32_t bytes = t.row_bytes * t.rows;
  SelftestTensorParams params{map_of(gpu, t, target), gpu.array(box), nullptr, {t.corner[0], t.corner[1], 0}, bytes};
  gpu.launch(add ? "selftest_tma_reduce_add_2d" : "selftest_tma_store_2d", {1, 64, bytes + 2048}, params);
  const auto found = gpu.read(target, kRows * kPitch / 4);
  auto wanted = memory;
  for_each_byte(t, [&](uint32_t at, int32_t to) {
    if (to < 0 || static_cast<uint32_t>(to) % t.element != 0) return;
    const auto element = [&](const std::vector<uint32_t>& words, uint32_t byte) {
      return t.element == 4 ? float_of(words[byte / 4])
                            : to_float(bf16{static_cast<uint16_t>(words[byte / 4] >> (byte % 4 * 8))});
    };
    const float x = element(box, at) + (add ? element(memory, static_cast<uint32_t>(to)) : 0.0f);
    const bf16 rounded = to_bf16(x);
    if (t.element == 4) std::memcpy(reinterpret_cast<char*>(wanted.data()) + to, &x, 4);
    else std::memcpy(reinterpret_cast<char*>(wanted.data()) + to, &rounded, 2);
  });
  for (size_t i = 0; i < wanted.size(); i++) {
    if (found[i] != wanted[i] && !(found[i] << 1 == 0 && wanted[i] << 1 == 0)) gpu.wrong("word " + std::to_string(i) + " of the tensor");
  }
}
PASSES(tma_store_of_boxes_across_edges) { check_store(gpu, false); }
PASSES(tma_reduce_add_of_boxes_across_edges) { check_store(gpu, true); }

// Maps with one wrong argument each.
struct Arguments {
  int type = 9;
  uint32_t rank = 2;
  uint64_t address = 4096, dims[2] = {256, 64}, strides[1] = {512};
  uint32_t box[2] = {64, 64}, steps[2] = {1, 1};
  int interleave = 0, swizzle = 3, promotion = 2, fill = 0;
};
void encode(Gpu& gpu, const Arguments& a, bool misplaced = false) {
  alignas(64) char memory[256];
  TensorMap* const map = reinterpret_cast<TensorMap*>(memory + (misplaced ? 32 : 0));
  gpu.ok(gpu.driver.tensor_map_encode(map, a.type, a.rank, reinterpret_cast<void*>(a.address), a.dims, a.strides, a.box,
                                      a.steps, a.interleave, a.swizzle, a.promotion, a.fill));
}
#define MAP_FINDS(name, text, change) \
  FINDS(map_##name, text) {           \
    Arguments a;                      \
    change;                           \
    encode(gpu, a);                   \
  }
PASSES(map_of_a_tile) { encode(gpu, {}); }
FINDS(map_misplaced, "multiple of 64") { encode(gpu, {}, true); }
MAP_FINDS(unknown_type, "data type", a.type = 6)
MAP_FINDS(rank_zero, "rank", a.rank = 0)
MAP_FINDS(unaligned_address, "address is no multiple of 16", a.address += 8)
MAP_FINDS(empty, "size of dimension 1", a.dims[1] = 0)
MAP_FINDS(unaligned_stride, "stride of dimension 1", a.strides[0] = 520)
MAP_FINDS(box_too_tall, "box of dimension 1", a.box[1] = 257)
MAP_FINDS(box_row_unaligned, "multiple of 16", a.box[0] = 60)
MAP_FINDS(box_wider_than_swizzle, "wider than the swizzle", a.box[0] = 72)
MAP_FINDS(strided_elements, "element stride", a.steps[0] = 2)
MAP_FINDS(interleaved, "interleave", a.interleave = 1)
MAP_FINDS(unknown_swizzle, "swizzle", a.swizzle = 4)
MAP_FINDS(unknown_promotion, "L2 promotion", a.promotion = 4)
MAP_FINDS(nan_bytes, "out-of-bounds fill", (a.type = 0, a.fill = 1))

}  // namespace
