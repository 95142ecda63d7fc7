// Launchers of the head, a chunk of rows at a time: logits by a product into the workspace, their losses and gradients in
// place, then dx and dw by two products out of it. The form is that of the products; on wgmma the first also caps the logits
// and sums their exponentials, if the cap bounds them well enough. Never holds more logits than the chunk's. May include only
// context.h, gemm.h and head.h.
#include "head.h"
#include "context.h"
#include "gemm.h"
#include <algorithm>

namespace nanogpt::cuda {
namespace {

struct Head {
  HeadParams rows;  // x, w, targets, losses, dlosses and sizes; the chunk's fields are set chunk by chunk
  float* exponentials;  // where the product caps the logits and sums their exponentials: those sums; otherwise null
  uint64_t dx, dw;      // 0 without gradients
  uint32_t N, chunk, accumulate, dtype, form;

  uint64_t element() const { return dtype == NANOGPT_BF16 ? 2 : 4; }
  const void* x_rows(uint32_t first) const { return static_cast<const char*>(rows.x) + uint64_t{first} * rows.C * element(); }
};

// The kernel that finishes rows of logits.
const char* rows_kernel(const Head& h) {
  if (h.dtype == NANOGPT_F32) return "head_rows_f32";
  return h.exponentials == nullptr ? "head_rows_bf16" : "head_rows_capped";
}

// Threads of a block: a pack or more each, so that short rows leave none idle.
uint32_t threads_of(uint32_t V) { return std::clamp((V + 255) / 256 * 32, 32u, kHeadThreads); }

int32_t run_chunk(Check& check, const Head& h, uint32_t first, uint32_t count) {
  Context& context = check.context();
  HeadParams rows = h.rows;
  rows.first = first;
  const uint32_t C = rows.C, V = rows.V;
  const Operand x{h.x_rows(first), C, 0, h.dtype}, w{rows.w, C, 0, h.dtype}, w_transposed{rows.w, C, 1, h.dtype};
  const Operand z{rows.z, rows.ld, 0, h.dtype}, z_transposed{rows.z, rows.ld, 1, h.dtype};
  Product logits{count, V, C, x, w_transposed, rows.z, rows.ld, h.dtype};
  if (h.exponentials != nullptr) {
    logits.finish.kind = FinishKind::softcap;
    logits.finish.cap = rows.cap, logits.finish.exponentials = h.exponentials;
  }
  if (const int32_t status = multiply(context, check.op(), logits, h.form)) return status;
  const LaunchShape shape{{count}, threads_of(V), kHeadSharedBytes};
  if (const int32_t status = launch(context, rows_kernel(h), shape, rows)) return status;
  if (h.dx == 0) return NANOGPT_OK;
  void* const dx = memory<void>(h.dx + uint64_t{first} * C * h.element());
  if (const int32_t status = multiply(context, check.op(), {count, C, V, z, w, dx, C, h.dtype}, h.form)) return status;
  Product dw{V, C, count, z_transposed, x, memory<void>(h.dw), C, NANOGPT_F32};
  if (h.accumulate == 1 || first > 0) dw.added = dw.c;
  return multiply(context, check.op(), dw, h.form);
}

// Logits lie in the workspace with whole packs of 16 bytes a row: that is less than the 64 bytes a row that the ABI adds. Behind
// them come the tiles' sums of exponentials.
int32_t check_and_run(Check& check, Head& h, uint64_t workspace, double cap) {
  check.address("losses", reinterpret_cast<uint64_t>(h.rows.losses)).address("x", reinterpret_cast<uint64_t>(h.rows.x));
  check.address("w", reinterpret_cast<uint64_t>(h.rows.w)).address("targets", reinterpret_cast<uint64_t>(h.rows.targets));
  check.address("workspace", workspace).size("N", h.N).size("C", h.rows.C).size("V", h.rows.V).size("chunk", h.chunk);
  check.dtype("dtype", h.dtype).positive("cap", cap);
  if (check.failed()) return check.status();
  const uint64_t pack = 16 / h.element();
  h.rows.z = memory<void>(workspace);
  h.rows.ld = (h.rows.V + pack - 1) / pack * pack;
  h.rows.input_error = memory<InputError>(check.context().input_error());
  h.rows.cap = static_cast<float>(cap);
  if (h.form == NANOGPT_FORM_WGMMA && h.rows.cap <= kBoundedCap)
    h.exponentials = memory<float>(workspace + h.chunk * h.rows.ld * h.element());
  h.rows.exponentials = h.exponentials, h.rows.tiles = blocks_for(h.rows.V, kHeadTile);
  for (uint64_t first = 0; first < h.N; first += h.chunk) {
    const uint32_t begin = static_cast<uint32_t>(first);
    if (const int32_t status = run_chunk(check, h, begin, std::min(h.chunk, h.N - begin))) return status;
  }
  return NANOGPT_OK;
}

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_head_loss(uint64_t context, uint64_t losses, uint64_t x, uint64_t w, uint64_t targets,
                                         uint64_t workspace, uint32_t N, uint32_t C, uint32_t V, uint32_t chunk, uint32_t dtype,
                                         uint32_t form, double cap) {
  Check check(context, "head_loss");
  Head h{};
  h.rows.losses = memory<float>(losses);
  h.rows.x = memory<const void>(x);
  h.rows.w = memory<const void>(w);
  h.rows.targets = memory<const int32_t>(targets);
  h.rows.C = C, h.rows.V = V;
  h.N = N, h.chunk = chunk, h.dtype = dtype, h.form = form;
  return check_and_run(check, h, workspace, cap);
}

NANOGPT_EXPORT int32_t nanogpt_head_loss_grad(uint64_t context, uint64_t losses, uint64_t dx, uint64_t dw, uint64_t x, uint64_t w,
                                              uint64_t targets, uint64_t dlosses, uint64_t workspace, uint32_t N, uint32_t C,
                                              uint32_t V, uint32_t chunk, uint32_t accumulate, uint32_t dtype, uint32_t form,
                                              double cap) {
  Check check(context, "head_loss_grad");
  check.address("dx", dx).address("dw", dw).address("dlosses", dlosses).flag("accumulate", accumulate);
  Head h{};
  h.rows.losses = memory<float>(losses);
  h.rows.x = memory<const void>(x);
  h.rows.w = memory<const void>(w);
  h.rows.targets = memory<const int32_t>(targets);
  h.rows.dlosses = memory<const float>(dlosses);
  h.rows.C = C, h.rows.V = V;
  h.dx = dx, h.dw = dw, h.accumulate = accumulate;
  h.N = N, h.chunk = chunk, h.dtype = dtype, h.form = form;
  return check_and_run(check, h, workspace, cap);
}
