// What a tensor map says, inside its 128 opaque bytes: written by the fake driver after every rule of cuTensorMapEncodeTiled
// has been checked, read by tensor copies. A checksum tells a map from other memory. Moves nothing. May include only
// ../cuda/tensor_map.h and the standard library.
#pragma once
#include "../cuda/tensor_map.h"
#include <cstddef>
#include <string>

namespace nanogpt::emulation {

struct TensorFields {
  uint64_t address;
  uint64_t dims[5];     // elements
  uint64_t strides[4];  // bytes, of dimensions 1 and up
  uint16_t box[5];      // elements
  uint8_t type;         // a TensorType
  uint8_t rank;
  uint8_t swizzle;  // a Swizzle
  uint8_t filled_nan;
  uint32_t checksum;

  uint32_t element_bytes() const { return type == 0 ? 1 : type == 9 ? 2 : 4; }
  uint32_t swizzle_bytes() const { return swizzle == 0 ? 0 : 16u << swizzle; }
  uint32_t box_bytes() const {
    uint32_t bytes = element_bytes();
    for (uint32_t i = 0; i < rank; i++) bytes *= box[i];
    return bytes;
  }
};
static_assert(sizeof(TensorFields) <= sizeof(cuda::TensorMap), "the fields fit into a map");

// The arguments of cuTensorMapEncodeTiled.
struct TensorEncoding {
  int type;
  uint32_t rank;
  uint64_t address;
  const uint64_t* dims;
  const uint64_t* strides;
  const uint32_t* box;
  const uint32_t* element_strides;
  int interleave, swizzle, l2_promotion, out_of_bounds_fill;
};
// Fills the map. Returns an empty text, or which rule is broken.
std::string encode_tensor_map(cuda::TensorMap* map, const TensorEncoding& encoding);
// False: the bytes at `map` are not a map that encode made.
bool decode_tensor_map(const cuda::TensorMap* map, TensorFields& fields);

}  // namespace nanogpt::emulation
