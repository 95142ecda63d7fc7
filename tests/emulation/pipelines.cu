// A product of two matrices as fast kernels make it: tensor copies into two stages, mbarriers, wgmma; once right and once
// with each of the mistakes that such pipelines invite.
#include "cases.h"
#include "random_words.h"

namespace {

using namespace nanogpt::cuda;
using nanogpt::emulation_tests::Gpu;
using nanogpt::emulation_tests::RandomWords;

constexpr uint32_t kTile = 64, kDepth = 256, kStages = 2;
constexpr uint32_t kTileBytes = kTile * kTile * 2, kStageBytes = 2 * kTileBytes;
constexpr uint32_t kConsumers = 128, kThreads = kConsumers + 32;

struct PipelineParams {
  TensorMap a, b;
  float* out;  // [kTile][kTile]
};

enum class Bug { none, no_wait, wrong_parity, early_release, too_many_bytes, too_few_bytes, no_fence, no_wgmma_wait };

template <Bug bug>
DEVICE void produce(const PipelineParams& params, uint32_t stages, uint32_t full, uint32_t empty) {
  for (uint32_t block = 0; block < kDepth / kTile; block++) {
    const uint32_t s = block % kStages, tile = stages + s * kStageBytes;
    mbarrier_wait(empty + 8 * s, (block / kStages & 1) ^ 1);
    constexpr uint32_t announced = kStageBytes + (bug == Bug::too_many_bytes ? 16 : 0) - (bug == Bug::too_few_bytes ? 16 : 0);
    mbarrier_expect_bytes(full + 8 * s, announced);
    const int32_t k = static_cast<int32_t>(block * kTile);
    tma_load_2d(tile, &params.a, k, 0, full + 8 * s);
    tma_load_2d(tile + kTileBytes, &params.b, k, 0, full + 8 * s);
  }
}

template <Bug bug>
DEVICE void consume(const PipelineParams& params, uint32_t stages, uint32_t full, uint32_t empty) {
  float d[kTile / 2] = {};
  for (uint32_t block = 0; block < kDepth / kTile; block++) {
    const uint32_t s = block % kStages, tile = stages + s * kStageBytes;
    if (bug != Bug::no_wait) mbarrier_wait(full + 8 * s, (block / kStages & 1) ^ (bug == Bug::wrong_parity ? 1 : 0));
    pin(d);
    if (bug != Bug::no_fence) wgmma_fence();
    for (uint32_t k = 0; k < kTile / 16; k++) {
      wgmma<kTile, 0, 0>(d, matrix_descriptor(tile + 32 * k, 16, 1024, Swizzle::bytes128),
                         matrix_descriptor(tile + kTileBytes + 32 * k, 16, 1024, Swizzle::bytes128), block + k > 0);
    }
    wgmma_commit();
    if (bug == Bug::early_release && threadIdx.x == 0) mbarrier_arrive(empty + 8 * s);
    if (bug != Bug::no_wgmma_wait || block < kDepth / kTile - 1) wgmma_wait<0>();
    pin(d);
    if (bug != Bug::early_release && threadIdx.x == 0) mbarrier_arrive(empty + 8 * s);
  }
  for (uint32_t i = 0; i < kTile / 2; i++) params.out[threadIdx.x * (kTile / 2) + i] = d[i];
  if (bug == Bug::no_wgmma_wait) wgmma_wait<0>();
}

template <Bug bug>
DEVICE void pipeline(const PipelineParams& params) {
  char* memory = dynamic_shared();
  memory += -shared_address(memory) & 1023u;
  const uint32_t stages = shared_address(memory), full = stages + kStages * kStageBytes, empty = full + 8 * kStages;
  if (threadIdx.x == 0) {
    for (uint32_t s = 0; s < kStages; s++) {
      mbarrier_init(full + 8 * s, 1);
      mbarrier_init(empty + 8 * s, 1);
    }
    fence_mbarrier_init();
  }
  block_sync();
  if (threadIdx.x < kConsumers) consume<bug>(params, stages, full, empty);
  else if (threadIdx.x == kConsumers) produce<bug>(params, stages, full, empty);
}

#define PIPELINE(name) \
  KERNEL(pipeline_##name, PipelineParams, kThreads) { pipeline<Bug::name>(params); }
PIPELINE(none)
PIPELINE(no_wait)
PIPELINE(wrong_parity)
PIPELINE(early_release)
PIPELINE(too_many_bytes)
PIPELINE(too_few_bytes)
PIPELINE(no_fence)
PIPELINE(no_wgmma_wait)

void run(Gpu& gpu, const char* kernel) {
  RandomWords random(gpu.seed);
  std::vector<uint16_t> a(kTile * kDepth), b(kTile * kDepth);
  for (uint16_t& x : a) x = random.integer_bf16();
  for (uint16_t& x : b) x = random.integer_bf16();
  const auto map = [&](const std::vector<uint16_t>& values) {
    TensorMap made{};
    const uint64_t dims[] = {kDepth, kTile}, strides[] = {2 * kDepth};
    const uint32_t box[] = {kTile, kTile}, ones[] = {1, 1};
    gpu.ok(gpu.driver.tensor_map_encode(&made, static_cast<int>(TensorType::bfloat16), 2, gpu.array(values), dims, strides,
                                        box, ones, 0, static_cast<int>(Swizzle::bytes128), 2, 0));
    return made;
  };
  float* const out = gpu.array<float>(kTile * kTile);
  gpu.launch(kernel, {1, kThreads, kStages * kStageBytes + 2048}, PipelineParams{map(a), map(b), out});
  const auto found = gpu.read(out, kTile * kTile);
  for (uint32_t row = 0; row < kTile; row++) {
    for (uint32_t column = 0; column < kTile; column++) {
      float sum = 0.0f;
      for (uint32_t k = 0; k < kDepth; k++) sum += to_float(bf16{a[row * kDepth + k]}) * to_float(bf16{b[column * kDepth + k]});
      const uint32_t thread = row / 16 * 32 + row % 8 * 4 + column % 8 / 2;
      const uint32_t i = column / 8 * 4 + (row % 16 < 8 ? 0 : 2) + column % 2;
      if (!(found[thread * (kTile / 2) + i] == sum)) {  // NaN as well
        gpu.wrong("the product at " + std::to_string(row) + ", " + std::to_string(column));
        return;
      }
    }
  }
}

// The products' reads race with the copy, or nothing has come yet.
#define READ_TOO_EARLY "race: asynchronous read of 16 bytes|unwritten memory: asynchronous read of 16 bytes"

PASSES(pipeline_of_copies_and_products) { run(gpu, "pipeline_none"); }
FINDS(tile_read_without_waiting, READ_TOO_EARLY) { run(gpu, "pipeline_no_wait"); }
// Or some lanes are let through and others, which come later, wait for a phase that will not end.
FINDS(tile_waited_for_by_the_wrong_parity, READ_TOO_EARLY "|deadlock, nobody can go on") { run(gpu, "pipeline_wrong_parity"); }
FINDS(stage_released_before_the_products_are_done, "race: ") { run(gpu, "pipeline_early_release"); }
FINDS(more_bytes_announced_than_come, "deadlock") { run(gpu, "pipeline_too_many_bytes"); }
FINDS(fewer_bytes_announced_than_come, "deadlock") { run(gpu, "pipeline_too_few_bytes"); }
FINDS(products_without_wgmma_fence, "no wgmma_fence") { run(gpu, "pipeline_no_fence"); }
FINDS(accumulators_read_before_the_wait, "wrong: the product") { run(gpu, "pipeline_no_wgmma_wait"); }

}  // namespace
