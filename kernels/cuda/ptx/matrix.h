// Matrix instructions: ldmatrix, stmatrix, mma.sync, wgmma. May include only sync.h.
#pragma once
#include "sync.h"

namespace nanogpt::cuda {}  // namespace nanogpt::cuda
