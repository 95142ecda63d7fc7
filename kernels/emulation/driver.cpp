// The fake driver of the emulated GPU: the driver API's functions over machine.h. Gives the result codes that the real driver
// gives, with a text that says more. Refuses calls without a context, handles that it did not give, memory that no
// allocation holds, and everything after a failed kernel. May include only ../cuda/{context,driver}.h, driver.h, memory.h,
// machine.h, stream_calls.h, tensor_map.h and the standard library.
#include "driver.h"
#include "../cuda/context.h"
#include "machine.h"
#include "memory.h"
#include "stream_calls.h"
#include "tensor_map.h"
#include <cstdlib>
#include <cstring>
#include <thread>

namespace nanogpt::emulation {
namespace {

constexpr size_t kDeviceBytes = size_t{80} << 30;
constexpr size_t kMostShared = 232448;

thread_local int last_code = 0;
thread_local std::string last_text;

int error_name(int error, const char** text) {
  switch (error) {
    case 0: *text = "no error"; break;
    case kInvalidValue: *text = "invalid value"; break;
    case kOutOfMemory: *text = "out of memory"; break;
    case kNotInitialised: *text = "not initialised"; break;
    case kInvalidContext: *text = "no context is current on this thread"; break;
    case kInvalidHandle: *text = "invalid handle"; break;
    case kNotFound: *text = "not found"; break;
    case kNotReady: *text = "not ready"; break;
    case kOutOfResources: *text = "too many resources asked for"; break;
    case kLaunchFailed: *text = "a kernel failed"; break;
    case kCaptureUnsupported: *text = "not permitted while a stream is captured"; break;
    default: *text = "unknown error";
  }
  return 0;
}

int error_string(int error, const char** text) {
  if (error == 0 || error != last_code) return error_name(error, text);
  *text = last_text.c_str();
  return 0;
}

int attribute_of(int* value, int attribute, cuda::DeviceId) {
  switch (attribute) {
    case cuda::kAttributeProcessors: *value = static_cast<int>(machine().schedule.processors); return 0;
    case cuda::kAttributeMajor: *value = 9; return 0;
    case cuda::kAttributeMinor: *value = 0; return 0;
    default: return refuse(kInvalidValue, "device attribute " + std::to_string(attribute) + " is not emulated");
  }
}

int retain(cuda::DriverContext* context, cuda::DeviceId device) {
  const Locked locked;
  if (device < 0 || static_cast<size_t>(device) >= machine().devices.size())
    return refuse(kInvalidDevice, "there is no GPU " + std::to_string(device));
  FakeDevice& d = *machine().devices[static_cast<size_t>(device)];
  d.contexts++;
  *context = &d;
  return 0;
}

// With its last holder the context ends, and what broke it. (A real process would have to end.)
int release(cuda::DeviceId device) {
  const Locked locked;
  FakeDevice& d = *machine().devices.at(static_cast<size_t>(device));
  if (d.contexts == 0) return refuse(kInvalidContext, "the context is released more often than retained");
  if (--d.contexts == 0) {
    d.broken = 0;
    d.stalled = false;
    d.why.clear();
    for (auto at = machine().allocations.begin(); at != machine().allocations.end();) {
      const bool here = at->second.second == d.ordinal;
      if (here) free_device(reinterpret_cast<void*>(at->first));
      at = here ? machine().allocations.erase(at) : std::next(at);
    }
  }
  return 0;
}

int allocate(cuda::DevicePointer* address, size_t bytes) {
  const Locked locked;
  FakeDevice* device = nullptr;
  if (const int code = current_device(&device)) return code;
  if (machine().capturing()) return invalidate_captures("memory cannot be allocated");
  if (bytes == 0) return refuse(kInvalidValue, "an allocation of no bytes");
  size_t held = 0;
  for (const auto& [other, allocation] : machine().allocations)
    if (allocation.second == device->ordinal) held += allocation.first;
  void* const memory = bytes > kDeviceBytes - held ? nullptr : allocate_device(bytes);
  if (memory == nullptr)
    return refuse(kOutOfMemory, "out of memory: " + std::to_string(held) + " of " + std::to_string(kDeviceBytes) + " bytes are held");
  *address = reinterpret_cast<uint64_t>(memory);
  machine().allocations[*address] = {bytes, device->ordinal};
  return 0;
}

int release_memory(cuda::DevicePointer address) {
  const Locked locked;
  FakeDevice* device = nullptr;
  if (const int code = current_device(&device)) return code;
  if (machine().capturing()) return invalidate_captures("memory cannot be freed");
  const auto found = machine().allocations.find(address);
  if (found == machine().allocations.end()) return refuse(kInvalidValue, "free of an address that no allocation begins at");
  machine().allocations.erase(found);
  free_device(reinterpret_cast<void*>(address));
  return 0;
}

int memory_info(size_t* free_bytes, size_t* total_bytes) {
  const Locked locked;
  FakeDevice* device = nullptr;
  if (const int code = current_device(&device)) return code;
  *total_bytes = *free_bytes = kDeviceBytes;
  for (const auto& [address, allocation] : machine().allocations)
    if (allocation.second == device->ordinal) *free_bytes -= allocation.first;
  return 0;
}

int host_allocate(void** address, size_t bytes, unsigned) {
  const Locked locked;
  FakeDevice* device = nullptr;
  if (const int code = current_device(&device)) return code;
  *address = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (*address == nullptr) return refuse(kOutOfMemory, "out of host memory");
  machine().host_allocations[reinterpret_cast<uint64_t>(*address)] = bytes;
  return 0;
}

int host_free(void* address) {
  const Locked locked;
  if (machine().host_allocations.erase(reinterpret_cast<uint64_t>(address)) == 0)
    return refuse(kInvalidValue, "free of host memory that the driver did not give");
  std::free(address);
  return 0;
}

int find_function(cuda::Function* function, cuda::Module, const char* name) {
  const Locked locked;
  FakeDevice* device = nullptr;
  if (const int code = current_device(&device)) return code;
  const KernelEntry* const kernel = find_kernel(name);
  if (kernel == nullptr) return refuse(kNotFound, std::string("no kernel ") + name);
  FakeFunction& found = device->functions[name];
  found.kernel = kernel;
  *function = &found;
  return 0;
}

int set_attribute(cuda::Function function, int attribute, int value) {
  const Locked locked;
  if (attribute != cuda::kFunctionMaxDynamicShared)
    return refuse(kInvalidValue, "function attribute " + std::to_string(attribute) + " is not emulated");
  if (value < 0 || static_cast<size_t>(value) > kMostShared)
    return refuse(kInvalidValue, std::to_string(value) + " bytes of dynamic shared memory, at most 232448 can be");
  static_cast<FakeFunction*>(function)->most_dynamic_shared = value;
  return 0;
}

void fill_devices(cuda::Driver& d) {
  d.init = [](unsigned flags) {
    machine().initialised = true;
    return flags == 0 ? 0 : kInvalidValue;
  };
  d.driver_get_version = [](int* version) { *version = 13000; return 0; };
  d.get_error_string = error_string;
  d.get_error_name = error_name;
  d.device_get_count = [](int* count) {
    if (!machine().initialised) return refuse(kNotInitialised, "the driver was not initialised");
    *count = static_cast<int>(machine().devices.size());
    return 0;
  };
  d.device_get = [](cuda::DeviceId* device, int ordinal) {
    if (ordinal < 0 || static_cast<size_t>(ordinal) >= machine().devices.size())
      return refuse(kInvalidDevice, "there is no GPU " + std::to_string(ordinal));
    *device = ordinal;
    return 0;
  };
  d.device_get_attribute = attribute_of;
  d.device_get_name = [](char* name, int length, cuda::DeviceId) {
    std::strncpy(name, "emulated H100", static_cast<size_t>(length));
    return 0;
  };
  d.device_total_memory = [](size_t* bytes, cuda::DeviceId) { *bytes = kDeviceBytes; return 0; };
  d.primary_context_retain = retain;
  d.primary_context_release = release;
  d.context_set_current = [](cuda::DriverContext context) { return make_current(context); };
  d.context_synchronize = synchronize_context;
}

cuda::Driver make_driver() {
  cuda::Driver d{};
  fill_devices(d);
  d.memory_allocate = allocate;
  d.memory_free = release_memory;
  d.memory_info = memory_info;
  d.host_allocate = host_allocate;
  d.host_free = host_free;
  d.module_load_data = [](cuda::Module* module, const void*) { *module = &machine(); return 0; };
  d.module_unload = [](cuda::Module) { return 0; };
  d.module_get_function = find_function;
  d.function_set_attribute = set_attribute;
  d.tensor_map_encode = [](cuda::TensorMap* map, int type, uint32_t rank, void* address, const uint64_t* dims,
                           const uint64_t* strides, const uint32_t* box, const uint32_t* element_strides, int interleave,
                           int swizzle, int l2_promotion, int fill) {
    const std::string why = encode_tensor_map(map, {type, rank, reinterpret_cast<uint64_t>(address), dims, strides, box,
                                                    element_strides, interleave, swizzle, l2_promotion, fill});
    return why.empty() ? 0 : refuse(kInvalidValue, why);
  };
  fill_stream_calls(d);
  return d;
}

}  // namespace

int refuse(int code, const std::string& why) {
  last_code = code;
  last_text = why;
  return code;
}

void set_schedule(const Schedule& wanted) {
  const Locked locked;
  machine().schedule = wanted;
}

void restart_driver(uint32_t devices) {
  machine().restart(devices);
  make_current(nullptr);
}

}  // namespace nanogpt::emulation

