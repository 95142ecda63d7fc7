// Encoding and reading tensor maps. The rules are those of cuTensorMapEncodeTiled in cuda.h of CUDA 13.0, for the three
// types that the kernels use and without interleaving.
// May include only tensor_map.h and the standard library.
#include "tensor_map.h"
#include <cstring>

namespace nanogpt::emulation {
namespace {

constexpr uint64_t kMostElements = uint64_t{1} << 32, kStrideLimit = uint64_t{1} << 40;
constexpr uint32_t kMostBox = 256;

// FNV-1a over all fields before the sum.
uint32_t checksum_of(const TensorFields& fields) {
  uint32_t sum = 2166136261u;
  const unsigned char* const bytes = reinterpret_cast<const unsigned char*>(&fields);
  for (size_t i = 0; i < offsetof(TensorFields, checksum); i++) sum = (sum ^ bytes[i]) * 16777619u;
  return sum;
}

std::string of_dimension(const char* what, uint32_t i, uint64_t found, const char* expected) {
  return std::string("tensor map: ") + what + " of dimension " + std::to_string(i) + " is " + std::to_string(found) +
         ", expected " + expected;
}

std::string check_dimensions(const TensorEncoding& e) {
  for (uint32_t i = 0; i < e.rank; i++) {
    if (e.dims[i] < 1 || e.dims[i] > kMostElements) return of_dimension("size", i, e.dims[i], "1 to 2^32");
    if (e.box[i] < 1 || e.box[i] > kMostBox) return of_dimension("box", i, e.box[i], "1 to 256");
    if (e.element_strides[i] != 1) return of_dimension("element stride", i, e.element_strides[i], "1");
    if (i == 0) continue;
    const uint64_t stride = e.strides[i - 1];
    if (stride % 16 != 0 || stride >= kStrideLimit || stride == 0)
      return of_dimension("stride", i, stride, "a multiple of 16 bytes below 2^40");
  }
  return "";
}

std::string check(const cuda::TensorMap* map, const TensorEncoding& e) {
  if (reinterpret_cast<uintptr_t>(map) % 64 != 0) return "tensor map: its own address is no multiple of 64";
  if (e.type != 0 && e.type != 7 && e.type != 9)
    return "tensor map: data type " + std::to_string(e.type) + ", expected uint8, float32 or bfloat16";
  if (e.rank < 1 || e.rank > 5) return "tensor map: rank " + std::to_string(e.rank) + ", expected 1 to 5";
  if (e.address == 0 || e.address % 16 != 0) return "tensor map: the global address is no multiple of 16";
  if (e.interleave != 0) return "tensor map: interleave " + std::to_string(e.interleave) + ", expected none";
  if (e.swizzle < 0 || e.swizzle > 3) return "tensor map: swizzle " + std::to_string(e.swizzle) + ", expected 0 to 3";
  if (e.l2_promotion < 0 || e.l2_promotion > 3) return "tensor map: L2 promotion outside 0 to 3";
  if (e.out_of_bounds_fill < 0 || e.out_of_bounds_fill > 1 || (e.out_of_bounds_fill == 1 && e.type == 0))
    return "tensor map: out-of-bounds fill must be zero, or NaN for floats";
  const std::string wrong = check_dimensions(e);
  if (!wrong.empty()) return wrong;
  const uint64_t inner = uint64_t{e.box[0]} * (e.type == 0 ? 1 : e.type == 9 ? 2 : 4);
  if (inner % 16 != 0) return "tensor map: a box row of " + std::to_string(inner) + " bytes is no multiple of 16";
  if (e.swizzle != 0 && inner > 16u << e.swizzle)
    return "tensor map: a box row of " + std::to_string(inner) + " bytes is wider than the swizzle's " +
           std::to_string(16u << e.swizzle);
  return "";
}

}  // namespace

std::string encode_tensor_map(cuda::TensorMap* map, const TensorEncoding& e) {
  const std::string wrong = check(map, e);
  if (!wrong.empty()) return wrong;
  TensorFields fields;
  std::memset(&fields, 0, sizeof fields);
  fields.address = e.address;
  for (uint32_t i = 0; i < e.rank; i++) {
    fields.dims[i] = e.dims[i];
    fields.box[i] = static_cast<uint16_t>(e.box[i]);
    if (i > 0) fields.strides[i - 1] = e.strides[i - 1];
  }
  fields.type = static_cast<uint8_t>(e.type);
  fields.rank = static_cast<uint8_t>(e.rank);
  fields.swizzle = static_cast<uint8_t>(e.swizzle);
  fields.filled_nan = static_cast<uint8_t>(e.out_of_bounds_fill);
  fields.checksum = checksum_of(fields);
  std::memset(map, 0, sizeof *map);
  std::memcpy(map, &fields, sizeof fields);
  return "";
}

bool decode_tensor_map(const cuda::TensorMap* map, TensorFields& fields) {
  std::memcpy(&fields, map, sizeof fields);
  return fields.rank != 0 && fields.checksum == checksum_of(fields);
}

}  // namespace nanogpt::emulation
