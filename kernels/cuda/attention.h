// Parameters of the attention kernels, as host and device see them: a sequence is cut into tiles of `rows` rows, and a block
// serves one tile of one head. Also how much shared memory the forms take, which launcher and kernel must agree on. May
// include only the standard library.
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

// The mma.sync kernels: a block of four warps owns tiles of rows of D bf16, 16 rows a strip, and passes tiles of kMmaPassing
// rows by in two stages. `owned` and `passing`: how many tensors of each.
constexpr uint32_t kMmaWarps = 4;
constexpr uint32_t kMmaPassing = 64;
struct MmaRows {
  uint32_t forward, dq, dkdv;  // rows that a block owns
};
inline constexpr MmaRows mma_rows(uint32_t D) {
  return D == 128 ? MmaRows{64, 64, 64} : D == 64 ? MmaRows{128, 128, 64} : MmaRows{128, 128, 128};
}
constexpr uint32_t kMmaAlignment = 256;  // of tiles: a row of the widest heads
inline uint32_t mma_shared_bytes(uint32_t D, uint32_t rows, uint32_t owned, uint32_t passing) {
  return (owned * rows + 2 * passing * kMmaPassing) * D * 2 + kMmaAlignment - 16;
}
// Values of a passing query that the dk and dv kernel needs beside its tiles, in two stages.
struct QueryValues {
  float lse2[kMmaPassing];  // lse in powers of 2
  float delta[kMmaPassing];
  uint32_t start[kMmaPassing];
};

}  // namespace nanogpt::cuda
