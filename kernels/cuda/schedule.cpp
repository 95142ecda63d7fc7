// The functions of the ABI that only an emulated GPU has: a real one schedules its blocks itself, and counts no waits. Linked
// into the cuda library only; the emulated one's are in ../emulation/driver.cpp. Refuse every call. May include only
// context.h.
#include "context.h"

NANOGPT_EXPORT int32_t nanogpt_schedule(uint64_t context, uint32_t, uint32_t) {
  if (context == 0) return NANOGPT_INVALID;
  return nanogpt::cuda::context_at(context).fail(NANOGPT_UNSUPPORTED, "A GPU has no schedule to choose: it schedules itself");
}

NANOGPT_EXPORT int32_t nanogpt_waits(uint64_t context, uint64_t) {
  if (context == 0) return NANOGPT_INVALID;
  return nanogpt::cuda::context_at(context).fail(NANOGPT_UNSUPPORTED, "A GPU counts no waits: only an emulated one does");
}
