// One kernel for each wrapper of an asynchronous or matrix instruction, called with a number of its own for each operand;
// ptx_test.ts compiles them to PTX and looks for the instruction with these numbers in their places. Never run.
#include "../../kernels/cuda/ptx.h"

using namespace nanogpt::cuda;

struct Nothing {
  uint32_t unused;
};

#define CALL(name, ...) \
  KERNEL(call_##name, Nothing, 128) { __VA_ARGS__; }

DEVICE const char* global(uint64_t address) { return reinterpret_cast<const char*>(address); }
DEVICE const TensorMap* map() { return reinterpret_cast<const TensorMap*>(5000ull); }

CALL(mbarrier_init, mbarrier_init(101, 102))
CALL(mbarrier_invalidate, mbarrier_invalidate(101))
CALL(fence_mbarrier_init, fence_mbarrier_init())
CALL(mbarrier_arrive, mbarrier_arrive(101))
CALL(mbarrier_arrive_remote, mbarrier_arrive_remote(101, 102))
CALL(mbarrier_expect_bytes, mbarrier_expect_bytes(101, 102))
CALL(mbarrier_try_wait, mbarrier_try_wait(101, 102))
CALL(fence_async_proxy, fence_async_proxy())
CALL(cp_async_16, cp_async_16(101, global(4000), 103))
CALL(cp_async_commit, cp_async_commit())
CALL(cp_async_wait, cp_async_wait<3>())
CALL(bulk_load, bulk_load(101, global(4000), 103, 104))
CALL(bulk_reduce_add_f32, bulk_reduce_add_f32(reinterpret_cast<float*>(4000ull), 102, 103))
CALL(bulk_commit, bulk_commit())
CALL(bulk_wait_read, bulk_wait_read<2>())
CALL(bulk_wait, bulk_wait<1>())
CALL(prefetch_tensor_map, prefetch_tensor_map(map()))
CALL(tma_load_2d, tma_load_2d(101, map(), 103, 104, 105))
CALL(tma_load_3d, tma_load_3d(101, map(), 103, 104, 105, 106))
CALL(tma_load_2d_multicast, tma_load_2d_multicast(101, map(), 103, 104, 105, 6))
CALL(tma_store_2d, tma_store_2d(map(), 102, 103, 104))
CALL(tma_reduce_add_2d, tma_reduce_add_2d(map(), 102, 103, 104))

CALL(load_matrix_x1, uint32_t r[1]; load_matrix_x1(r, 101))
CALL(load_matrix_x2, uint32_t r[2]; load_matrix_x2(r, 101))
CALL(load_matrix_x4, uint32_t r[4]; load_matrix_x4(r, 101))
CALL(load_matrix_x2_transposed, uint32_t r[2]; load_matrix_x2_transposed(r, 101))
CALL(load_matrix_x4_transposed, uint32_t r[4]; load_matrix_x4_transposed(r, 101))
CALL(store_matrix_x4, const uint32_t r[4] = {102, 103, 104, 105}; store_matrix_x4(101, r))
CALL(store_matrix_x4_transposed, const uint32_t r[4] = {102, 103, 104, 105}; store_matrix_x4_transposed(101, r))
CALL(mma_m16n8k16, float d[4] = {1, 2, 3, 4}; const uint32_t a[4] = {101, 102, 103, 104}; const uint32_t b[2] = {105, 106};
     mma_m16n8k16(d, a, b))

CALL(wgmma_fence, wgmma_fence())
CALL(wgmma_commit, wgmma_commit())
CALL(wgmma_wait, wgmma_wait<5>())

template <int N>
DEVICE void number(float (&d)[N / 2]) {
  UNROLL
  for (int i = 0; i < N / 2; i++) d[i] = static_cast<float>(i + 1);
}
#define CALL_WGMMA(N)                                                                                           \
  CALL(wgmma_##N, float d[N / 2]; number<N>(d); wgmma<N, 0, 1>(d, 4000, 5000, threadIdx.x == 77))                \
  CALL(wgmma_transposed_##N, float d[N / 2]; number<N>(d); wgmma<N, 1, 0>(d, 4000, 5000, threadIdx.x == 77))     \
  CALL(wgmma_register_a_##N, float d[N / 2]; number<N>(d); const uint32_t a[4] = {101, 102, 103, 104};          \
       wgmma_register_a<N, 1>(d, a, 5000, threadIdx.x == 77))
CALL_WGMMA(32)
CALL_WGMMA(64)
CALL_WGMMA(96)
CALL_WGMMA(128)
CALL_WGMMA(160)
CALL_WGMMA(192)
CALL_WGMMA(224)
CALL_WGMMA(256)
