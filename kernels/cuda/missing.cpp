// Ops that the GPU library does not have yet: weak, so that a real one takes their place. May include only context.h.
#include "context.h"

using namespace nanogpt::cuda;

#define MISSING(op, ...) \
  extern "C" __attribute__((weak, visibility("default"))) int32_t nanogpt_##op(uint64_t context, ##__VA_ARGS__) { \
    return context_at(context).fail(NANOGPT_UNSUPPORTED, "This library has no kernel " #op); \
  }

MISSING(schedule, uint32_t, uint32_t)
MISSING(measure_peak, uint64_t)
MISSING(fill, uint64_t, uint32_t, uint32_t, double)
MISSING(cast, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t)
MISSING(add, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t)
MISSING(axpby, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, double, double)
MISSING(affine, uint64_t, uint64_t, uint32_t, uint32_t, double, double)
MISSING(scale, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t)
MISSING(scale_grad, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t)
MISSING(mix, uint64_t, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t)
MISSING(mix_grad, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t)
MISSING(relu_squared, uint64_t, uint64_t, uint32_t, uint32_t)
MISSING(relu_squared_grad, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t)
MISSING(softcap, uint64_t, uint64_t, uint32_t, uint32_t, double)
MISSING(softcap_grad, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, double)
MISSING(mean, uint64_t, uint64_t, uint32_t)
MISSING(broadcast, uint64_t, uint64_t, uint32_t, double)
MISSING(embed, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t)
MISSING(embed_grad, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t)
MISSING(select_row, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t)
MISSING(rms_norm, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, double)
MISSING(rms_norm_grad, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, double)
MISSING(rope_table, uint64_t, uint32_t, uint32_t, double)
MISSING(rope, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t)
MISSING(norm_rope, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, double)
MISSING(norm_rope_grad, uint64_t, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, double)
MISSING(matmul, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t)
MISSING(matmul_add, uint64_t, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t)
MISSING(attention_start, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t)
MISSING(attention, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t)
MISSING(attention_grad, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t)
MISSING(cross_entropy, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t)
MISSING(cross_entropy_grad, uint64_t, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t)
MISSING(head_loss, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, double)
MISSING(head_loss_grad, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, double)
MISSING(adam, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, double, double, double, double)
MISSING(nesterov, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t)
MISSING(frobenius_normalise, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, double)
MISSING(newton_schulz, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t)
MISSING(apply_update, uint64_t, uint64_t, uint64_t, uint32_t, double)
