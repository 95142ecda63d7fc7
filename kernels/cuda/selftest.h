// Parameters of the self-test's kernels, as host and device see them.
// What the words of a kernel mean stands with the kernel.
// May include only tensor_map.h and the standard library.
#pragma once
#include "tensor_map.h"
#include <cstdint>

namespace nanogpt::cuda {

// Words in, words out; what they mean is each kernel's.
struct SelftestParams {
  const uint32_t* in;
  uint32_t* out;
};

// A box between a tensor and shared memory; `bytes` of the box.
struct SelftestTensorParams {
  TensorMap map;
  const uint32_t* in;
  uint32_t* out;
  int32_t corner[3];
  uint32_t bytes;
};

// Two products of 16 of k each on an image of shared memory, both operands by descriptor or a from registers: in: the image,
// then [2][128][4] registers of a. out: [128][N / 2] floats.
struct SelftestWgmmaParams {
  const uint32_t* in;
  float* out;
  uint32_t image_bytes;
  uint32_t a_start, a_step, a_leading, a_stride;  // bytes; step: from one product's start to the next
  uint32_t b_start, b_step, b_leading, b_stride;
  Swizzle swizzle;
};

}  // namespace nanogpt::cuda
