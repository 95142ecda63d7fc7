// A tensor map: how the copy engine sees a matrix of device memory, as one opaque block of 128 bytes that the host fills
// (Context::encode) and a kernel gets inside its parameters. Seen by host and device; says nothing about what is inside.
// May include only the standard library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda {

// CUtensorMap: 128 opaque bytes at an address that is a multiple of 64.
struct alignas(64) TensorMap {
  uint64_t opaque[16];
};

// CUtensorMapDataType.
enum class TensorType : int { uint8 = 0, float32 = 7, bfloat16 = 9 };

// CUtensorMapSwizzle: rows of so many bytes have their 16-byte pieces exchanged so that columns touch all banks.
enum class Swizzle : int { none = 0, bytes32 = 1, bytes64 = 2, bytes128 = 3 };

}  // namespace nanogpt::cuda
