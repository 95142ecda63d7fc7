// The real driver: NVIDIA's libcuda, opened when the first context is made. Nothing of NVIDIA's is linked, so that the
// library loads, and says what is missing, on any machine. Linked into the cuda library only; the emulated one has
// ../emulation/driver.cpp in its place. May include only driver.h and the system.
#include "driver.h"
#include <cstdio>
#include <dlfcn.h>
#include <mutex>

namespace nanogpt::cuda {
namespace {

// The driver never ends, and its library is never closed: it holds threads and memory of the process.
struct Opened {
  Driver driver{};
  char why[512] = "";
  bool usable = false;
};

template <class F>
bool find(void* library, F*& function, const char* name, Opened& opened) {
  function = reinterpret_cast<F*>(dlsym(library, name));
  if (function == nullptr)
    std::snprintf(opened.why, sizeof opened.why,
                  "NVIDIA's driver (libcuda.so.1) lacks %s: it is older than CUDA 12.0; install driver 525 or later", name);
  return function != nullptr;
}

// Every function by the name under which libcuda exports it ("_v2" where cuda.h's macro says so).
bool find_all(void* library, Opened& opened) {
  Driver& d = opened.driver;
  const auto get = [&](auto& function, const char* name) { return find(library, function, name, opened); };
  return get(d.init, "cuInit") && get(d.driver_get_version, "cuDriverGetVersion") &&
         get(d.get_error_string, "cuGetErrorString") && get(d.get_error_name, "cuGetErrorName") &&
         get(d.device_get_count, "cuDeviceGetCount") && get(d.device_get, "cuDeviceGet") &&
         get(d.device_get_attribute, "cuDeviceGetAttribute") && get(d.device_get_name, "cuDeviceGetName") &&
         get(d.device_total_memory, "cuDeviceTotalMem_v2") && get(d.primary_context_retain, "cuDevicePrimaryCtxRetain") &&
         get(d.primary_context_release, "cuDevicePrimaryCtxRelease_v2") && get(d.context_set_current, "cuCtxSetCurrent") &&
         get(d.context_synchronize, "cuCtxSynchronize") && get(d.memory_allocate, "cuMemAlloc_v2") &&
         get(d.memory_free, "cuMemFree_v2") && get(d.memory_info, "cuMemGetInfo_v2") &&
         get(d.host_allocate, "cuMemHostAlloc") && get(d.host_free, "cuMemFreeHost") &&
         get(d.copy_to_device, "cuMemcpyHtoDAsync_v2") && get(d.copy_to_host, "cuMemcpyDtoHAsync_v2") &&
         get(d.copy_on_device, "cuMemcpyDtoDAsync_v2") && get(d.set_bytes, "cuMemsetD8Async") &&
         get(d.set_words, "cuMemsetD32Async") && get(d.stream_create, "cuStreamCreate") &&
         get(d.stream_destroy, "cuStreamDestroy_v2") && get(d.stream_synchronize, "cuStreamSynchronize") &&
         get(d.stream_query, "cuStreamQuery") && get(d.stream_wait_event, "cuStreamWaitEvent") &&
         get(d.event_create, "cuEventCreate") && get(d.event_record, "cuEventRecord") && get(d.event_query, "cuEventQuery") &&
         get(d.event_synchronize, "cuEventSynchronize") && get(d.event_elapsed, "cuEventElapsedTime") &&
         get(d.event_destroy, "cuEventDestroy_v2") && get(d.stream_begin_capture, "cuStreamBeginCapture_v2") &&
         get(d.stream_end_capture, "cuStreamEndCapture") && get(d.graph_instantiate, "cuGraphInstantiateWithFlags") &&
         get(d.graph_launch, "cuGraphLaunch") && get(d.graph_exec_destroy, "cuGraphExecDestroy") &&
         get(d.graph_destroy, "cuGraphDestroy") && get(d.module_load_data, "cuModuleLoadData") &&
         get(d.module_unload, "cuModuleUnload") && get(d.module_get_function, "cuModuleGetFunction") &&
         get(d.function_set_attribute, "cuFuncSetAttribute") && get(d.launch, "cuLaunchKernelEx") &&
         get(d.tensor_map_encode, "cuTensorMapEncodeTiled");
}

void open(Opened& opened) {
  void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::snprintf(opened.why, sizeof opened.why,
                  "there is no NVIDIA driver (libcuda.so.1: %s); install the driver of your GPU (Debian: apt install "
                  "nvidia-driver), version 525 or later, or choose --device cpu",
                  dlerror());
    return;
  }
  opened.usable = find_all(library, opened);
}

}  // namespace

OpenedDriver open_driver() {
  static Opened opened;
  static std::once_flag once;
  std::call_once(once, open, opened);
  return {opened.usable ? &opened.driver : nullptr, opened.why};
}

}  // namespace nanogpt::cuda
