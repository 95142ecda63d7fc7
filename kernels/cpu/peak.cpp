// What the machine can do at most: the matrix kernel's instruction in a loop that touches only registers, and a triad over
// more memory than any cache holds. Compiled once per instruction set; each measures its own instructions, all threads at
// once. These are yardsticks: no other file computes with them.
#include "kernels.h"
#include "micro.h"
#include <algorithm>
#include <chrono>

namespace nanogpt::NANOGPT_ISA_NAMESPACE {
namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Keeps a value that nothing reads.
inline void keep(vf x) { asm volatile("" : : "m"(x)); }

// As many independent sums as the microkernel has; returns floating-point operations a round.
template <class Step>
double vector_rounds(int64_t rounds, float start) {
  constexpr int kSums = 2 * kVectorRows;
  vf sums[kSums];
  for (int i = 0; i < kSums; i++) sums[i] = splat(start * static_cast<float>(i));
  const vf a = splat(start), b = splat(1.0f - start);
  for (int64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 32
    for (int i = 0; i < kSums; i++) sums[i] = Step::add(sums[i], a, b);
  }
  for (int i = 0; i < kSums; i++) keep(sums[i]);
  return 2.0 * kSums * kLanes;
}

double float32_rounds(int64_t rounds) { return vector_rounds<FloatStep>(rounds, 1e-3f); }

#if defined(NANOGPT_TILES)
double bf16_rounds(int64_t rounds) {
  const TileSession session;
  zero_tile<0>(), zero_tile<1>(), zero_tile<2>(), zero_tile<3>();
  zero_tile<4>(), zero_tile<5>(), zero_tile<6>(), zero_tile<7>();
  for (int64_t round = 0; round < rounds; round++) {
    dot_tiles<0, 4, 6>(), dot_tiles<1, 4, 7>();
    dot_tiles<2, 5, 6>(), dot_tiles<3, 5, 7>();
  }
  return 4.0 * 2 * kTileRows * kTileWords * kTileWords * 2;
}
#elif defined(NANOGPT_BF16_DOTS)
double bf16_rounds(int64_t rounds) { return 2.0 * vector_rounds<DotStep>(rounds, 1e-3f); }
#else
double bf16_rounds(int64_t rounds) { return float32_rounds(rounds); }
#endif

// FLOP/s of all threads together: the best of a few runs of about 4 ms, to which waking a thread adds a hundredth.
template <class Rounds>
double measure_flops(Context& context, const Rounds& run) {
  int64_t rounds = 1000;
  double best = 0;
  for (int attempt = 0; attempt < 12; attempt++) {
    const double begin = seconds_now();
    context.parallel(context.threads(), [&](int64_t, int) { run(rounds); });
    const double seconds = std::max(seconds_now() - begin, 1e-9);
    if (seconds < 2e-3) {
      rounds = static_cast<int64_t>(static_cast<double>(rounds) * std::min(10.0, 4e-3 / seconds)) + 1;
      continue;
    }
    best = std::max(best, run(1) * static_cast<double>(rounds) * context.threads() / seconds);
  }
  return best;
}

// Bytes/s of x = y + s*z over 256 MB in all, counted as one write and two reads.
double measure_bandwidth(Context& context, float* memory, int64_t count) {
  constexpr int64_t kPiece = 1 << 16;
  float *const x = memory, *const y = memory + count, *const z = memory + 2 * count;
  double best = 0;
  for (int attempt = 0; attempt < 3; attempt++) {
    const double begin = seconds_now();
    context.parallel(count / kPiece, [&](int64_t piece, int) {
      for (int64_t i = piece * kPiece; i < (piece + 1) * kPiece; i += kLanes) store(x + i, load(y + i) + 3.0f * load(z + i));
    });
    best = std::max(best, static_cast<double>(count) * 12 / (seconds_now() - begin));
  }
  return best;
}

}  // namespace

int32_t measure_peak(uint64_t context, uint64_t out) {
  Context& on = context_at(context);
  if (out == 0) return on.fail(NANOGPT_INVALID, "Measure_peak takes an address for three doubles, found null");
  constexpr int64_t kCount = int64_t{21} << 20;  // three arrays of 84 MB
  uint64_t memory = 0;
  if (const int32_t status = nanogpt_alloc(context, reinterpret_cast<uint64_t>(&memory), kCount * 12.0)) return status;
  const double peaks[3] = {measure_flops(on, float32_rounds), measure_flops(on, bf16_rounds),
                           measure_bandwidth(on, reinterpret_cast<float*>(memory), kCount)};
  std::memcpy(reinterpret_cast<void*>(out), peaks, sizeof peaks);
  return nanogpt_free(context, memory, kCount * 12.0);
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
