// Launchers of attention: check arguments, choose the kernels by form, type and head width, cut sequences into tiles. Refuse
// what a form cannot serve: they never take another. The mask itself is not checked here: it is in the GPU's memory, and
// attention_start makes none that breaks the limits. May include only context.h and attention_wgmma.h.
#include "attention_wgmma.h"
#include "context.h"
#include <cmath>
#include <cstdio>
#include <initializer_list>

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

AttentionShape shape_of(uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint64_t start) {
  return {N, T, H, D, 0, 0, static_cast<float>(1.0 / std::sqrt(static_cast<double>(D))), memory<const int32_t>(start)};
}

void cut(AttentionShape& s, uint32_t rows) {
  s.rows = rows;
  s.tiles = blocks_for(s.T, rows);
}

uint64_t address_of(const void* tensor) { return reinterpret_cast<uint64_t>(tensor); }

// A block for each tile of each head.
LaunchShape tile_shape(const AttentionShape& s, uint32_t shared_bytes) {
  return {{s.N / s.T * s.tiles * s.H}, kThreads, shared_bytes};
}

// The kernel of a form's family for a head width.
struct KernelName {
  char text[48];
  KernelName(const char* family, uint32_t D) { std::snprintf(text, sizeof text, "%s_mma_d%u", family, D); }
};

int32_t refuse_form(Check& check, uint32_t form) {
  return check.context().fail(NANOGPT_UNSUPPORTED, "Kernel %s has no form %u", check.op(), form);
}

// Rejects addresses at which a fast form cannot take 16 bytes at a time.
int32_t check_addresses(Check& check, uint32_t form, std::initializer_list<uint64_t> addresses) {
  for (const uint64_t address : addresses)
    if (address % 16 != 0)
      return check.context().fail(NANOGPT_INVALID,
                                  "Kernel %s: form %u takes addresses that are multiples of 16, found one that leaves %u",
                                  check.op(), form, static_cast<uint32_t>(address % 16));
  return NANOGPT_OK;
}

// Rejects what the mma.sync form cannot serve; `addresses` are those of its bf16 tensors.
int32_t check_mma(Check& check, uint32_t D, uint32_t dtype, std::initializer_list<uint64_t> addresses) {
  if (dtype != NANOGPT_BF16 || (D != 32 && D != 64 && D != 128))
    return check.context().fail(NANOGPT_INVALID, "Kernel %s: form 1 takes bf16 heads of width 32, 64 or 128, found %s of width %u",
                                check.op(), dtype == NANOGPT_BF16 ? "bf16" : "float32", D);
  return check_addresses(check, NANOGPT_FORM_MMA, addresses);
}

int32_t attention_mma(Check& check, AttentionParams params, uint32_t dtype) {
  AttentionShape& s = params.shape;
  if (const int32_t status = check_mma(check, s.D, dtype, {address_of(params.y), address_of(params.q), address_of(params.k),
                                                           address_of(params.v)}))
    return status;
  cut(s, mma_rows(s.D).forward);
  return launch(check.context(), KernelName("attention", s.D).text, tile_shape(s, mma_shared_bytes(s.D, s.rows, 1, 2)), params);
}

// Rejects what a form on wgmma cannot serve; `addresses` are those of its bf16 tensors.
int32_t check_wgmma(Check& check, uint32_t form, uint32_t D, uint32_t dtype, std::initializer_list<uint64_t> addresses) {
  Context& context = check.context();
  if (context.isa() != NANOGPT_ISA_SM90A)
    return context.fail(NANOGPT_UNSUPPORTED, "Kernel %s: form %u is for GPUs of compute capability 9.0", check.op(), form);
  if (dtype != NANOGPT_BF16 || D != wgmma_attention::kWidth)
    return context.fail(NANOGPT_INVALID, "Kernel %s: form %u takes bf16 heads of width %u, found %s of width %u", check.op(), form,
                        wgmma_attention::kWidth, dtype == NANOGPT_BF16 ? "bf16" : "float32", D);
  return check_addresses(check, form, addresses);
}

