// The real cuBLASLt, opened when somebody asks for its products; nothing else needs it. Linked into the cuda library only;
// the emulated one has ../emulation/cublaslt.cpp in its place. Refuses libraries that lack a function. May include only
// cublaslt.h, shared_library.h and the standard library.
#include "cublaslt.h"
#include "shared_library.h"

namespace nanogpt::cuda {
namespace {

struct Opened {
  CublasLt functions{};
  std::string why;  // empty: cuBLASLt is there
};

void find_all(SharedLibrary& library, CublasLt& c) {
  library.find(c.get_version, "cublasLtGetVersion").find(c.get_status_name, "cublasLtGetStatusName")
      .find(c.create, "cublasLtCreate").find(c.destroy, "cublasLtDestroy")
      .find(c.operation_create, "cublasLtMatmulDescCreate").find(c.operation_destroy, "cublasLtMatmulDescDestroy")
      .find(c.operation_set, "cublasLtMatmulDescSetAttribute").find(c.layout_create, "cublasLtMatrixLayoutCreate")
      .find(c.layout_destroy, "cublasLtMatrixLayoutDestroy").find(c.layout_set, "cublasLtMatrixLayoutSetAttribute")
      .find(c.preference_create, "cublasLtMatmulPreferenceCreate")
      .find(c.preference_destroy, "cublasLtMatmulPreferenceDestroy")
      .find(c.preference_set, "cublasLtMatmulPreferenceSetAttribute").find(c.heuristic, "cublasLtMatmulAlgoGetHeuristic")
      .find(c.multiply, "cublasLtMatmul");
}

Opened open() {
  Opened opened;
  SharedLibrary library({"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"});
  find_all(library, opened.functions);
  if (!library.is_open())
    opened.why = "cuBLASLt was not found as libcublasLt.so.13, libcublasLt.so.12 or libcublasLt.so (" + library.why() +
                 "); install cuBLAS of CUDA 12 or 13 (of NVIDIA's packages libcublas-12-9 or libcublas-13-0) and name its " +
                 "folder in LD_LIBRARY_PATH if the system does not know it, or set device.gemm to \"builtin\"";
  else if (!library.missing().empty())
    opened.why = library.name() + " lacks " + library.missing() +
                 ": cuBLASLt of CUDA 12 or 13 is needed; or set device.gemm to \"builtin\"";
  return opened;
}

}  // namespace

OpenedCublasLt open_cublaslt() {
  static const Opened opened = open();
  return {opened.why.empty() ? &opened.functions : nullptr, opened.why.c_str()};
}

}  // namespace nanogpt::cuda
