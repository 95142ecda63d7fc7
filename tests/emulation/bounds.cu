// Kernels that touch what is not theirs or what nobody has written, and their mended twins.
#include "cases.h"

namespace {

using namespace nanogpt::cuda;
using nanogpt::emulation_tests::Gpu;
using nanogpt::emulation_tests::Shape;

struct Copy {
  const float* x;
  float* y;
  uint32_t count;
};

void run_copy(Gpu& gpu, const char* kernel, const Shape& shape, const Copy& params) {
  gpu.launch(kernel, shape, params);
  gpu.sync();
}
const float* ones(Gpu& gpu, size_t count) { return gpu.array(std::vector<float>(count, 1.0f)); }

KERNEL(copy_words, Copy, 64) {
  for (uint32_t i = threadIdx.x; i < params.count; i += blockDim.x) params.y[i] = params.x[i];
}
FINDS(global_read_one_beyond, "out of bounds: read of 4 bytes at allocation 1 of 400 bytes + 400") {
  run_copy(gpu, "copy_words", {1, 64}, {ones(gpu, 100), gpu.array<float>(101), 101});
}
FINDS(global_write_one_beyond, "out of bounds: write of 4 bytes at allocation 2 of 400 bytes + 400") {
  run_copy(gpu, "copy_words", {1, 64}, {ones(gpu, 101), gpu.array<float>(100), 101});
}
FINDS(global_read_far_beyond, "device memory that nobody has allocated") {
  run_copy(gpu, "copy_words", {1, 1}, {ones(gpu, 64) + 64, gpu.array<float>(1), 1});
}
PASSES(global_copy_within) {
  run_copy(gpu, "copy_words", {1, 64}, {ones(gpu, 101), gpu.array<float>(101), 101});
}
FINDS(global_read_of_unwritten, "unwritten memory: read of 4 bytes at allocation 1") {
  run_copy(gpu, "copy_words", {1, 64}, {gpu.array<float>(100), gpu.array<float>(100), 100});
}
FINDS(freed_memory_read, "use after free: read of 4 bytes at freed allocation 1 of 64 bytes + 0") {
  const float* const x = ones(gpu, 16);
  gpu.ok(gpu.driver.memory_free(reinterpret_cast<uint64_t>(x)));
  run_copy(gpu, "copy_words", {1, 1}, {x, gpu.array<float>(16), 16});
}
FINDS(host_memory_read, "host memory dereferenced in a kernel") {
  const std::vector<float> x(16, 1.0f);
  run_copy(gpu, "copy_words", {1, 1}, {x.data(), gpu.array<float>(16), 16});
}

struct alignas(16) Four {
  float x, y, z, w;
};
KERNEL(copy_fours, Copy, 1) {
  Four* const y = reinterpret_cast<Four*>(params.y);
  y[0] = *reinterpret_cast<const Four*>(params.x);
}
FINDS(vector_read_misaligned, "misaligned: read of 16 bytes") {
  run_copy(gpu, "copy_fours", {1, 1}, {ones(gpu, 8) + 1, gpu.array<float>(4), 4});
}
PASSES(vector_read_aligned) { run_copy(gpu, "copy_fours", {1, 1}, {ones(gpu, 8) + 4, gpu.array<float>(4), 4}); }

// Each thread writes its word of shared memory and reads the word `count` further.
KERNEL(shared_ahead, Copy, 64) {
  float* const shared = reinterpret_cast<float*>(dynamic_shared());
  shared[threadIdx.x] = 1.0f;
  block_sync();
  params.y[threadIdx.x] = shared[threadIdx.x + params.count];
}
FINDS(shared_read_one_beyond, "out of bounds: read of 4 bytes at shared+0x100") {
  run_copy(gpu, "shared_ahead", {1, 64, 256}, {nullptr, gpu.array<float>(64), 1});
}
FINDS(shared_read_of_unwritten, "unwritten memory: read of 4 bytes at shared+0x100") {
  run_copy(gpu, "shared_ahead", {1, 64, 512}, {nullptr, gpu.array<float>(64), 1});
}
PASSES(shared_read_within) {
  run_copy(gpu, "shared_ahead", {1, 64, 256}, {nullptr, gpu.array<float>(64), 0});
}

// The second block must not find what the first left in the same shared memory.
KERNEL(shared_of_block_before, Copy, 1) {
  float* const shared = reinterpret_cast<float*>(dynamic_shared());
  if (blockIdx.x == 0) shared[0] = 1.0f;
  params.y[blockIdx.x] = shared[0];
}
FINDS(shared_left_by_another_block, "unwritten memory") {
  run_copy(gpu, "shared_of_block_before", {2, 1, 16}, {nullptr, gpu.array<float>(2), 0});
}

// A pointer into another thread's stack, passed through shared memory.
KERNEL(read_neighbours_local, Copy, 2) {
  float** const shared = reinterpret_cast<float**>(dynamic_shared());
  float mine = 1.0f;
  shared[threadIdx.x] = &mine;
  block_sync();
  params.y[threadIdx.x] = *shared[threadIdx.x ^ params.count];
  block_sync();
}
FINDS(local_memory_of_another_thread, "local memory dereferenced") {
  run_copy(gpu, "read_neighbours_local", {1, 2, 16}, {nullptr, gpu.array<float>(2), 1});
}
PASSES(own_local_memory) { run_copy(gpu, "read_neighbours_local", {1, 2, 16}, {nullptr, gpu.array<float>(2), 0}); }

// A type that the compiler copies by calling memcpy.
struct Row {
  float x[64];
};
KERNEL(copy_rows, Copy, 1) { *reinterpret_cast<Row*>(params.y) = *reinterpret_cast<const Row*>(params.x); }
FINDS(large_copy_beyond, "out of bounds: read of 256 bytes at allocation 1 of 252 bytes + 0") {
  run_copy(gpu, "copy_rows", {1, 1}, {ones(gpu, 63), gpu.array<float>(64), 1});
}
PASSES(large_copy_within) { run_copy(gpu, "copy_rows", {1, 1}, {ones(gpu, 64), gpu.array<float>(64), 1}); }

}  // namespace
