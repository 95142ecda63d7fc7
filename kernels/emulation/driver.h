// What tests and the library's own ABI tell the fake driver beside the driver API's functions: how many GPUs there are, how
// launches are scheduled, and to start anew, which no real driver could do. May include only lane.h and the standard
// library.
#pragma once
#include "lane.h"

namespace nanogpt::emulation {

// How later launches and streams are scheduled.
void set_schedule(const Schedule& schedule);

// As if the process had just begun: `devices` GPUs, no context, stream, memory or error. Nobody may hold any of them.
void restart_driver(uint32_t devices);

// How long a wait lets a collective's other ranks come before it gives up.
void set_patience(uint32_t ms);

}  // namespace nanogpt::emulation