// Describes act[N,H,D] to the copy engine, a sequence at a time, in boxes of so many rows.
int32_t encode(Context& context, TensorMap& map, const void* tensor, const AttentionShape& s, uint32_t rows) {
  const uint64_t columns = uint64_t{s.H} * s.D;
  const uint64_t dims[] = {columns, s.T, s.N / s.T};
  const uint64_t strides[] = {columns * 2, columns * 2 * s.T};
  const uint32_t box[] = {wgmma_attention::kBox, rows, 1};
  return context.encode(map, TensorType::bfloat16, 3, address_of(tensor), dims, strides, box, Swizzle::bytes128);
}

LaunchShape wgmma_shape(const AttentionShape& s, uint32_t shared_bytes) {
  LaunchShape shape = tile_shape(s, shared_bytes);
  shape.threads = wgmma_attention::kThreads;
  return shape;
}

int32_t attention_wgmma(Check& check, const AttentionParams& params, uint32_t dtype) {
  Context& context = check.context();
  const AttentionShape& s = params.shape;
  if (const int32_t status = check_wgmma(check, NANOGPT_FORM_WGMMA, s.D, dtype,
                                         {address_of(params.y), address_of(params.q), address_of(params.k), address_of(params.v)}))
    return status;
  WgmmaAttentionParams maps{{}, {}, {}, s, params.y, params.lse};
  constexpr uint32_t kTileRows = wgmma_attention::ForwardTiles::kTileRows;
  if (const int32_t status = encode(context, maps.q, params.q, s, kTileRows)) return status;
  if (const int32_t status = encode(context, maps.k, params.k, s, kTileRows)) return status;
  if (const int32_t status = encode(context, maps.v, params.v, s, kTileRows)) return status;
  cut(maps.shape, wgmma_attention::kRows);
  return launch(context, "attention_wgmma_d128", wgmma_shape(maps.shape, wgmma_attention::kForwardBytes), maps);
}

int32_t attention_grad_simple(Context& context, AttentionGradParams params, uint32_t dtype) {
  AttentionShape& s = params.shape;
  const bool narrow = dtype == NANOGPT_BF16;
  cut(s, simple_rows(s.D));
  const LaunchShape tiles = tile_shape(s, attention_grad_floats(s.rows, s.D) * 4);
  if (const int32_t status = launch(context, narrow ? "attention_delta_bf16" : "attention_delta_f32",
                                    {{blocks_for(uint64_t{s.N} * s.H, kThreads)}, kThreads}, params))
    return status;
  if (const int32_t status = launch(context, narrow ? "attention_dq_bf16" : "attention_dq_f32", tiles, params)) return status;
  return launch(context, narrow ? "attention_dkdv_bf16" : "attention_dkdv_f32", tiles, params);
}

// The delta that both fast forms need.
int32_t compute_delta(Context& context, const AttentionGradParams& params) {
  const AttentionShape& s = params.shape;
  const LaunchShape rows{{blocks_for(uint64_t{s.N} * s.H * (s.D / 8), kThreads)}, kThreads};
  return launch(context, KernelName("attention_delta", s.D).text, rows, params);
}

int32_t attention_grad_mma(Check& check, AttentionGradParams params, uint32_t dtype) {
  AttentionShape& s = params.shape;
  if (const int32_t status =
          check_mma(check, s.D, dtype,
                    {address_of(params.dq), address_of(params.dk), address_of(params.dv), address_of(params.dy),
                     address_of(params.q), address_of(params.k), address_of(params.v), address_of(params.y)}))
    return status;
  Context& context = check.context();
  if (const int32_t status = compute_delta(context, params)) return status;
  cut(s, mma_rows(s.D).dq);
  const LaunchShape queries = tile_shape(s, mma_shared_bytes(s.D, s.rows, 2, 2));
  if (const int32_t status = launch(context, KernelName("attention_dq", s.D).text, queries, params)) return status;
  cut(s, mma_rows(s.D).dkdv);
  const LaunchShape keys = tile_shape(s, mma_shared_bytes(s.D, s.rows, 2, 2) + 2 * sizeof(QueryValues));
  return launch(context, KernelName("attention_dkdv", s.D).text, keys, params);
}

