// The one function of the ABI that a real GPU cannot have: it schedules its blocks itself. Linked into the cuda library
// only; the emulated one's schedule is set by ../emulation/driver.cpp. Refuses every call. May include only
// context.h.
#include "context.h"

NANOGPT_EXPORT int32_t nanogpt_schedule(uint64_t context, uint32_t, uint32_t) {
  if (context == 0) return NANOGPT_INVALID;
  return nanogpt::cuda::context_at(context).fail(NANOGPT_UNSUPPORTED, "A GPU has no schedule to choose: it schedules itself");
}
