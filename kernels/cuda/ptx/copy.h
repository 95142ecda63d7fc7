// Instructions that copy on their own while the lane goes on: cp.async, bulk and tensor (TMA) copies, and the barriers in
// shared memory by which they say that they are done. May include only sync.h.
#pragma once
#include "sync.h"

namespace nanogpt::cuda {}  // namespace nanogpt::cuda
