// Calls of cuBLASLt as a program may get them wrong, each with what the fake one must say; and one that is right. Host code
// only.
#include "../../kernels/cuda/cublaslt.h"
#include "cases.h"

namespace {

using namespace nanogpt::cuda;
using nanogpt::emulation_tests::Gpu;

constexpr uint64_t kSide = 8;

// A product of two [8,8] matrices of ones in float32, with all that cuBLASLt wants described.
struct Blas {
  Gpu& gpu;
  const CublasLt& lt = *open_cublaslt().library;
  LtHandle handle = nullptr;
  LtOperation operation = nullptr;
  LtLayout layout = nullptr;
  LtPreference preference = nullptr;
  LtHeuristic best{};
  float* a = nullptr;
  float* b = nullptr;
  float* c = nullptr;
  char* workspace = nullptr;
  size_t workspace_bytes = 1 << 16;

  explicit Blas(Gpu& on) : gpu(on) {
    const uint64_t most = workspace_bytes;
    const uint32_t alignment = 16;
    ok(lt.create(&handle)), ok(lt.operation_create(&operation, kLtComputeFloat32, kLtFloat32));
    ok(lt.layout_create(&layout, kLtFloat32, kSide, kSide, kSide)), ok(lt.preference_create(&preference));
    ok(lt.preference_set(preference, kLtMostWorkspace, &most, sizeof most));
    for (int attribute = kLtAlignmentA; attribute <= kLtAlignmentD; attribute++)
      ok(lt.preference_set(preference, attribute, &alignment, sizeof alignment));
    a = gpu.array(std::vector<float>(2 * kSide * kSide, 1.0f));
    b = gpu.array(std::vector<float>(2 * kSide * kSide, 1.0f));
    c = gpu.array<float>(2 * kSide * kSide);
    workspace = gpu.array<char>(workspace_bytes + 256);
  }
  ~Blas() {
    lt.layout_destroy(layout), lt.operation_destroy(operation), lt.preference_destroy(preference), lt.destroy(handle);
  }
  void ok(LtStatus status) {
    if (status != kLtSuccess && gpu.report.empty()) gpu.report = lt.get_status_name(status);
  }
  // The same of `count` matrices each, `stride` elements apart.
  void batch(int32_t count, int64_t stride) {
    ok(lt.layout_set(layout, kLtBatchCount, &count, sizeof count));
    ok(lt.layout_set(layout, kLtBatchStride, &stride, sizeof stride));
  }
  void choose() {
    int found = 0;
    ok(lt.heuristic(handle, operation, layout, layout, layout, layout, preference, 1, &best, &found));
  }
  void run() {
    if (!gpu.report.empty()) return;
    const float alpha = 1.0f, beta = 0.0f;
    ok(lt.multiply(handle, operation, &alpha, a, layout, b, layout, &beta, c, layout, c, layout, &best.algorithm, workspace,
                   workspace_bytes, gpu.stream));
  }
};

PASSES(product_of_ones) {
  Blas blas(gpu);
  blas.choose();
  blas.run();
  if (gpu.read(blas.c, kSide * kSide) != std::vector<float>(kSide * kSide, static_cast<float>(kSide))) gpu.wrong("a sum");
}
PASSES(batch_of_products) {
  Blas blas(gpu);
  std::vector<float> ones_and_twos(2 * kSide * kSide, 1.0f), sums(2 * kSide * kSide, static_cast<float>(kSide));
  for (uint64_t i = kSide * kSide; i < 2 * kSide * kSide; i++) ones_and_twos[i] *= 2.0f, sums[i] *= 2.0f;
  blas.b = gpu.array(ones_and_twos);
  blas.batch(2, kSide * kSide);
  blas.choose();
  blas.run();
  if (gpu.read(blas.c, 2 * kSide * kSide) != sums) gpu.wrong("a sum");
}
FINDS(results_of_a_batch_over_each_other, "the matrices of d overlap each other") {
  Blas blas(gpu);
  blas.batch(2, kSide * kSide - 4);
  blas.choose();
  blas.run();
}
FINDS(matrices_of_a_batch_less_aligned_than_promised, "a is not aligned to the 16 bytes that were promised") {
  Blas blas(gpu);
  blas.batch(2, kSide * kSide - 1);
  blas.choose();
  blas.run();
}
FINDS(batch_beyond_the_memory, "a lies outside the memory of the handle's GPU") {
  Blas blas(gpu);
  blas.batch(3, kSide * kSide);
  blas.choose();
  blas.run();
}
FINDS(algorithm_of_another_stride, "an algorithm that was chosen for another product") {
  Blas blas(gpu);
  blas.batch(2, kSide * kSide);
  blas.choose();
  blas.batch(2, kSide * kSide - 4);
  blas.run();
}
FINDS(attribute_of_another_size, "an attribute of 4 bytes is given 8") {
  Blas blas(gpu);
  const int64_t transposed = 1;
  blas.ok(blas.lt.operation_set(blas.operation, kLtTransposeA, &transposed, sizeof transposed));
}
FINDS(columns_closer_than_they_are_long, "a column-major matrix of 8 x 8 with columns 4 apart") {
  Blas blas(gpu);
  LtLayout other = nullptr;
  blas.ok(blas.lt.layout_create(&other, kLtFloat32, kSide, kSide, 4));
}
FINDS(sizes_that_do_not_fit, "sizes of a, b, c and d that do not fit together") {
  Blas blas(gpu);
  LtLayout other = nullptr;
  int found = 0;
  blas.ok(blas.lt.layout_create(&other, kLtFloat32, kSide, 4, kSide));
  blas.ok(blas.lt.heuristic(blas.handle, blas.operation, blas.layout, other, blas.layout, blas.layout, blas.preference, 1,
                            &blas.best, &found));
  blas.lt.layout_destroy(other);
}
FINDS(algorithm_of_another_product, "an algorithm that was chosen for another product") {
  Blas blas(gpu);
  blas.choose();
  const int32_t transposed = kLtTransposed;
  blas.ok(blas.lt.operation_set(blas.operation, kLtTransposeA, &transposed, sizeof transposed));
  blas.run();
}
// The algorithm's workspace is drawn; one that takes none has nothing to say.
FINDS(workspace_left_out, "0 bytes of workspace, the algorithm takes") {
  Blas blas(gpu);
  blas.choose();
  blas.workspace_bytes = 0;
  blas.run();
}
FINDS(workspace_between_multiples_of_256, "the workspace begins at no multiple of 256") {
  Blas blas(gpu);
  blas.choose();
  blas.workspace += 16;
  blas.run();
}
FINDS(operand_less_aligned_than_promised, "b is not aligned to the 16 bytes that were promised") {
  Blas blas(gpu);
  blas.choose();
  blas.b += 1;
  blas.run();
}
FINDS(result_over_an_operand, "d overlaps an operand") {
  Blas blas(gpu);
  blas.choose();
  blas.c = blas.a + kSide;
  blas.run();
}
FINDS(descriptor_of_nobody, "a descriptor that it did not make") {
  Blas blas(gpu);
  blas.choose();
  blas.ok(blas.lt.layout_destroy(blas.layout));
  blas.run();
  blas.lt.layout_create(&blas.layout, kLtFloat32, kSide, kSide, kSide);
}
FINDS(descriptor_made_while_captured, "cuBLASLt: allocates while a stream is captured") {
  Blas blas(gpu);
  LtLayout other = nullptr;
  Graph graph = nullptr;
  gpu.ok(gpu.driver.stream_begin_capture(gpu.stream, 1));
  blas.ok(blas.lt.layout_create(&other, kLtFloat32, kSide, kSide, kSide));
  gpu.ok(gpu.driver.stream_end_capture(gpu.stream, &graph));
}
FINDS(operand_outside_device_memory, "a lies outside the memory of the handle's GPU") {
  Blas blas(gpu);
  blas.choose();
  blas.a = gpu.array<float>(kSide);
  blas.run();
}

}  // namespace
