// Asynchronous operations (copies, matrix products, signals) between issue and completion. An instruction issues one and
// goes on; the scheduler does it at once, at a random moment or only when nothing else can run, as the schedule's seed says.
// Knows no instruction; refuses nothing: an operation that faults is reported at its own site. May include only lane.h and
// the standard library.
#pragma once
#include "lane.h"
#include <functional>

namespace nanogpt::emulation {

// Names an operation; 0 names none.
using PendingId = uint64_t;

// Issues an operation for the running lane. `run` sees self() as the lane that issued it, which may have exited by then,
// while its block still stands; it must not wait, but may wake lanes, issue further operations and fault. `what` is how
// reports name it ("bulk tensor load").
PendingId issue(const char* what, Site site, std::function<void()> run);
bool is_pending(PendingId id);
// Does the operation now if it is still pending: a wait needs it.
void complete(PendingId id);

}  // namespace nanogpt::emulation
