// Runs a matrix product on wgmma: checks the form's limits, chooses the schedule by shape, describes the operands to the copy
// engine and starts as many blocks as the chip has processors, which share the work out among themselves. Refuses what
// breaks the limits. May include only context.h, gemm_parts.h and gemm_wgmma.h.
#include "gemm_wgmma.h"
#include "context.h"
#include "gemm_parts.h"

namespace nanogpt::cuda {
namespace {

using namespace wgmma_gemm;

// 128 x 256 x 64 at three quarters of 989 TFLOP/s takes 0.75 us; a sum is 8 bytes of 3 TB/s.
constexpr StageRates kRates{kDepth, 132, 280000};

// Two tiles of 64 x 256 need 80 KB of each stage of k from L2 where one of 128 x 256 needs 48: some 840 cycles more at the 39
// bytes a cycle that L2 has for each of 132 processors. Hiding the 1,500 to 4,700 cycles that storing takes pays for at most
// five such stages.
constexpr uint32_t kMostPingPongDepth = 256;

int32_t encode(Context& context, TensorMap& map, const void* data, uint64_t width, uint64_t height, uint32_t batch, uint64_t ld,
               uint64_t batch_stride, uint32_t box_rows) {
  const uint64_t dims[] = {width, height, batch};
  const uint64_t strides[] = {ld * 2, (batch == 1 ? ld : batch_stride) * 2};
  const uint32_t box[] = {kBox, box_rows, 1};
  return context.encode(map, TensorType::bfloat16, 3, reinterpret_cast<uint64_t>(data), dims, strides, box, Swizzle::bytes128);
}

// `extent`: the operand's rows of c or columns, of which a tile takes `of_tile`.
int32_t encode_operand(Context& context, TensorMap& map, const Operand& x, bool along_k, uint32_t extent, uint32_t of_tile,
                       const Product& p) {
  if (along_k) return encode(context, map, x.data, p.k, extent, p.batch, x.ld, x.batch_stride, of_tile);
  return encode(context, map, x.data, extent, p.k, p.batch, x.ld, x.batch_stride, kDepth);
}

// Whether c, and what is added to it, are such that the copy engine can store and load them.
bool takes_boxes(const Product& p) {
  return p.dtype_c == NANOGPT_BF16 && p.ldc % 8 == 0 && p.batch_stride_c % 8 == 0 && reinterpret_cast<uint64_t>(p.c) % 16 == 0 &&
         reinterpret_cast<uint64_t>(p.added) % 16 == 0;
}

// Tiles of c that are computed; of a symmetric c each pair of rows of tiles has one more than the pair above it.
template <class Shape>
uint64_t tiles_of(const Product& p) {
  const uint64_t rows = blocks_for(p.m, Shape::kTileRows), columns = blocks_for(p.n, kColumns);
  return Shape::kSymmetric ? (rows / 2 + rows % 2) * (rows / 2 + 1) : rows * columns;
}

template <class Shape>
int32_t run(Context& context, const char* kernel, WgmmaProduct& params) {
  const Product& p = params.product;
  if (const int32_t status = encode_operand(context, params.a, p.a, p.a.transposed == 0, p.m, Shape::kTileRows, p)) return status;
  if (const int32_t status = encode_operand(context, params.b, p.b, p.b.transposed != 0, p.n, kColumns, p)) return status;
  if (params.in_boxes != 0) {
    if (const int32_t status = encode(context, params.c, p.c, p.n, p.m, p.batch, p.ldc, p.batch_stride_c, kBox)) return status;
    const void* const added = p.added == nullptr ? p.c : p.added;
    if (const int32_t status = encode(context, params.added, added, p.n, p.m, p.batch, p.ldc, p.batch_stride_c, kBox)) return status;
  }
  if (const int32_t status = context.clear(context.scratch(), sizeof *params.next_item)) return status;
  const uint64_t tiles = tiles_of<Shape>(p), items = tiles * params.parts * p.batch;
  if (items > UINT32_MAX / 2)
    return context.fail(NANOGPT_INVALID, "Products in form %d take at most %u tiles, found %llu", NANOGPT_FORM_WGMMA, UINT32_MAX / 2,
                        static_cast<unsigned long long>(items));
  params.tiles = static_cast<uint32_t>(tiles);
  const uint32_t blocks = items < context.processors() ? static_cast<uint32_t>(items) : context.processors();
  return launch(context, kernel, {{blocks}, kThreads, Shape::kSharedBytes}, params);
}

}  // namespace

int32_t multiply_by_wgmma(Context& context, const char* op, const Product& p) {
  if (context.isa() != NANOGPT_ISA_SM90A)
    return context.fail(NANOGPT_UNSUPPORTED, "Kernel %s: form %d is for GPUs of compute capability 9.0", op, NANOGPT_FORM_WGMMA);
  if (const int32_t status = check_operand(context, op, NANOGPT_FORM_WGMMA, "a", p.a)) return status;
  if (const int32_t status = check_operand(context, op, NANOGPT_FORM_WGMMA, "b", p.b)) return status;
  static const char* const kernels[2][2][2] = {
      {{"gemm_wgmma_nn", "gemm_wgmma_nt"}, {"gemm_wgmma_tn", "gemm_wgmma_tt"}},
      {{"gemm_wgmma_pingpong_nn", "gemm_wgmma_pingpong_nt"}, {"gemm_wgmma_pingpong_tn", "gemm_wgmma_pingpong_tt"}}};
  static constexpr auto kFinished = {
      FinishedKernel{FinishKind::relu_squared, 0, 1, "gemm_wgmma_relu_squared_nt"},
      FinishedKernel{FinishKind::relu_squared_grad, 0, 0, "gemm_wgmma_relu_squared_grad_nn"},
      FinishedKernel{FinishKind::softcap, 0, 1, "gemm_wgmma_softcap_nt"},
      FinishedKernel{FinishKind::norm_rope, 0, 1, "gemm_wgmma_norm_rope_nt"},
      FinishedKernel{FinishKind::mix, 0, 1, "gemm_wgmma_mix_nt"}};
  const Cut cut = cut_depth(p, tiles_of<Cooperative>(p), kRates);
  WgmmaProduct params{};
  params.product = p;
  params.next_item = memory<uint32_t>(context.scratch());
  params.parts = cut.parts, params.depth = cut.depth;
  params.in_boxes = cut.parts == 1 && takes_boxes(p);
  if (p.finish.kind == FinishKind::mix && params.in_boxes == 0)
    return context.fail(NANOGPT_INVALID, "Kernel %s: form %u takes results in rows of a multiple of 8 elements, found %u", op,
                        NANOGPT_FORM_WGMMA, p.n);
  // A symmetric product of short k, or one that boxes do not take, is computed whole: both halves are the same sums.
  const bool known = p.a.transposed != p.b.transposed && p.finish.kind == FinishKind::none;
  if (p.symmetric != 0 && known && params.in_boxes != 0 && p.k > kMostPingPongDepth)
    return run<Symmetric>(context, p.a.transposed != 0 ? "gemm_wgmma_symmetric_tn" : "gemm_wgmma_symmetric_nt", params);
  const bool ping_pong = cut.parts == 1 && p.k <= kMostPingPongDepth && p.finish.kind == FinishKind::none;
  const char* kernel = nullptr;
  if (const int32_t status = choose_kernel(context, op, NANOGPT_FORM_WGMMA, p, kernels[ping_pong], kFinished, kernel)) return status;
  if (ping_pong) return run<PingPong>(context, kernel, params);
  if (cut.parts == 1) return run<Cooperative>(context, kernel, params);
  params.partials = partials_of(context), params.partial_ld = partial_ld(p);
  if (const int32_t status = run<Cooperative>(context, kernel, params)) return status;
  return add_partials(context, p, cut.parts);
}

}  // namespace nanogpt::cuda
