// Parameters of the attention kernels, as host and device see them: a sequence is cut into tiles of `rows` rows, and a block
// serves one tile of one head. May include only the standard library.
#pragma once
#include <cstdint>

#if defined(__CUDACC__)
#define HOST_DEVICE __host__ __device__
#else
#define HOST_DEVICE
#endif

namespace nanogpt::cuda {

constexpr uint32_t kMostHeadWidth = 256;

struct AttentionShape {
  uint32_t N, T, H, D;
  uint32_t rows;   // of a tile
  uint32_t tiles;  // of a sequence
  float scale;     // of scores: 1/sqrt(D)
  const int32_t* start;
};

struct AttentionParams {
  AttentionShape shape;
  void* y;
  float* lse;
  const void *q, *k, *v;
};

struct AttentionGradParams {
  AttentionShape shape;
  void *dq, *dk, *dv;
  const void *dy, *q, *k, *v, *y;
  const float* lse;
  float* delta;  // [N,H]: sum over D of dy*y
};

// Floats of shared memory of the simple kernels: tiles [rows, D] with rows one float longer, so that lanes that walk down a
// column meet different banks; tiles of scores likewise; values of a row.
HOST_DEVICE inline uint32_t tile_floats(uint32_t rows, uint32_t D) { return rows * (D + 1); }
inline uint32_t attention_floats(uint32_t rows, uint32_t D) {
  return 4 * tile_floats(rows, D) + tile_floats(rows, rows) + 3 * rows;
}
inline uint32_t attention_grad_floats(uint32_t rows, uint32_t D) {
  return 6 * tile_floats(rows, D) + 2 * tile_floats(rows, rows) + 2 * rows;
}

}  // namespace nanogpt::cuda