// dk and dv by one kernel and dq by another.
int32_t grad_by_two_kernels(Context& context, const WgmmaAttentionGradParams& params) {
  using namespace wgmma_attention;
  const AttentionShape& s = params.grad.shape;
  if (const int32_t status = launch(context, "attention_dq_wgmma_d128", wgmma_shape(s, kQueryGradBytes), params)) return status;
  return launch(context, "attention_dkdv_wgmma_d128", wgmma_shape(s, kKeyGradBytes), params);
}

// All by one kernel that adds to dq in float32, which the next makes bf16.
int32_t grad_by_adding(Context& context, const WgmmaAttentionGradParams& params) {
  using namespace wgmma_attention;
  WgmmaRoundDqParams rounding{params.grad.shape, params.grad.dq, params.dq_sums};
  cut(rounding.shape, kGroupRows);
  const LaunchShape tiles = tile_shape(rounding.shape, BackwardTiles::kTileBytes + kSwizzleSlack);
  if (const int32_t status = context.clear(address_of(params.dq_sums), uint64_t{tiles.grid.x} * kDqTile * 4)) return status;
  if (const int32_t status =
          launch(context, "attention_grad_add_wgmma_d128", wgmma_shape(params.grad.shape, kAddingBytes), params))
    return status;
  return launch(context, "attention_round_dq_wgmma_d128", tiles, rounding);
}

int32_t attention_grad_wgmma(Check& check, const AttentionGradParams& params, uint32_t dtype, uint32_t form) {
  using namespace wgmma_attention;
  const AttentionShape& s = params.shape;
  if (const int32_t status =
          check_wgmma(check, form, s.D, dtype,
                      {address_of(params.dq), address_of(params.dk), address_of(params.dv), address_of(params.dy),
                       address_of(params.q), address_of(params.k), address_of(params.v), address_of(params.y)}))
    return status;
  Context& context = check.context();
  WgmmaAttentionGradParams maps{{}, {}, {}, {}, params, nullptr};
  const struct {
    TensorMap& map;
    const void* tensor;
  } tensors[] = {{maps.q, params.q}, {maps.k, params.k}, {maps.v, params.v}, {maps.dy, params.dy}};
  for (const auto& [map, tensor] : tensors)
    if (const int32_t status = encode(context, map, tensor, s, BackwardTiles::kTileRows)) return status;
  cut(maps.grad.shape, kRows);
  if (form == NANOGPT_FORM_WGMMA_ADD) {
    // dq's sums come first in the workspace.
    if (const int32_t status = check_addresses(check, form, {address_of(params.delta)})) return status;
    maps.dq_sums = params.delta;
    maps.grad.delta += uint64_t{s.N / s.T} * blocks_for(s.T, kGroupRows) * s.H * kDqTile;
  }
  if (const int32_t status = compute_delta(context, maps.grad)) return status;
  return form == NANOGPT_FORM_WGMMA_ADD ? grad_by_adding(context, maps) : grad_by_two_kernels(context, maps);
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
  AttentionParams params{shape_of(N, T, H, D, start), memory<void>(y),      memory<float>(lse),
                         memory<const void>(q),       memory<const void>(k), memory<const void>(v)};
  if (form == NANOGPT_FORM_MMA) return attention_mma(check, params, dtype);
  if (form == NANOGPT_FORM_WGMMA) return attention_wgmma(check, params, dtype);
  if (form != NANOGPT_FORM_SIMPLE) return refuse_form(check, form);
  cut(params.shape, simple_rows(D));
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
  const AttentionGradParams params{shape_of(N, T, H, D, start), memory<void>(dq),         memory<void>(dk),
                                   memory<void>(dv),            memory<const void>(dy),   memory<const void>(q),
                                   memory<const void>(k),       memory<const void>(v),    memory<const void>(y),
                                   memory<const float>(lse),    memory<float>(workspace)};
  if (form == NANOGPT_FORM_MMA) return attention_grad_mma(check, params, dtype);
  if (form == NANOGPT_FORM_WGMMA || form == NANOGPT_FORM_WGMMA_ADD) return attention_grad_wgmma(check, params, dtype, form);
  if (form != NANOGPT_FORM_SIMPLE) return refuse_form(check, form);
  return attention_grad_simple(check.context(), params, dtype);
}
