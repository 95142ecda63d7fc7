// What is said where NVIDIA's libraries are not there, or lack a function: the loader is replaced by one that finds nothing,
// or libraries that are empty. `cuda_libraries missing|empty` prints a line each: driver, NCCL, cuBLASLt.
#include "../../kernels/cuda/cublaslt.h"
#include "../../kernels/cuda/nccl.h"
#include <cstdio>
#include <cstring>
#include <string>

namespace {

bool empty = false;

}  // namespace

extern "C" void* dlopen(const char*, int) { return empty ? &empty : nullptr; }
extern "C" void* dlsym(void*, const char*) { return nullptr; }
// As long as a loader's words get when it names a file deep down.
extern "C" char* dlerror() {
  static std::string text = "libcuda.so.1: /" + std::string(400, 'x') + ": cannot open shared object file: No such file or directory";
  return text.data();
}

int main(int, char** arguments) {
  using namespace nanogpt::cuda;
  empty = std::strcmp(arguments[1], "empty") == 0;
  const OpenedDriver driver = open_driver();
  const OpenedNccl nccl = open_nccl();
  const OpenedCublasLt cublaslt = open_cublaslt();
  std::printf("%s\n%s\n%s\n", driver.why, nccl.why, cublaslt.why);
  return driver.driver == nullptr && nccl.nccl == nullptr && cublaslt.library == nullptr ? 0 : 1;
}
