// The order in which a matrix instruction sums over k. Tensor cores do not add like a loop, and how they do is not
// documented: in checked mode the order is drawn from the schedule's seed, so that no result may rely on it. May include
// only lane.h and product.h.
#pragma once
#include "lane.h"
#include "product.h"

namespace nanogpt::emulation {

struct KOrder {
  uint32_t of[kProductDepth];  // of[k]: when term k is added

  KOrder() {
    for (uint32_t k = 0; k < kProductDepth; k++) of[k] = k;
#if defined(NANOGPT_EMULATION_CHECKS)
    for (uint32_t k = kProductDepth - 1; k > 0; k--) {
      const uint32_t other = draw(k + 1);
      const uint32_t held = of[k];
      of[k] = of[other];
      of[other] = held;
    }
#endif
  }
};

}  // namespace nanogpt::emulation
