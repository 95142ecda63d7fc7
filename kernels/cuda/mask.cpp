// Launcher of attention_start: two kernels over tiles of rows. Refuses, as a cpu does, rows beyond the int32 range. May
// include only context.h and mask.h.
// The tiles' results lie in the context's scratch memory, which holds those of all the rows that int32 can number.
#include "mask.h"
#include "context.h"

using namespace nanogpt::cuda;

static_assert(0x80000000u / kMaskTile * sizeof(int32_t) <= kScratchBytes, "scratch memory holds a number a tile");

NANOGPT_EXPORT int32_t nanogpt_attention_start(uint64_t context, uint64_t start, uint64_t tokens, uint32_t N, uint32_t T,
                                               uint32_t window, uint32_t eos) {
  Check check(context, "attention_start");
  check.address("start", start).address("tokens", tokens).size("N", N).size("T", T).multiple("N", N, "T", T);
  check.size("window", window);
  if (N > 0x7fffffffu) check.below("N", N, "the int32 range", 0x80000000u);
  if (check.failed()) return check.status();
  const MaskParams params{memory<int32_t>(start), memory<int32_t>(check.context().scratch()), memory<const int32_t>(tokens),
                          N, T, window, eos};
  const LaunchShape shape{{blocks_for(N, kMaskTile)}, kMaskThreads, kMaskThreads / 32 * sizeof(int32_t)};
  if (const int32_t status = launch(check.context(), "mask_lasts", shape, params)) return status;
  return launch(check.context(), "attention_start", shape, params);
}
