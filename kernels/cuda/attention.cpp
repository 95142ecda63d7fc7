// Launchers of attention: check arguments, choose the kernels by form and type, cut sequences into tiles. May include only
// context.h and attention.h.
#include "attention.h"
#include "context.h"
#include <cmath>

namespace nanogpt::cuda {
namespace {

constexpr uint32_t kThreads = 128;

void check_shape(Check& check, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype) {
  check.size("N", N).size("T", T).size("H", H).size("D", D).even("D", D).dtype("dtype", dtype).multiple("N", N, "T", T);
  if (check.failed()) return;
  if (D > kMostHeadWidth)
    check.failure(check.context().fail(NANOGPT_INVALID, "Kernel %s: expected D of at most %u, found %u", check.op(),
                                       kMostHeadWidth, D));
  else if (uint64_t{N} * H > INT32_MAX)
    check.failure(check.context().fail(NANOGPT_INVALID, "Kernel %s: expected N*H of at most %d, found %llu", check.op(), INT32_MAX,
                                       static_cast<unsigned long long>(uint64_t{N} * H)));
}

// Rows of a tile of the simple kernels: the backward of the widest heads stays below the 99 KB of shared memory that every
// chip since sm_80 gives a block.
uint32_t simple_rows(uint32_t D) { return D <= 64 ? 32 : D <= 128 ? 16 : 8; }

AttentionShape shape_of(uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint64_t start, uint32_t rows) {
  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(D)));
  return {N, T, H, D, rows, blocks_for(T, rows), scale, memory<const int32_t>(start)};
}

// A block for each tile of each head.
LaunchShape tile_shape(const AttentionShape& s, uint32_t shared_bytes) {
  return {{s.N / s.T * s.tiles * s.H}, kThreads, shared_bytes};
}

int32_t refuse_form(Check& check, uint32_t form) {
  return check.context().fail(NANOGPT_UNSUPPORTED, "Kernel %s: expected form 0, found %u", check.op(), form);
}

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_attention(uint64_t context, uint64_t y, uint64_t lse, uint64_t q, uint64_t k, uint64_t v,
                                         uint64_t start, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype,
                                         uint32_t form) {
  Check check(context, "attention");
  check.address("y", y).address("lse", lse).address("q", q).address("k", k).address("v", v).address("start", start);
  check_shape(check, N, T, H, D, dtype);
  if (check.failed()) return check.status();
  if (form != NANOGPT_FORM_SIMPLE) return refuse_form(check, form);
  const AttentionParams params{shape_of(N, T, H, D, start, simple_rows(D)), memory<void>(y), memory<float>(lse),
                               memory<const void>(q), memory<const void>(k), memory<const void>(v)};
  const uint32_t shared_bytes = attention_floats(params.shape.rows, D) * 4;
  return launch(check.context(), dtype == NANOGPT_BF16 ? "attention_bf16" : "attention_f32",
                tile_shape(params.shape, shared_bytes), params);
}

NANOGPT_EXPORT int32_t nanogpt_attention_grad(uint64_t context, uint64_t dq, uint64_t dk, uint64_t dv, uint64_t dy, uint64_t q,
                                              uint64_t k, uint64_t v, uint64_t y, uint64_t lse, uint64_t start,
                                              uint64_t workspace, uint32_t N, uint32_t T, uint32_t H, uint32_t D,
                                              uint32_t dtype, uint32_t form) {
  Check check(context, "attention_grad");
  check.address("dq", dq).address("dk", dk).address("dv", dv).address("dy", dy).address("q", q).address("k", k).address("v", v);
  check.address("y", y).address("lse", lse).address("start", start).address("workspace", workspace);
  check_shape(check, N, T, H, D, dtype);
  if (check.failed()) return check.status();
  if (form != NANOGPT_FORM_SIMPLE) return refuse_form(check, form);
  const AttentionGradParams params{shape_of(N, T, H, D, start, simple_rows(D)),
                                   memory<void>(dq), memory<void>(dk), memory<void>(dv), memory<const void>(dy),
                                   memory<const void>(q), memory<const void>(k), memory<const void>(v), memory<const void>(y),
                                   memory<const float>(lse), memory<float>(workspace)};
  const bool narrow = dtype == NANOGPT_BF16;
  const LaunchShape tiles = tile_shape(params.shape, attention_grad_floats(params.shape.rows, D) * 4);
  Context& ctx = check.context();
  if (const int32_t status = launch(ctx, narrow ? "attention_delta_bf16" : "attention_delta_f32",
                                    {{blocks_for(uint64_t{N} * H, kThreads)}, kThreads}, params))
    return status;
  if (const int32_t status = launch(ctx, narrow ? "attention_dq_bf16" : "attention_dq_f32", tiles, params)) return status;
  return launch(ctx, narrow ? "attention_dkdv_bf16" : "attention_dkdv_f32", tiles, params);
}
