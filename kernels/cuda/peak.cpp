// Launcher of measure_peak: runs the yardstick kernels for about ten milliseconds at a time and keeps the best. Time is the
// host's, from the first launch to the end of a sync. On an emulated GPU the figures are the emulation's.
// May include only context.h, peak.h and the standard library.
#include "peak.h"
#include "context.h"
#include <algorithm>
#include <chrono>
#include <cstring>

namespace nanogpt::cuda {
namespace {

constexpr uint32_t kTriadCount = uint32_t{21} << 20;  // three arrays of 84 MB: more than any cache holds
constexpr double kEnough = 5e-3, kAim = 1e-2;         // seconds of a run: to count at all, to aim at
constexpr double kPatience = 0.5;                     // seconds for one figure, after which the best so far stands
constexpr int kAttempts = 12;
constexpr uint32_t kMostRounds = uint32_t{1} << 30;

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Most rounds a second that enqueue(rounds) followed by a sync reaches; rounds grow until a run is long enough.
template <class Enqueue>
int32_t measure(uint64_t context, double& rounds_per_second, const Enqueue& enqueue) {
  const double start = seconds_now();
  uint32_t rounds = 1;
  rounds_per_second = 0;
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    const double begin = seconds_now();
    if (const int32_t status = enqueue(rounds)) return status;
    if (const int32_t status = nanogpt_sync(context)) return status;
    const double end = seconds_now(), seconds = std::max(end - begin, 1e-9);
    rounds_per_second = std::max(rounds_per_second, rounds / seconds);
    if (end - start > kPatience) break;
    if (seconds < kEnough)
      rounds = static_cast<uint32_t>(std::min<double>(kMostRounds, rounds * std::min(10.0, kAim / seconds))) + 1;
  }
  return NANOGPT_OK;
}

// FLOP/s of a kernel of which a round does `flops` in each group of `threads`.
int32_t measure_flops(uint64_t address, double& out, const char* kernel, uint32_t blocks, uint32_t shared_bytes, double flops,
                      uint32_t threads) {
  Context& context = context_at(address);
  const LaunchShape shape{{blocks}, kPeakThreads, shared_bytes};
  const int32_t status = measure(address, out, [&](uint32_t rounds) {
    return launch(context, kernel, shape, PeakParams{memory<float>(context.scratch()), rounds});
  });
  out *= flops * blocks * (kPeakThreads / threads);
  return status;
}

int32_t measure_bandwidth(uint64_t address, double& out) {
  constexpr double kBytes = 3.0 * kTriadCount * sizeof(float);
  uint64_t arrays = 0;
  if (const int32_t status = nanogpt_alloc(address, reinterpret_cast<uint64_t>(&arrays), kBytes)) return status;
  Context& context = context_at(address);
  float* const x = memory<float>(arrays);
  const TriadParams params{x, x + kTriadCount, x + 2 * kTriadCount, kTriadCount};
  const LaunchShape shape{{context.processors() * 16}, kPeakThreads};
  const int32_t status = measure(address, out, [&](uint32_t rounds) {
    for (uint32_t round = 0; round < rounds; round++) {
      if (const int32_t failed = launch(context, "peak_triad", shape, params)) return failed;
    }
    return NANOGPT_OK;
  });
  out *= kBytes;
  const int32_t freed = nanogpt_free(address, arrays, kBytes);
  return status != NANOGPT_OK ? status : freed;
}

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_measure_peak(uint64_t context, uint64_t out) {
  if (context == 0) return NANOGPT_INVALID;
  Context& on = context_at(context);
  if (out == 0) return on.fail(NANOGPT_INVALID, "Measure_peak takes an address for three doubles, found null");
  double peaks[3];
  if (const int32_t status =
          measure_flops(context, peaks[0], "peak_float", on.processors() * (2048 / kPeakThreads), 0, kFloatRoundFlops, 1))
    return status;
  const int32_t status =
      on.isa() == NANOGPT_ISA_SM90A
          ? measure_flops(context, peaks[1], "peak_wgmma", on.processors(), kWgmmaPeakBytes, kWgmmaRoundFlops, 128)
          : measure_flops(context, peaks[1], "peak_mma", on.processors() * 4, 0, kMmaRoundFlops, 32);
  if (status != NANOGPT_OK) return status;
  if (const int32_t failed = measure_bandwidth(context, peaks[2])) return failed;
  std::memcpy(memory<void>(out), peaks, sizeof peaks);
  return NANOGPT_OK;
}
