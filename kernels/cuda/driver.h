// The functions of the CUDA driver API that this library calls, as a table opened at run time: from libcuda.so.1
// (driver_library.cpp) or from the emulation's fake driver (../emulation/driver.cpp); exactly one of the two is linked in.
// Types are stated here, as cuda.h of CUDA 13.0 states them, so that nothing of NVIDIA's is needed to build. Calls
// nothing. May include only tensor_map.h and the standard library.
#pragma once
#include "tensor_map.h"
#include <cstddef>
#include <cstdint>

namespace nanogpt::cuda {

using Result = int;            // CUresult; 0 is success
using DeviceId = int;          // CUdevice
using DevicePointer = uint64_t;  // CUdeviceptr
using DriverContext = void*;   // CUcontext
using Stream = void*;          // CUstream
using Event = void*;           // CUevent
using Module = void*;          // CUmodule
using Function = void*;        // CUfunction
using Graph = void*;           // CUgraph
using GraphExec = void*;       // CUgraphExec

// CUlaunchAttribute: an id and 64 bytes of value.
struct LaunchAttribute {
  int id;
  char pad[4];
  union {
    char bytes[64];
    struct { uint32_t x, y, z; } cluster;
    int value;
  };
};
constexpr int kLaunchClusterDimension = 4;
constexpr int kLaunchProgrammaticSerialization = 6;

// CUlaunchConfig.
struct LaunchConfig {
  uint32_t grid_x, grid_y, grid_z;
  uint32_t block_x, block_y, block_z;
  uint32_t shared_bytes;
  Stream stream;
  LaunchAttribute* attributes;
  uint32_t attribute_count;
};

// CUdevice_attribute.
constexpr int kAttributeProcessors = 16;
constexpr int kAttributeMajor = 75;
constexpr int kAttributeMinor = 76;
// CUfunction_attribute.
constexpr int kFunctionMaxDynamicShared = 8;

struct Driver {
  Result (*init)(unsigned flags);
  Result (*driver_get_version)(int* version);
  Result (*get_error_string)(Result error, const char** text);
  Result (*get_error_name)(Result error, const char** text);
  Result (*device_get_count)(int* count);
  Result (*device_get)(DeviceId* device, int ordinal);
  Result (*device_get_attribute)(int* value, int attribute, DeviceId device);
  Result (*device_get_name)(char* name, int length, DeviceId device);
  Result (*device_total_memory)(size_t* bytes, DeviceId device);
  Result (*primary_context_retain)(DriverContext* context, DeviceId device);
  Result (*primary_context_release)(DeviceId device);
  Result (*context_set_current)(DriverContext context);
  Result (*context_synchronize)();
  Result (*memory_allocate)(DevicePointer* address, size_t bytes);
  Result (*memory_free)(DevicePointer address);
  Result (*memory_info)(size_t* free_bytes, size_t* total_bytes);
  Result (*host_allocate)(void** address, size_t bytes, unsigned flags);
  Result (*host_free)(void* address);
  Result (*copy_to_device)(DevicePointer target, const void* source, size_t bytes, Stream stream);
  Result (*copy_to_host)(void* target, DevicePointer source, size_t bytes, Stream stream);
  Result (*copy_on_device)(DevicePointer target, DevicePointer source, size_t bytes, Stream stream);
  Result (*set_bytes)(DevicePointer target, unsigned char value, size_t count, Stream stream);
  Result (*set_words)(DevicePointer target, unsigned value, size_t count, Stream stream);
  Result (*stream_create)(Stream* stream, unsigned flags);
  Result (*stream_destroy)(Stream stream);
  Result (*stream_synchronize)(Stream stream);
  Result (*stream_query)(Stream stream);
  Result (*stream_wait_event)(Stream stream, Event event, unsigned flags);
  Result (*event_create)(Event* event, unsigned flags);
  Result (*event_record)(Event event, Stream stream);
  Result (*event_query)(Event event);
  Result (*event_synchronize)(Event event);
  Result (*event_elapsed)(float* ms, Event start, Event end);
  Result (*event_destroy)(Event event);
  Result (*stream_begin_capture)(Stream stream, int mode);
  Result (*stream_end_capture)(Stream stream, Graph* graph);
  Result (*graph_instantiate)(GraphExec* exec, Graph graph, unsigned long long flags);
  Result (*graph_launch)(GraphExec exec, Stream stream);
  Result (*graph_exec_destroy)(GraphExec exec);
  Result (*graph_destroy)(Graph graph);
  Result (*module_load_data)(Module* module, const void* image);
  Result (*module_unload)(Module module);
  Result (*module_get_function)(Function* function, Module module, const char* name);
  Result (*function_set_attribute)(Function function, int attribute, int value);
  Result (*launch)(const LaunchConfig* config, Function function, void** parameters, void** extra);
  Result (*tensor_map_encode)(TensorMap* map, int type, uint32_t rank, void* address, const uint64_t* dims,
                              const uint64_t* strides, const uint32_t* box, const uint32_t* element_strides,
                              int interleave, int swizzle, int l2_promotion, int out_of_bounds_fill);
};

// Opens the driver, once a process.
struct OpenedDriver {
  const Driver* driver;  // null when `why` says why not
  const char* why;
};
OpenedDriver open_driver();

// One image of compiled kernels: machine code for a chip, or PTX that the driver compiles.
struct KernelImage {
  const char* name;    // source file's name, such as "rows"
  const char* target;  // "sm_90a", "compute_90a" or "compute_80"; "emulated" fits every chip
  const void* data;
  size_t bytes;
};
// The images linked into this library. The emulated library has one, whose kernels its driver finds by name.
extern const KernelImage kernel_images[];
extern const size_t kernel_image_count;

}  // namespace nanogpt::cuda
