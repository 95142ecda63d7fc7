// Parameters of the head's kernels, as host and device see them: a block finishes one row of a chunk of logits. May include
// only input_error.h and the standard library. Where the logits come from and go to is the launcher's affair: products of
// gemm.h.
#pragma once
#include "input_error.h"
#include <cstdint>

namespace nanogpt::cuda {

struct HeadParams {
  void* z;  // logits of rows first.., capped or not as the kernel's name says; with dlosses they become their gradient
  const void *x, *w;
  const int32_t* targets;
  float* losses;
  const float* dlosses;  // null: losses only
  InputError* input_error;
  uint64_t ld;     // elements from row to row of z, at least V: whole packs of 16 bytes
  uint32_t first;  // row of the whole [N] that row 0 of z belongs to
  uint32_t C, V;
  float cap;
  const float* exponentials;  // of capped logits, [row][tile]: sums of exp(logit - cap) over tiles of kHeadTile columns
  uint32_t tiles;             // of a row
};

constexpr uint32_t kHeadTile = 256;

// Up to this cap exp(logit - cap) of every capped logit is a normal float32 (e^-80 is 1.8e-35), so that the cap itself can
// serve as the row's maximum. Its exponent, up to 115 in powers of two, is off by no more than 2^-17: far less than a logit.
constexpr float kBoundedCap = 40.0f;

constexpr uint32_t kHeadThreads = 512;  // at most
constexpr uint32_t kHeadSharedBytes = kHeadThreads / 32 * 4;

}  // namespace nanogpt::cuda
