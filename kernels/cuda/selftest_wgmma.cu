// Kernels of the self-test for wgmma: every width, both operands in shared memory in all four transpositions, and a in
// registers. Two products of 16 of k on the same accumulators.
// May include only ptx.h and selftest.h.
#include "selftest.h"
#include "ptx.h"

namespace nanogpt::cuda {

// Fills shared memory with the image of the operands and gives its address.
DEVICE uint32_t image_of(const SelftestWgmmaParams& params) {
  char* memory = dynamic_shared();
  memory += -shared_address(memory) & 1023u;
  for (uint32_t i = threadIdx.x; i < params.image_bytes / 4; i += blockDim.x)
    reinterpret_cast<uint32_t*>(memory)[i] = params.in[i];
  fence_async_proxy();
  block_sync();
  return shared_address(memory);
}

template <int N>
DEVICE void write_accumulators(float* out, const float (&d)[N / 2]) {
  UNROLL
  for (int i = 0; i < N / 2; i++) out[threadIdx.x * (N / 2) + i] = d[i];
}

template <int N, int TransA, int TransB>
DEVICE void product(const SelftestWgmmaParams& params) {
  const uint32_t image = image_of(params);
  float d[N / 2];
  UNROLL
  for (int i = 0; i < N / 2; i++) d[i] = 0.0f;
  const uint64_t a = matrix_descriptor(image + params.a_start, params.a_leading, params.a_stride, params.swizzle);
  const uint64_t b = matrix_descriptor(image + params.b_start, params.b_leading, params.b_stride, params.swizzle);
  pin(d);
  wgmma_fence();
  wgmma<N, TransA, TransB>(d, a, b, false);
  wgmma<N, TransA, TransB>(d, a + params.a_step / 16, b + params.b_step / 16, true);
  wgmma_commit();
  wgmma_wait<0>();
  pin(d);
  write_accumulators<N>(params.out, d);
}

template <int N, int TransB>
DEVICE void product_register_a(const SelftestWgmmaParams& params) {
  const uint32_t image = image_of(params);
  const uint32_t* const registers = params.in + params.image_bytes / 4 + 4 * threadIdx.x;
  const uint32_t a0[4] = {registers[0], registers[1], registers[2], registers[3]};
  const uint32_t a1[4] = {registers[512], registers[513], registers[514], registers[515]};
  float d[N / 2];
  UNROLL
  for (int i = 0; i < N / 2; i++) d[i] = 0.0f;
  const uint64_t b = matrix_descriptor(image + params.b_start, params.b_leading, params.b_stride, params.swizzle);
  pin(d);
  wgmma_fence();
  wgmma_register_a<N, TransB>(d, a0, b, false);
  wgmma_register_a<N, TransB>(d, a1, b + params.b_step / 16, true);
  wgmma_commit();
  wgmma_wait<0>();
  pin(d);
  write_accumulators<N>(params.out, d);
}

#define SELFTEST_WIDTH(N)                                                                      \
  KERNEL(selftest_wgmma_n##N##_kk, SelftestWgmmaParams, 128) { product<N, 0, 0>(params); }      \
  KERNEL(selftest_wgmma_n##N##_kn, SelftestWgmmaParams, 128) { product<N, 0, 1>(params); }      \
  KERNEL(selftest_wgmma_n##N##_mk, SelftestWgmmaParams, 128) { product<N, 1, 0>(params); }      \
  KERNEL(selftest_wgmma_n##N##_mn, SelftestWgmmaParams, 128) { product<N, 1, 1>(params); }      \
  KERNEL(selftest_wgmma_n##N##_rk, SelftestWgmmaParams, 128) { product_register_a<N, 0>(params); } \
  KERNEL(selftest_wgmma_n##N##_rn, SelftestWgmmaParams, 128) { product_register_a<N, 1>(params); }
SELFTEST_WIDTH(32)
SELFTEST_WIDTH(64)
SELFTEST_WIDTH(96)
SELFTEST_WIDTH(128)
SELFTEST_WIDTH(160)
SELFTEST_WIDTH(192)
SELFTEST_WIDTH(224)
SELFTEST_WIDTH(256)

}  // namespace nanogpt::cuda
