// The words that kernels are written in, for both compilers: nvcc has its own; for g++ they come from the emulation, which
// also wants to know each call's place. Holds no instruction and no arithmetic. May include only the emulation's lane.h and
// the standard library.
#pragma once
#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)

#define DEVICE __device__ __forceinline__
// A kernel: `KERNEL(name, Params, threads) { ... params.x ... }`. It takes one struct by value, which its body sees as
// `params`, and at most `threads` threads a block.
#define KERNEL(name, Params, threads) \
  extern "C" __global__ void __launch_bounds__(threads, 1) name(const __grid_constant__ Params params)
// Last parameter of a wrapper and its argument: the caller's place, which only the emulation wants to know.
#define SITE
#define PASS_SITE
#define PTX_ONLY_SITE
// Before a loop over registers: arrays indexed by a loop that stays a loop would lie in memory.
#define UNROLL _Pragma("unroll")
// The same, by so many passes at most.
#define UNROLL_PRAGMA(text) _Pragma(#text)
#define UNROLL_BY(count) UNROLL_PRAGMA(unroll count)
#define ONLY_PASS_SITE

#else

#include "../../emulation/lane.h"

#define DEVICE inline
#define KERNEL(name, Params, threads)                                                                      \
  static void name(const Params& params);                                                                  \
  static const ::nanogpt::emulation::Registration name##_registration(                                     \
      #name, sizeof(Params), threads, [](const void* params) { name(*static_cast<const Params*>(params)); }); \
  static void name([[maybe_unused]] const Params& params)
#define SITE , ::nanogpt::emulation::Site site = ::nanogpt::emulation::Site::here()
#define PASS_SITE , site
#define ONLY_PASS_SITE site
#define PTX_ONLY_SITE ::nanogpt::emulation::Site site = ::nanogpt::emulation::Site::here()
#define UNROLL
#define UNROLL_BY(count)
#define threadIdx (::nanogpt::emulation::self().thread)
#define blockIdx (::nanogpt::emulation::block_index())
#define blockDim (::nanogpt::emulation::block_dimension())
#define gridDim (::nanogpt::emulation::grid_dimension())

#endif

namespace nanogpt::cuda {

constexpr uint32_t kFullWarp = 0xffffffffu;

// A bfloat16 in memory. Arithmetic is done in float.
struct alignas(2) bf16 {
  uint16_t bits;
};

#if defined(__CUDACC__)
// This block's dynamic shared memory. The chip promises alignment to 16 bytes only: who needs 1024 asks for 1023 more bytes
// and rounds up.
DEVICE char* dynamic_shared() {
  extern __shared__ __align__(16) char shared_window[];
  return shared_window;
}
// The 32-bit address of shared memory that PTX instructions take.
DEVICE uint32_t shared_address(const void* pointer) { return static_cast<uint32_t>(__cvta_generic_to_shared(pointer)); }
#else
DEVICE char* dynamic_shared() { return emulation::shared_memory(); }
DEVICE uint32_t shared_address(const void* pointer) { return emulation::shared_address_of(pointer); }
#endif

DEVICE uint32_t warp_index() { return threadIdx.x / 32; }
DEVICE uint32_t lane_index() { return threadIdx.x % 32; }

}  // namespace nanogpt::cuda