namespace nanogpt::cuda {

// As many as a node of the record has.
constexpr uint32_t kFakeGpus = 8;

OpenedDriver open_driver() {
  static const Driver driver = [] {
    if (emulation::machine().devices.empty()) emulation::machine().restart(kFakeGpus);
#if !defined(NANOGPT_EMULATION_CHECKS)
    emulation::machine().schedule.threads = std::thread::hardware_concurrency();
#endif
    return emulation::make_driver();
  }();
  return {&driver, ""};
}

const KernelImage kernel_images[] = {{"kernels", "emulated", "", 0}};
const size_t kernel_image_count = 1;

}  // namespace nanogpt::cuda

NANOGPT_EXPORT int32_t nanogpt_schedule(uint64_t context, uint32_t seed, uint32_t processors) {
  if (context == 0) return NANOGPT_INVALID;
  if (processors < 1 || processors > 132)
    return nanogpt::cuda::context_at(context).fail(NANOGPT_INVALID, "A schedule takes 1 to 132 processors, found %u", processors);
  const nanogpt::emulation::Locked locked;
  nanogpt::emulation::Schedule& schedule = nanogpt::emulation::machine().schedule;
  schedule.seed = seed;
  schedule.processors = processors;
  return NANOGPT_OK;
}

NANOGPT_EXPORT int32_t nanogpt_waits(uint64_t context, uint64_t out_count) {
  if (context == 0) return NANOGPT_INVALID;
  if (out_count == 0) return nanogpt::cuda::context_at(context).fail(NANOGPT_INVALID, "Waits takes an address for its result");
  *reinterpret_cast<uint64_t*>(out_count) = nanogpt::emulation::machine().waits;
  return NANOGPT_OK;
}
