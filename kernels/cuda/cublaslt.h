// The functions of cuBLASLt that this library calls when it is asked to, as a table opened at run time: from libcublasLt
// (cublaslt_library.cpp) or from the emulation's fake one (../emulation/cublaslt.cpp); exactly one of the two is linked in.
// Types and codes are stated here, as cublasLt.h, cublas_api.h and library_types.h of CUDA 12 and 13 state them and
// https://docs.nvidia.com/cuda/cublas/ and the enumerations of nvmath.bindings.cublasLt (https://docs.nvidia.com/cuda/nvmath-python/)
// repeat them, so that nothing of NVIDIA's is needed to build. Calls nothing. May include only driver.h.
#pragma once
#include "driver.h"

namespace nanogpt::cuda {

using LtStatus = int;  // cublasStatus_t
constexpr LtStatus kLtSuccess = 0, kLtNotInitialised = 1, kLtInvalidValue = 7, kLtExecutionFailed = 13, kLtNotSupported = 15;

// cudaDataType_t, cublasComputeType_t, cublasOperation_t.
constexpr int kLtFloat32 = 0, kLtBfloat16 = 14;
constexpr int kLtComputeFloat32 = 68;
constexpr int32_t kLtPlain = 0, kLtTransposed = 1;
// cublasLtMatmulDescAttributes_t: values of 4 bytes.
constexpr int kLtTransposeA = 3, kLtTransposeB = 4;
// cublasLtMatrixLayoutAttribute_t: a count of 4 bytes, a stride in elements of 8.
constexpr int kLtBatchCount = 5, kLtBatchStride = 6;
// cublasLtMatmulPreferenceAttributes_t: a size of 8 bytes, a mask of 4, alignments of 4 (256 where not set).
constexpr int kLtMostWorkspace = 1, kLtReductionMask = 3, kLtAlignmentA = 5, kLtAlignmentB = 6, kLtAlignmentC = 7,
              kLtAlignmentD = 8;
// cublasLtReductionScheme_t, a mask: parts of a product cut along k are added in float32. 0 is no cut, and always allowed.
constexpr uint32_t kLtReduceInComputeType = 2;

using LtHandle = void*;      // cublasLtHandle_t
using LtOperation = void*;   // cublasLtMatmulDesc_t
using LtLayout = void*;      // cublasLtMatrixLayout_t; column-major where nothing else is set
using LtPreference = void*;  // cublasLtMatmulPreference_t

// cublasLtMatmulAlgo_t: opaque, may be copied.
struct LtAlgorithm {
  uint64_t data[8];
};

// cublasLtMatmulHeuristicResult_t.
struct LtHeuristic {
  LtAlgorithm algorithm;
  size_t workspace_bytes;
  LtStatus status;
  float waves;
  int reserved[4];
};
static_assert(sizeof(LtHeuristic) == 96, "as cublasLt.h lays it out");

// All but get_version and get_status_name return a status. `bytes`: of the value at `value`.
struct CublasLt {
  size_t (*get_version)();  // major * 10000 + minor * 100 + patch
  const char* (*get_status_name)(LtStatus status);
  LtStatus (*create)(LtHandle* handle);
  LtStatus (*destroy)(LtHandle handle);
  LtStatus (*operation_create)(LtOperation* operation, int compute_type, int scale_type);
  LtStatus (*operation_destroy)(LtOperation operation);
  LtStatus (*operation_set)(LtOperation operation, int attribute, const void* value, size_t bytes);
  LtStatus (*layout_create)(LtLayout* layout, int type, uint64_t rows, uint64_t columns, int64_t ld);
  LtStatus (*layout_destroy)(LtLayout layout);
  LtStatus (*layout_set)(LtLayout layout, int attribute, const void* value, size_t bytes);
  LtStatus (*preference_create)(LtPreference* preference);
  LtStatus (*preference_destroy)(LtPreference preference);
  LtStatus (*preference_set)(LtPreference preference, int attribute, const void* value, size_t bytes);
  // Best first; `found` may be fewer than `wanted`.
  LtStatus (*heuristic)(LtHandle handle, LtOperation operation, LtLayout a, LtLayout b, LtLayout c, LtLayout d,
                        LtPreference preference, int wanted, LtHeuristic* results, int* found);
  // d = alpha op(a) op(b) + beta c, enqueued on the stream; c may be d. alpha and beta are the host's, read at once. The
  // workspace begins at a multiple of 256 bytes.
  LtStatus (*multiply)(LtHandle handle, LtOperation operation, const void* alpha, const void* a, LtLayout layout_a,
                       const void* b, LtLayout layout_b, const void* beta, const void* c, LtLayout layout_c, void* d,
                       LtLayout layout_d, const LtAlgorithm* algorithm, void* workspace, size_t workspace_bytes, Stream stream);
};

// Opens cuBLASLt, once a process.
struct OpenedCublasLt {
  const CublasLt* library;  // null when `why` says why not
  const char* why;
};
OpenedCublasLt open_cublaslt();

}  // namespace nanogpt::cuda
