// Parameters of the head's kernel, as host and device see them: a block finishes one row of a chunk of logits. May include
// only input_error.h and the standard library. Where the logits come from and go to is the launcher's affair: products of
// gemm.h.
#pragma once
#include "input_error.h"
#include <cstdint>

namespace nanogpt::cuda {

struct HeadParams {
  void* z;  // logits of rows first.. before the soft cap; with dlosses they become their gradient
  const void *x, *w;
  const int32_t* targets;
  float* losses;
  const float* dlosses;  // null: losses only
  InputError* input_error;
  uint64_t ld;     // elements from row to row of z, at least V: whole packs of 16 bytes
  uint32_t first;  // row of the whole [N] that row 0 of z belongs to
  uint32_t C, V;
  float cap;
};

constexpr uint32_t kHeadThreads = 512;  // at most
constexpr uint32_t kHeadSharedBytes = kHeadThreads / 32 * 4;

}  // namespace nanogpt::cuda
