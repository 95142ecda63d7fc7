// Runs a matrix product by cuBLASLt: checks the form's limits, describes the product once for each shape and has the best
// algorithm named for it. Sums stay float32 also where cuBLASLt cuts k into parts, and are rounded once. Refuses what breaks
// the limits. May include only context.h and gemm_cublaslt.h.
#include "gemm_cublaslt.h"
#include "context.h"

namespace nanogpt::cuda {
namespace {

constexpr uint32_t kAlignment = 16;
constexpr uint32_t kMostSize = INT32_MAX;

uint64_t bytes_of(uint32_t dtype) { return dtype == NANOGPT_BF16 ? 2 : 4; }
int type_of(uint32_t dtype) { return dtype == NANOGPT_BF16 ? kLtBfloat16 : kLtFloat32; }

int32_t check_rows(Context& context, const char* op, const char* name, uint64_t address, uint64_t ld, uint64_t batch_stride,
                   uint32_t dtype) {
  const uint64_t bytes = bytes_of(dtype);
  if (ld * bytes % kAlignment == 0 && batch_stride * bytes % kAlignment == 0 && address % kAlignment == 0) return NANOGPT_OK;
  return context.fail(NANOGPT_INVALID,
                      "Kernel %s: form %d takes rows and addresses of a multiple of %u bytes, found rows of %llu at %#llx for %s", op,
                      NANOGPT_FORM_CUBLASLT, kAlignment, static_cast<unsigned long long>(ld * bytes),
                      static_cast<unsigned long long>(address), name);
}

int32_t check(Context& context, const char* op, const Product& p) {
  if (context.cublaslt() == nullptr)
    return context.fail(NANOGPT_INVALID, "Kernel %s: form %d needs cuBLASLt, which nobody opened", op, NANOGPT_FORM_CUBLASLT);
  if (p.finish.kind != FinishKind::none)
    return context.fail(NANOGPT_UNSUPPORTED, "Kernel %s has no form %d", op, NANOGPT_FORM_CUBLASLT);
  if (p.a.dtype != p.b.dtype || (p.a.dtype == NANOGPT_F32 && p.dtype_c != NANOGPT_F32))
    return context.fail(NANOGPT_INVALID,
                        "Kernel %s: form %d takes bf16 operands, or float32 ones for a float32 result, found types %u and %u for %u",
                        op, NANOGPT_FORM_CUBLASLT, p.a.dtype, p.b.dtype, p.dtype_c);
  if (p.m > kMostSize || p.n > kMostSize || p.k > kMostSize)
    return context.fail(NANOGPT_INVALID, "Kernel %s: form %d takes sizes of at most %u, found [%u,%u] from %u", op,
                        NANOGPT_FORM_CUBLASLT, kMostSize, p.m, p.n, p.k);
  const auto rows = [&](const char* name, const void* data, uint64_t ld, uint64_t stride, uint32_t dtype) {
    return check_rows(context, op, name, reinterpret_cast<uint64_t>(data), ld, stride, dtype);
  };
  if (const int32_t status = rows("a", p.a.data, p.a.ld, p.a.batch_stride, p.a.dtype)) return status;
  if (const int32_t status = rows("b", p.b.data, p.b.ld, p.b.batch_stride, p.b.dtype)) return status;
  if (const int32_t status = rows("c", p.c, p.ldc, p.batch_stride_c, p.dtype_c)) return status;
  return rows("what is added", p.added, p.ldc, p.batch_stride_c, p.dtype_c);
}

LtKey key_of(const Product& p) {
  return {p.m, p.n, p.k, p.a.ld, p.a.transposed, p.a.dtype, p.b.ld, p.b.transposed, p.ldc, p.dtype_c, p.batch, p.a.batch_stride,
          p.b.batch_stride, p.batch_stride_c};
}

// A matrix of rows of `width` elements, row-major: to cuBLASLt one of `width` rows and `height` columns.
LtStatus make_layout(const CublasLt& library, LtLayout* layout, uint32_t dtype, uint64_t height, uint64_t width, uint64_t ld,
                     uint32_t batch, uint64_t batch_stride) {
  if (const LtStatus status = library.layout_create(layout, type_of(dtype), width, height, static_cast<int64_t>(ld))) return status;
  if (batch == 1) return kLtSuccess;
  const int32_t count = static_cast<int32_t>(batch);
  const int64_t stride = static_cast<int64_t>(batch_stride);
  if (const LtStatus status = library.layout_set(*layout, kLtBatchCount, &count, sizeof count)) return status;
  return library.layout_set(*layout, kLtBatchStride, &stride, sizeof stride);
}

// `height` and `width`: of the operand before transposition, as it is stored.
LtStatus make_operand(const CublasLt& library, LtLayout* layout, const Operand& x, uint64_t rows, uint64_t columns, uint32_t batch) {
  const uint64_t height = x.transposed != 0 ? columns : rows, width = x.transposed != 0 ? rows : columns;
  return make_layout(library, layout, x.dtype, height, width, x.ld, batch, x.batch_stride);
}

}  // namespace

LtProduct::~LtProduct() {
  for (const LtLayout layout : {a, b, c})
    if (layout != nullptr) library.layout_destroy(layout);
  if (operation != nullptr) library.operation_destroy(operation);
}

CublasLtProducts::~CublasLtProducts() {
  prepared_.clear();
  if (preference_ != nullptr) library_.preference_destroy(preference_);
  if (handle_ != nullptr) library_.destroy(handle_);
}

LtStatus CublasLtProducts::start(size_t workspace_bytes) {
  if (const LtStatus status = library_.create(&handle_)) return status;
  if (const LtStatus status = library_.preference_create(&preference_)) return status;
  const uint64_t most = workspace_bytes;
  if (const LtStatus status = library_.preference_set(preference_, kLtMostWorkspace, &most, sizeof most)) return status;
  if (const LtStatus status = library_.preference_set(preference_, kLtReductionMask, &kLtReduceInComputeType, sizeof(uint32_t)))
    return status;
  for (const int attribute : {kLtAlignmentA, kLtAlignmentB, kLtAlignmentC, kLtAlignmentD})
    if (const LtStatus status = library_.preference_set(preference_, attribute, &kAlignment, sizeof kAlignment)) return status;
  return kLtSuccess;
}

LtStatus CublasLtProducts::prepare(const Product& p, std::unique_ptr<LtProduct>& prepared) const {
  prepared = std::make_unique<LtProduct>(library_);
  LtProduct& made = *prepared;
  const int32_t of_a = p.b.transposed != 0 ? kLtTransposed : kLtPlain, of_b = p.a.transposed != 0 ? kLtTransposed : kLtPlain;
  if (const LtStatus status = library_.operation_create(&made.operation, kLtComputeFloat32, kLtFloat32)) return status;
  if (const LtStatus status = library_.operation_set(made.operation, kLtTransposeA, &of_a, sizeof of_a)) return status;
  if (const LtStatus status = library_.operation_set(made.operation, kLtTransposeB, &of_b, sizeof of_b)) return status;
  if (const LtStatus status = make_operand(library_, &made.a, p.a, p.m, p.k, p.batch)) return status;
  if (const LtStatus status = make_operand(library_, &made.b, p.b, p.k, p.n, p.batch)) return status;
  if (const LtStatus status = make_layout(library_, &made.c, p.dtype_c, p.m, p.n, p.ldc, p.batch, p.batch_stride_c)) return status;
  LtHeuristic best{};
  int found = 0;
  if (const LtStatus status =
          library_.heuristic(handle_, made.operation, made.b, made.a, made.c, made.c, preference_, 1, &best, &found))
    return status;
  made.algorithm = best.algorithm;
  return found == 1 ? best.status : kLtNotSupported;
}

int32_t CublasLtProducts::multiply(Context& context, const char* op, const Product& p) {
  const auto refuse = [&](const char* doing, LtStatus status) {
    return context.fail(NANOGPT_INTERNAL, "Kernel %s: cuBLASLt failed while %s a product of [%u,%u] from %u: %s", op, doing, p.m, p.n,
                        p.k, words_of(status));
  };
  const LtKey key = key_of(p);
  auto known = prepared_.find(key);
  if (known == prepared_.end()) {
    if (context.recording())
      return context.fail(NANOGPT_INVALID, "Kernel %s: form %d records products that were run before, found one of [%u,%u] from %u",
                          op, NANOGPT_FORM_CUBLASLT, p.m, p.n, p.k);
    std::unique_ptr<LtProduct> prepared;
    if (const LtStatus status = prepare(p, prepared)) return refuse("preparing", status);
    known = prepared_.emplace(key, std::move(prepared)).first;
  }
  const LtProduct& ready = *known->second;
  const float beta = p.added == nullptr ? 0.0f : p.beta;
  const void* const added = p.added == nullptr ? p.c : p.added;
  const LtStatus status = library_.multiply(handle_, ready.operation, &p.alpha, p.b.data, ready.b, p.a.data, ready.a, &beta, added,
                                            ready.c, p.c, ready.c, &ready.algorithm, memory<void>(context.scratch()), kScratchBytes,
                                            context.stream());
  return status == kLtSuccess ? NANOGPT_OK : refuse("starting", status);
}

int32_t multiply_by_cublaslt(Context& context, const char* op, const Product& product) {
  if (const int32_t status = check(context, op, product)) return status;
  return context.cublaslt()->multiply(context, op, product);
}

}  // namespace nanogpt::cuda
