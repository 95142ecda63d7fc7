// The real driver: NVIDIA's libcuda, opened when the first context is made. Nothing of NVIDIA's is linked, so that the
// library loads, and says what is missing, on any machine. Linked into the cuda library only; the emulated one has
// ../emulation/driver.cpp in its place. May include only driver.h, shared_library.h and the standard library.
#include "driver.h"
#include "shared_library.h"

namespace nanogpt::cuda {
namespace {

struct Opened {
  Driver driver{};
  std::string why;  // empty: the driver is there
};

// Every function by the name under which libcuda exports it ("_v2" where cuda.h's macro says so).
void find_all(SharedLibrary& library, Driver& d) {
  library.find(d.init, "cuInit").find(d.driver_get_version, "cuDriverGetVersion")
      .find(d.get_error_string, "cuGetErrorString").find(d.get_error_name, "cuGetErrorName")
      .find(d.device_get_count, "cuDeviceGetCount").find(d.device_get, "cuDeviceGet")
      .find(d.device_get_attribute, "cuDeviceGetAttribute").find(d.device_get_name, "cuDeviceGetName")
      .find(d.device_total_memory, "cuDeviceTotalMem_v2").find(d.primary_context_retain, "cuDevicePrimaryCtxRetain")
      .find(d.primary_context_release, "cuDevicePrimaryCtxRelease_v2").find(d.context_set_current, "cuCtxSetCurrent")
      .find(d.context_synchronize, "cuCtxSynchronize").find(d.memory_allocate, "cuMemAlloc_v2")
      .find(d.memory_free, "cuMemFree_v2").find(d.memory_info, "cuMemGetInfo_v2").find(d.host_allocate, "cuMemHostAlloc")
      .find(d.host_free, "cuMemFreeHost").find(d.copy_to_device, "cuMemcpyHtoDAsync_v2")
      .find(d.copy_to_host, "cuMemcpyDtoHAsync_v2").find(d.copy_on_device, "cuMemcpyDtoDAsync_v2")
      .find(d.set_bytes, "cuMemsetD8Async").find(d.set_words, "cuMemsetD32Async").find(d.stream_create, "cuStreamCreate")
      .find(d.stream_destroy, "cuStreamDestroy_v2").find(d.stream_synchronize, "cuStreamSynchronize")
      .find(d.stream_query, "cuStreamQuery").find(d.stream_wait_event, "cuStreamWaitEvent")
      .find(d.event_create, "cuEventCreate").find(d.event_record, "cuEventRecord").find(d.event_query, "cuEventQuery")
      .find(d.event_synchronize, "cuEventSynchronize").find(d.event_elapsed, "cuEventElapsedTime")
      .find(d.event_destroy, "cuEventDestroy_v2").find(d.stream_begin_capture, "cuStreamBeginCapture_v2")
      .find(d.stream_end_capture, "cuStreamEndCapture").find(d.graph_instantiate, "cuGraphInstantiateWithFlags")
      .find(d.graph_launch, "cuGraphLaunch").find(d.graph_exec_destroy, "cuGraphExecDestroy")
      .find(d.graph_destroy, "cuGraphDestroy").find(d.module_load_data, "cuModuleLoadData")
      .find(d.module_unload, "cuModuleUnload").find(d.module_get_function, "cuModuleGetFunction")
      .find(d.function_set_attribute, "cuFuncSetAttribute").find(d.launch, "cuLaunchKernelEx")
      .find(d.tensor_map_encode, "cuTensorMapEncodeTiled");
}

Opened open() {
  Opened opened;
  SharedLibrary library({"libcuda.so.1"});
  find_all(library, opened.driver);
  if (!library.is_open())
    opened.why = "there is no NVIDIA driver (" + library.why() + "); install the driver of your GPU (Debian: apt install " +
                 "nvidia-driver), version 525 or later, or choose --device cpu";
  else if (!library.missing().empty())
    opened.why = "NVIDIA's driver (libcuda.so.1) lacks " + library.missing() +
                 ": it is older than CUDA 12.0; install driver 525 or later";
  return opened;
}

}  // namespace

OpenedDriver open_driver() {
  static const Opened opened = open();
  return {opened.why.empty() ? &opened.driver : nullptr, opened.why.c_str()};
}

}  // namespace nanogpt::cuda
