// The shape of the simple matrix kernel's blocks, for the kernel and for whoever launches it: how much of c a block computes,
// how much of k it holds, and the shared memory for that. The kernel's parameter is gemm.h's Product. May include only the
// standard library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda::simple_gemm {

constexpr uint32_t kTile = 64;   // rows and columns of c of a block
constexpr uint32_t kDepth = 32;  // of k that is in shared memory at a time
constexpr uint32_t kThreads = 64;
constexpr uint32_t kSharedBytes = 2 * kDepth * (kTile + 4) * 4;

}  // namespace nanogpt::cuda::simple_gemm
