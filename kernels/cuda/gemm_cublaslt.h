// Matrix products by cuBLASLt (NANOGPT_FORM_CUBLASLT): for those who ask for them, and to measure ours against. Keeps handle,
// descriptors and chosen algorithms, one set for each shape, so that a product met before allocates nothing. May include only
// cublaslt.h and gemm.h.
#pragma once
#include "cublaslt.h"
#include "gemm.h"
#include <array>
#include <map>
#include <memory>

namespace nanogpt::cuda {

// What makes two products the same to cuBLASLt: sizes, strides, storage and types, but neither addresses nor factors.
using LtKey = std::array<uint64_t, 14>;

// A product of some shape, ready to be run. Column-major as cuBLASLt sees it: c^T = op(b)^T op(a)^T.
struct LtProduct {
  const CublasLt& library;
  LtOperation operation = nullptr;
  LtLayout a = nullptr, b = nullptr, c = nullptr;  // of Product's operands
  LtAlgorithm algorithm{};

  explicit LtProduct(const CublasLt& from) : library(from) {}
  ~LtProduct();
  LtProduct(const LtProduct&) = delete;
  LtProduct& operator=(const LtProduct&) = delete;
};

// A context's use of cuBLASLt. One thread at a time.
class CublasLtProducts {
 public:
  explicit CublasLtProducts(const CublasLt& library) : library_(library) {}
  ~CublasLtProducts();
  CublasLtProducts(const CublasLtProducts&) = delete;
  CublasLtProducts& operator=(const CublasLtProducts&) = delete;

  // Makes the handle, for the GPU whose context is current.
  LtStatus start(size_t workspace_bytes);
  // Enqueues the product. NANOGPT_INVALID where `recording` and it was not met before.
  int32_t multiply(Context& context, const char* op, const Product& product);
  const char* words_of(LtStatus status) const { return library_.get_status_name(status); }

 private:
  LtStatus prepare(const Product& product, std::unique_ptr<LtProduct>& prepared) const;

  const CublasLt& library_;
  LtHandle handle_ = nullptr;
  LtPreference preference_ = nullptr;
  std::map<LtKey, std::unique_ptr<LtProduct>> prepared_;
};

// Limits: cuBLASLt was opened (nanogpt_open_cublaslt); a and b have one type, c is float32 where that is; rows and addresses
// of all are multiples of 16 bytes; m, n and k are at most 2147483647; while a graph is recorded, a product of the same
// shape was run before. Uses the context's scratch memory.
int32_t multiply_by_cublaslt(Context& context, const char* op, const Product& product);

}  // namespace nanogpt::cuda
