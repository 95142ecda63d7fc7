// The fake driver of the emulated GPU: the driver API's functions over the emulation. Device memory is the host's, streams
// run at once. Refuses kernels that it does not know and launches beyond the chip's limits. May include only
// ../cuda/{context,driver}.h, driver.h, lane.h, tensor_map.h and the standard library.
#include "../cuda/context.h"
#include "../cuda/driver.h"
#include "driver.h"
#include "lane.h"
#include "tensor_map.h"
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

namespace nanogpt::emulation {
namespace {

constexpr int kInvalidValue = 1, kOutOfMemory = 2, kNotFound = 500, kLaunchFailed = 719;

std::string last_report;
std::string invalid;  // why an argument was refused
Schedule schedule;

int launch(const cuda::LaunchConfig* config, cuda::Function function, void** parameters, void**) {
  const KernelEntry& kernel = *static_cast<const KernelEntry*>(function);
  Index3 cluster{1, 1, 1};
  for (uint32_t i = 0; i < config->attribute_count; i++)
    if (config->attributes[i].id == cuda::kLaunchClusterDimension) cluster.x = config->attributes[i].cluster.x;
  const Launch launch{&kernel, {config->grid_x, config->grid_y, config->grid_z},
                      {config->block_x, config->block_y, config->block_z}, cluster, config->shared_bytes, parameters[0]};
  last_report = run_launch(launch, schedule);
  return last_report.empty() ? 0 : kLaunchFailed;
}

int error_string(int error, const char** text) {
  switch (error) {
    case kInvalidValue: *text = invalid.empty() ? "invalid value" : invalid.c_str(); break;
    case kOutOfMemory: *text = "out of memory"; break;
    case kNotFound: *text = "not found"; break;
    case kLaunchFailed: *text = last_report.c_str(); break;
    default: *text = "no error";
  }
  return 0;
}

cuda::Driver make_driver() {
  cuda::Driver d{};
  d.init = [](unsigned) { return 0; };
  d.driver_get_version = [](int* version) { *version = 13000; return 0; };
  d.get_error_string = error_string;
  d.get_error_name = error_string;
  d.device_get_count = [](int* count) { *count = 1; return 0; };
  d.device_get = [](cuda::DeviceId* device, int ordinal) { *device = ordinal; return 0; };
  d.device_get_attribute = [](int* value, int attribute, cuda::DeviceId) {
    switch (attribute) {
      case cuda::kAttributeProcessors: *value = static_cast<int>(schedule.processors); return 0;
      case cuda::kAttributeMajor: *value = 9; return 0;
      case cuda::kAttributeMinor: *value = 0; return 0;
      default: return kInvalidValue;
    }
  };
  d.device_get_name = [](char* name, int length, cuda::DeviceId) {
    std::strncpy(name, "emulated H100", static_cast<size_t>(length));
    return 0;
  };
  d.device_total_memory = [](size_t* bytes, cuda::DeviceId) { *bytes = size_t{80} << 30; return 0; };
  d.primary_context_retain = [](cuda::DriverContext* context, cuda::DeviceId) { *context = &schedule; return 0; };
  d.primary_context_release = [](cuda::DeviceId) { return 0; };
  d.context_set_current = [](cuda::DriverContext) { return 0; };
  d.context_synchronize = []() { return 0; };
  d.memory_allocate = [](cuda::DevicePointer* address, size_t bytes) {
    void* const memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    *address = reinterpret_cast<uint64_t>(memory);
    return memory == nullptr ? kOutOfMemory : 0;
  };
  d.memory_free = [](cuda::DevicePointer address) { std::free(reinterpret_cast<void*>(address)); return 0; };
  d.copy_to_device = [](cuda::DevicePointer target, const void* source, size_t bytes, cuda::Stream) {
    std::memcpy(reinterpret_cast<void*>(target), source, bytes);
    return 0;
  };
  d.copy_to_host = [](void* target, cuda::DevicePointer source, size_t bytes, cuda::Stream) {
    std::memcpy(target, reinterpret_cast<const void*>(source), bytes);
    return 0;
  };
  d.copy_on_device = [](cuda::DevicePointer target, cuda::DevicePointer source, size_t bytes, cuda::Stream) {
    std::memcpy(reinterpret_cast<void*>(target), reinterpret_cast<const void*>(source), bytes);
    return 0;
  };
  d.set_bytes = [](cuda::DevicePointer target, unsigned char value, size_t count, cuda::Stream) {
    std::memset(reinterpret_cast<void*>(target), value, count);
    return 0;
  };
  d.host_allocate = [](void** address, size_t bytes, unsigned) { *address = std::malloc(bytes); return 0; };
  d.host_free = [](void* address) { std::free(address); return 0; };
  d.event_create = [](cuda::Event* event, unsigned) { *event = &schedule; return 0; };
  d.event_record = [](cuda::Event, cuda::Stream) { return 0; };
  d.event_synchronize = [](cuda::Event) { return 0; };
  d.event_destroy = [](cuda::Event) { return 0; };
  d.stream_create = [](cuda::Stream* stream, unsigned) { *stream = &schedule; return 0; };
  d.stream_destroy = [](cuda::Stream) { return 0; };
  d.stream_synchronize = [](cuda::Stream) { return 0; };
  d.module_load_data = [](cuda::Module* module, const void*) { *module = &schedule; return 0; };
  d.module_unload = [](cuda::Module) { return 0; };
  d.module_get_function = [](cuda::Function* function, cuda::Module, const char* name) {
    *function = const_cast<KernelEntry*>(find_kernel(name));
    return *function == nullptr ? kNotFound : 0;
  };
  d.function_set_attribute = [](cuda::Function, int, int) { return 0; };
  d.launch = launch;
  d.tensor_map_encode = [](cuda::TensorMap* map, int type, uint32_t rank, void* address, const uint64_t* dims,
                           const uint64_t* strides, const uint32_t* box, const uint32_t* element_strides, int interleave,
                           int swizzle, int l2_promotion, int fill) {
    invalid = encode_tensor_map(map, {type, rank, reinterpret_cast<uint64_t>(address), dims, strides, box, element_strides,
                                      interleave, swizzle, l2_promotion, fill});
    return invalid.empty() ? 0 : kInvalidValue;
  };
  return d;
}

}  // namespace

void set_schedule(const Schedule& wanted) { schedule = wanted; }
void restart_driver(uint32_t) { last_report.clear(); }

}  // namespace nanogpt::emulation

namespace nanogpt::cuda {

OpenedDriver open_driver() {
  static const Driver driver = emulation::make_driver();
#if !defined(NANOGPT_EMULATION_CHECKS)
  emulation::schedule.threads = std::thread::hardware_concurrency();
#endif
  return {&driver, ""};
}

const KernelImage kernel_images[] = {{"kernels", "emulated", "", 0}};
const size_t kernel_image_count = 1;

}  // namespace nanogpt::cuda

NANOGPT_EXPORT int32_t nanogpt_schedule(uint64_t context, uint32_t seed, uint32_t processors) {
  if (context == 0) return NANOGPT_INVALID;
  if (processors < 1 || processors > 132)
    return nanogpt::cuda::context_at(context).fail(NANOGPT_INVALID, "A schedule takes 1 to 132 processors, found %u", processors);
  nanogpt::emulation::schedule.seed = seed;
  nanogpt::emulation::schedule.processors = processors;
  return NANOGPT_OK;
}
