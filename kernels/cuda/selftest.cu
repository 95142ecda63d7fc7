// Kernels of the self-test: each makes one or two instructions work on data of the host and writes what comes out, for the
// host to compare with what the instruction is documented to do (selftest.cpp). They are correct uses in the smallest form.
// May include only ptx.h and selftest.h.
#include "selftest.h"
#include "ptx.h"

namespace nanogpt::cuda {

// Shared memory at a whole pattern of every swizzle; a launch asks for 1024 bytes more than it uses.
DEVICE char* aligned_shared() {
  char* const memory = dynamic_shared();
  return memory + (-shared_address(memory) & 1023u);
}

DEVICE void copy_in(void* target, const uint32_t* source, uint32_t bytes) {
  for (uint32_t i = threadIdx.x; i < bytes / 4; i += blockDim.x) static_cast<uint32_t*>(target)[i] = source[i];
}
DEVICE void copy_out(uint32_t* target, const void* source, uint32_t bytes) {
  for (uint32_t i = threadIdx.x; i < bytes / 4; i += blockDim.x) target[i] = static_cast<const uint32_t*>(source)[i];
}

// in: four 8 x 8 matrices. out: registers of each form, [lanes][registers], one form after another.
KERNEL(selftest_load_matrix, SelftestParams, 32) {
  char* const tile = aligned_shared();
  copy_in(tile, params.in, 512);
  warp_sync();
  const uint32_t lane = lane_index(), row = shared_address(tile) + 16 * lane;
  uint32_t x1[1], x2[2], x4[4];
  uint32_t* out = params.out;
  const auto keep = [&](const uint32_t* r, uint32_t count) {
    for (uint32_t m = 0; m < count; m++) out[lane * count + m] = r[m];
    out += 32 * count;
  };
  load_matrix_x1(x1, row);
  keep(x1, 1);
  load_matrix_x2(x2, row);
  keep(x2, 2);
  load_matrix_x4(x4, row);
  keep(x4, 4);
  load_matrix_x2_transposed(x2, row);
  keep(x2, 2);
  load_matrix_x4_transposed(x4, row);
  keep(x4, 4);
}

// in: [32][4] registers. out: the four matrices as stored, then as stored transposed.
KERNEL(selftest_store_matrix, SelftestParams, 32) {
  char* const tile = aligned_shared();
  const uint32_t lane = lane_index(), row = shared_address(tile) + 16 * lane;
  uint32_t r[4];
  for (uint32_t m = 0; m < 4; m++) r[m] = params.in[4 * lane + m];
  store_matrix_x4(row, r);
  store_matrix_x4_transposed(row + 512, r);
  warp_sync();
  copy_out(params.out, tile, 1024);
}

// in: [32] of a[4], b[2], d[4]. out: [32] of d[4].
KERNEL(selftest_mma, SelftestParams, 32) {
  const uint32_t* const in = params.in + 10 * lane_index();
  const uint32_t a[4] = {in[0], in[1], in[2], in[3]}, b[2] = {in[4], in[5]};
  float d[4] = {float_of(in[6]), float_of(in[7]), float_of(in[8]), float_of(in[9])};
  mma_m16n8k16(d, a, b);
  for (uint32_t i = 0; i < 4; i++) params.out[4 * lane_index() + i] = bits_of(d[i]);
}

// in: [32][4] words, of which lane l copies l % 17 bytes in one group and all 16 in another. out: both.
KERNEL(selftest_cp_async, SelftestParams, 32) {
  char* const tile = aligned_shared();
  const uint32_t lane = lane_index(), to = shared_address(tile) + 16 * lane;
  cp_async_16(to, params.in + 4 * lane, lane % 17);
  cp_async_commit();
  cp_async_16(to + 512, params.in + 4 * lane);
  cp_async_commit();
  cp_async_wait<1>();
  cp_async_wait<0>();
  warp_sync();
  copy_out(params.out, tile, 1024);
}

// Four phases of a barrier of 64 arrivals by which each thread passes its word to another. in: [4][64]; out: [4][64].
KERNEL(selftest_mbarrier, SelftestParams, 64) {
  char* const memory = aligned_shared();
  uint32_t* const words = reinterpret_cast<uint32_t*>(memory + 1024);
  const uint32_t bar = shared_address(memory), thread = threadIdx.x;
  if (thread == 0) {
    mbarrier_init(bar, 64);
    fence_mbarrier_init();
  }
  block_sync();
  for (uint32_t phase = 0; phase < 4; phase++) {
    words[64 * phase + thread] = params.in[64 * phase + thread];
    mbarrier_arrive(bar);
    mbarrier_wait(bar, phase % 2);
    params.out[64 * phase + thread] = words[64 * phase + (thread + 37) % 64];
  }
  block_sync();
  if (thread == 0) mbarrier_invalidate(bar);
}

// One thread's barrier for copies of `bytes`, ready for all.
DEVICE uint32_t ready_barrier(char* memory) {
  const uint32_t bar = shared_address(memory);
  if (threadIdx.x == 0) {
    mbarrier_init(bar, 1);
    fence_mbarrier_init();
  }
  block_sync();
  return bar;
}

// in: 256 floats, added to out[256] by way of shared memory.
KERNEL(selftest_bulk, SelftestParams, 64) {
  char* const memory = aligned_shared();
  const uint32_t tile = shared_address(memory) + 1024, bar = ready_barrier(memory);
  if (threadIdx.x == 0) {
    mbarrier_expect_bytes(bar, 1024);
    bulk_load(tile, params.in, 1024, bar);
    mbarrier_wait(bar, 0);
    bulk_reduce_add_f32(reinterpret_cast<float*>(params.out), tile, 1024);
    bulk_commit();
    bulk_wait_read<0>();
    bulk_wait<0>();
  }
}

DEVICE void load_box(const SelftestTensorParams& params, bool three) {
  char* const memory = aligned_shared();
  char* const tile = memory + 1024;
  const uint32_t bar = ready_barrier(memory);
  if (threadIdx.x == 0) {
    prefetch_tensor_map(&params.map);
    mbarrier_expect_bytes(bar, params.bytes);
    const int32_t* const c = params.corner;
    if (three) tma_load_3d(shared_address(tile), &params.map, c[0], c[1], c[2], bar);
    else tma_load_2d(shared_address(tile), &params.map, c[0], c[1], bar);
  }
  while (!mbarrier_try_wait(bar, 0)) {
  }
  copy_out(params.out, tile, params.bytes);
}
// out: the box as it lies in shared memory.
KERNEL(selftest_tma_load_2d, SelftestTensorParams, 64) { load_box(params, false); }
KERNEL(selftest_tma_load_3d, SelftestTensorParams, 64) { load_box(params, true); }

// in: a box as it lies in shared memory, stored to (added to) the tensor.
DEVICE void store_box(const SelftestTensorParams& params, bool add) {
  char* const tile = aligned_shared();
  copy_in(tile, params.in, params.bytes);
  fence_async_proxy();
  block_sync();
  if (threadIdx.x == 0) {
    if (add) tma_reduce_add_2d(&params.map, params.corner[0], params.corner[1], shared_address(tile));
    else tma_store_2d(&params.map, params.corner[0], params.corner[1], shared_address(tile));
    bulk_commit();
    bulk_wait<0>();
  }
}
KERNEL(selftest_tma_store_2d, SelftestTensorParams, 64) { store_box(params, false); }
KERNEL(selftest_tma_reduce_add_2d, SelftestTensorParams, 64) { store_box(params, true); }

// A cluster of two: both tell block 0 that they are ready, which loads the box into both. out: [2] of the box as it lies in
// shared memory.
KERNEL(selftest_tma_load_multicast, SelftestTensorParams, 64) {
  char* const memory = aligned_shared();
  char* const tile = memory + 1024;
  const uint32_t full = shared_address(memory), ready = full + 8, rank = cluster_rank();
  if (threadIdx.x == 0) {
    mbarrier_init(full, 1);
    mbarrier_init(ready, 2);
    fence_mbarrier_init();
  }
  cluster_arrive();
  cluster_wait();
  if (threadIdx.x == 0) {
    mbarrier_expect_bytes(full, params.bytes);
    mbarrier_arrive_remote(ready, 0);
    if (rank == 0) {
      mbarrier_wait(ready, 0);
      tma_load_2d_multicast(shared_address(tile), &params.map, params.corner[0], params.corner[1], full, 3);
    }
  }
  mbarrier_wait(full, 0);
  copy_out(params.out + rank * (params.bytes / 4), tile, params.bytes);
  cluster_arrive();
  cluster_wait();
}

}  // namespace nanogpt::cuda
