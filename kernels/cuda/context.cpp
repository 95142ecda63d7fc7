// The context of a GPU: its ABI functions (create, destroy, error text, description, memory, copies, graphs) and the class
// behind them, over the driver's table. Knows no op. Refuses what the driver refuses, with the driver's words. May include
// only context.h, gemm_cublaslt.h, group.h, input_error.h, modules.h, posts.h, staging.h and the standard library.
#include "context.h"
#include "gemm_cublaslt.h"
#include "group.h"
#include "input_error.h"
#include "modules.h"
#include "posts.h"
#include "staging.h"
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

namespace nanogpt::cuda {
namespace {

constexpr size_t kErrorBytes = 16384;  // a deadlock names every waiting thread
constexpr Result kOutOfMemory = 2;  // CUDA_ERROR_OUT_OF_MEMORY
constexpr int kCaptureThreadLocal = 1;  // CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other ranks' threads go on

class DriverError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// This machine has no GPU that these kernels run on: no failure where another device would do.
class NoGpu : public DriverError {
  using DriverError::DriverError;
};

constexpr Result kNoDevice = 100;  // CUDA_ERROR_NO_DEVICE

void require(const Driver& driver, Result result, const char* doing) {
  if (result != 0) throw DriverError(std::string("The GPU driver failed while ") + doing + ": " + words_of(driver, result));
}

// Starts the driver and counts the GPUs: at least one.
int gpus_of(const Driver& driver) {
  const Result started = driver.init(0);
  if (started == kNoDevice) throw NoGpu("The driver finds no GPU: " + words_of(driver, started));
  require(driver, started, "starting the driver");
  int count = 0;
  require(driver, driver.device_get_count(&count), "counting GPUs");
  if (count == 0) throw NoGpu("The driver finds no GPU");
  return count;
}

class GpuContext final : public Context {
 public:
  GpuContext(const Driver& driver, uint32_t isa, int ordinal)
      : driver_(driver), staging_(std::make_unique<Staging>(driver)), posts_(std::make_unique<Posts>(driver)) {
    const int count = gpus_of(driver_);
    if (ordinal >= count)
      throw NoGpu("There is no GPU " + std::to_string(ordinal) + ": this machine has " + std::to_string(count));
    require(driver_.device_get(&device_, ordinal), "finding the GPU");
    isa_ = choose(isa);
    modules_ = std::make_unique<Modules>(driver_, isa_);
    require(driver_.primary_context_retain(&primary_, device_), "making a context");
    require(driver_.context_set_current(primary_), "entering the context");
    require(driver_.stream_create(&stream_, 1), "making a stream");
    require(driver_.memory_allocate(&scratch_, kScratchBytes), "allocating scratch memory");
    require(driver_.memory_allocate(&input_error_, sizeof(InputError)), "allocating memory");
    require(driver_.set_bytes(input_error_, 0, sizeof(InputError), stream_), "clearing memory");
    require(staging_->open(), "allocating pinned memory");
  }

  ~GpuContext() override {
    if (communicator_ != nullptr && communicator_->failure() != kNcclSuccess) communicator_.reset();
    driver_.stream_synchronize(stream_);
    communicator_.reset();
    cublaslt_.reset();
    driver_.memory_free(scratch_);
    driver_.memory_free(input_error_);
    staging_.reset();
    posts_.reset();
    modules_.reset();
    driver_.stream_destroy(stream_);
    driver_.primary_context_release(device_);
  }

  int32_t launch_bytes(const char* kernel, const LaunchShape& shape, const void* parameters, size_t bytes) override {
    const Function function = modules_->find(kernel);
    if (function == nullptr) return fail(NANOGPT_INTERNAL, "Kernel %s cannot run: %s", kernel, modules_->why().c_str());
    if (shape.shared_bytes > 48 << 10) {
      if (const Result result = driver_.function_set_attribute(function, kFunctionMaxDynamicShared,
                                                               static_cast<int>(shape.shared_bytes)))
        return refuse(result, "asking for shared memory of kernel", kernel);
    }
    LaunchAttribute attribute{};
    attribute.id = kLaunchClusterDimension;
    attribute.cluster = {shape.cluster, 1, 1};
    const LaunchConfig config{shape.grid.x, shape.grid.y, shape.grid.z, shape.threads, 1, 1, shape.shared_bytes, stream_,
                              &attribute, shape.cluster > 1 ? 1u : 0u};
    // By its size too, so that the driver refuses a struct that is not the kernel's: CU_LAUNCH_PARAM_BUFFER_POINTER, _SIZE.
    void* arguments[] = {reinterpret_cast<void*>(1), const_cast<void*>(parameters), reinterpret_cast<void*>(2), &bytes, nullptr};
    if (const Result result = driver_.launch(&config, function, nullptr, arguments))
      return refuse(result, "launching kernel", kernel);
    return NANOGPT_OK;
  }

  int32_t clear(uint64_t address, size_t bytes) override {
    if (const Result result = driver_.set_bytes(address, 0, bytes, stream_)) return refuse(result, "clearing", "memory");
    return NANOGPT_OK;
  }

  int32_t fail(int32_t status, const char* format, ...) override __attribute__((format(printf, 3, 4))) {
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(error_, sizeof error_, format, arguments);
    va_end(arguments);
    return status;
  }

  uint32_t isa() const override { return isa_; }
  uint32_t processors() const override { return static_cast<uint32_t>(attribute(kAttributeProcessors)); }
  uint64_t scratch() override { return scratch_; }
  uint64_t input_error() override { return input_error_; }
  Stream stream() const override { return stream_; }
  bool recording() const override { return recording_; }
  CublasLtProducts* cublaslt() override { return cublaslt_.get(); }
  std::unique_ptr<Communicator>& communicator() override { return communicator_; }

  int32_t encode(TensorMap& map, TensorType type, uint32_t rank, uint64_t address, const uint64_t* dims,
                 const uint64_t* strides, const uint32_t* box, Swizzle swizzle) override {
    const uint32_t ones[5] = {1, 1, 1, 1, 1};
    if (const Result result = driver_.tensor_map_encode(&map, static_cast<int>(type), rank, reinterpret_cast<void*>(address),
                                                        dims, strides, box, ones, 0, static_cast<int>(swizzle), 2, 0))
      return refuse(result, "encoding a", "tensor map");
    return NANOGPT_OK;
  }

  int32_t open_products() {
    if (cublaslt_ != nullptr) return NANOGPT_OK;
    const OpenedCublasLt opened = open_cublaslt();
    if (opened.library == nullptr) return fail(NANOGPT_UNSUPPORTED, "%s", opened.why);
    auto products = std::make_unique<CublasLtProducts>(*opened.library);
    if (const LtStatus status = products->start(kScratchBytes))
      return fail(NANOGPT_UNSUPPORTED, "cuBLASLt was found but does not start on this GPU: %s", products->words_of(status));
    cublaslt_ = std::move(products);
    return NANOGPT_OK;
  }

  int32_t alloc(uint64_t* out, size_t bytes) {
    DevicePointer address = 0;
    if (const Result result = driver_.memory_allocate(&address, bytes)) {
      // Anything else is an earlier kernel's failure, told late.
      if (result != kOutOfMemory) return refuse(result, "allocating", "memory");
      return fail(NANOGPT_NO_MEMORY, "The GPU refused %zu bytes (%s); use fewer tokens a microbatch or a smaller model", bytes,
                  words_of(driver_, result).c_str());
    }
    *out = address;
    if (const Result result = driver_.set_bytes(address, 0, bytes, stream_)) return refuse(result, "clearing", "memory");
    return NANOGPT_OK;
  }
  int32_t free(uint64_t address) {
    driver_.stream_synchronize(stream_);
    if (const Result result = driver_.memory_free(address)) return refuse(result, "freeing", "memory");
    return NANOGPT_OK;
  }
  int32_t upload(uint64_t address, const void* source, size_t bytes) {
    if (recording_) return refuse_recording("an upload");
    if (const Result result = staging_->upload(address, source, bytes, stream_)) return refuse(result, "copying", "to the GPU");
    return NANOGPT_OK;
  }
  int32_t download(void* target, uint64_t address, size_t bytes) {
    if (recording_) return refuse_recording("a download");
    if (const Result result = driver_.copy_to_host(target, address, bytes, stream_))
      return refuse(result, "copying", "from the GPU");
    return sync();
  }
  // Waits, then tells what kernels found in their input.
  int32_t sync() {
    if (recording_) return refuse_recording("a sync");
    if (const int32_t status = wait()) return status;
    InputError found{};
    if (const Result result = driver_.copy_to_host(&found, input_error_, sizeof found, stream_))
      return refuse(result, "copying", "from the GPU");
    if (const int32_t status = wait()) return status;
    if (const int32_t status = group_failure()) return status;
    return tell(found);
  }
  // With what kernels have found in their input by then.
  int32_t post(uint64_t* out, uint64_t address, size_t bytes) {
    if (recording_) return refuse_recording("a post");
    if (const Result result = posts_->post({input_error_, sizeof(InputError)}, {address, bytes}, stream_, out))
      return refuse(result, "copying", "from the GPU");
    if (*out == 0) return fail(NANOGPT_INVALID, "There are %zu posts that nobody has collected; collect some first", kMostPosts);
    return NANOGPT_OK;
  }
  int32_t collect(void* target, uint64_t ticket) {
    if (!posts_->has(ticket))
      return fail(NANOGPT_INVALID, "There is no post to collect by the ticket %llu, or no longer",
                  static_cast<unsigned long long>(ticket));
    const char* copies = nullptr;
    size_t bytes = 0;
    if (const Result result = posts_->collect(ticket, &copies, &bytes)) return refuse(result, "running", "a kernel");
    if (const int32_t status = group_failure()) return status;
    InputError found{};
    std::memcpy(&found, copies, sizeof found);
    std::memcpy(target, copies + sizeof found, bytes - sizeof found);
    return tell(found);
  }

  // What kernels found in their input, once.
  int32_t tell(const InputError& found) {
    if (found.limit == 0) return NANOGPT_OK;
    driver_.set_bytes(input_error_, 0, sizeof(InputError), stream_);
    const char* const what = found.limit == static_cast<uint32_t>(InputLimit::token)    ? "token"
                             : found.limit == static_cast<uint32_t>(InputLimit::target) ? "target"
                                                                                        : "row index";
    return fail(NANOGPT_INVALID, "A kernel met a %s outside 0..%u: found %d at position %u", what, found.below - 1, found.found,
                found.position);
  }

  // Kernels are loaded before: loading is not allowed while a stream records.
  int32_t graph_begin() {
    if (recording_) return fail(NANOGPT_INVALID, "A graph is being recorded already; end it first");
    if (driver_.stream_begin_capture == nullptr) return fail(NANOGPT_UNSUPPORTED, "This driver records no graphs");
    if (!modules_->load()) return fail(NANOGPT_INTERNAL, "Kernels cannot be loaded: %s", modules_->why().c_str());
    if (const Result result = driver_.stream_begin_capture(stream_, kCaptureThreadLocal))
      return refuse(result, "beginning to record", "a graph");
    recording_ = true;
    return NANOGPT_OK;
  }
  int32_t graph_end(uint64_t* out) {
    if (!recording_) return fail(NANOGPT_INVALID, "No graph is being recorded");
    recording_ = false;
    Graph graph = nullptr;
    if (const Result result = driver_.stream_end_capture(stream_, &graph)) return refuse(result, "recording", "a graph");
    GraphExec exec = nullptr;
    const Result result = driver_.graph_instantiate(&exec, graph, 0);
    driver_.graph_destroy(graph);
    if (result != 0) return refuse(result, "making", "a graph");
    *out = reinterpret_cast<uint64_t>(exec);
    return NANOGPT_OK;
  }
  int32_t graph_launch(uint64_t graph) {
    if (const Result result = driver_.graph_launch(reinterpret_cast<GraphExec>(graph), stream_))
      return refuse(result, "launching", "a graph");
    return NANOGPT_OK;
  }
  int32_t graph_free(uint64_t graph) {
    driver_.stream_synchronize(stream_);
    if (const Result result = driver_.graph_exec_destroy(reinterpret_cast<GraphExec>(graph)))
      return refuse(result, "freeing", "a graph");
    return NANOGPT_OK;
  }

  const char* error() const { return error_; }
  int attribute(int which) const {
    int value = 0;
    driver_.device_get_attribute(&value, which, device_);
    return value;
  }
  std::string name() const {
    char text[256] = "";
    driver_.device_get_name(text, sizeof text, device_);
    return text;
  }
  const Driver& driver() const override { return driver_; }
  int32_t refuse(Result result, const char* doing, const char* what) {
    return fail(NANOGPT_INTERNAL, "The GPU failed while %s %s: %s", doing, what, words_of(driver_, result).c_str());
  }

 private:
  int32_t refuse_recording(const char* what) {
    return fail(NANOGPT_INVALID, "A graph is being recorded, which cannot hold %s; end it first", what);
  }
  // What NCCL has found since in collectives that were enqueued, such as a rank that has gone.
  int32_t group_failure() {
    if (communicator_ == nullptr) return NANOGPT_OK;
    const NcclResult result = communicator_->failure();
    if (result == kNcclSuccess) return NANOGPT_OK;
    return fail(NANOGPT_INTERNAL, "NCCL failed in a collective: %s", communicator_->nccl().get_error_string(result));
  }
  int32_t wait() {
    if (const Result result = driver_.stream_synchronize(stream_)) return refuse(result, "running", "a kernel");
    return NANOGPT_OK;
  }
  void require(Result result, const char* doing) const { cuda::require(driver_, result, doing); }
  uint32_t choose(uint32_t isa) const {
    const int major = attribute(kAttributeMajor);
    const uint32_t best = major == 9 ? NANOGPT_ISA_SM90A : NANOGPT_ISA_SM80;
    if (major < 8) throw NoGpu("This GPU is older than sm_80: its compute capability is " + std::to_string(major) + ".x");
    if (isa == NANOGPT_ISA_AUTO) return best;
    if ((isa != NANOGPT_ISA_SM80 && isa != NANOGPT_ISA_SM90A) || isa > best)
      throw DriverError("This GPU runs the instruction sets sm80" + std::string(best == NANOGPT_ISA_SM90A ? ", sm90a" : "") +
                        "; found code " + std::to_string(isa));
    return isa;
  }
  const Driver& driver_;
  DeviceId device_ = 0;
  DriverContext primary_ = nullptr;
  Stream stream_ = nullptr;
  uint32_t isa_ = NANOGPT_ISA_AUTO;
  DevicePointer scratch_ = 0;
  DevicePointer input_error_ = 0;
  std::unique_ptr<Modules> modules_;
  std::unique_ptr<Staging> staging_;
  std::unique_ptr<CublasLtProducts> cublaslt_;
  std::unique_ptr<Communicator> communicator_;
  std::unique_ptr<Posts> posts_;
  bool recording_ = false;
  char error_[kErrorBytes] = "";
};

GpuContext& gpu_at(uint64_t address) { return static_cast<GpuContext&>(context_at(address)); }

void copy_text(uint64_t out, uint32_t capacity, const std::string& text) {
  std::snprintf(reinterpret_cast<char*>(out), capacity, "%s", text.c_str());
}

bool is_size(double bytes) { return bytes >= 1 && bytes <= 9007199254740992.0; }

int32_t check_copy(uint64_t context, uint64_t to, uint64_t from, double bytes) {
  if (to != 0 && from != 0 && is_size(bytes)) return NANOGPT_OK;
  return context_at(context).fail(NANOGPT_INVALID, "A copy takes two addresses and up to 2^53 bytes, found %.0f bytes", bytes);
}

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT uint32_t nanogpt_abi_version(void) { return NANOGPT_ABI_VERSION; }

namespace {
// Gives body(driver), an unsigned 64-bit number, or why there is none.
template <class Body>
int32_t with_driver(uint64_t out, uint64_t out_error, const Body& body) {
  if (out == 0 || out_error == 0) return NANOGPT_INVALID;
  const auto refuse = [&](int32_t status, const std::string& text) {
    copy_text(out_error, NANOGPT_CREATE_ERROR_BYTES, text);
    return status;
  };
  const OpenedDriver opened = open_driver();
  if (opened.driver == nullptr) return refuse(NANOGPT_UNSUPPORTED, opened.why);
  try {
    const uint64_t found = body(*opened.driver);
    std::memcpy(reinterpret_cast<void*>(out), &found, sizeof found);
    return NANOGPT_OK;
  } catch (const NoGpu& error) {
    return refuse(NANOGPT_UNSUPPORTED, error.what());
  } catch (const std::exception& error) {
    return refuse(NANOGPT_INTERNAL, error.what());
  }
}
}  // namespace

NANOGPT_EXPORT int32_t nanogpt_device_count(uint64_t out_count, uint64_t out_error) {
  return with_driver(out_count, out_error, [](const Driver& driver) { return static_cast<uint64_t>(gpus_of(driver)); });
}

NANOGPT_EXPORT int32_t nanogpt_context_create(uint64_t out_context, uint64_t out_error, uint32_t, uint32_t isa, uint32_t,
                                              uint32_t ordinal) {
  return with_driver(out_context, out_error, [&](const Driver& driver) {
    Context* const context = new GpuContext(driver, isa, static_cast<int>(ordinal));
    return reinterpret_cast<uint64_t>(context);
  });
}

NANOGPT_EXPORT int32_t nanogpt_context_destroy(uint64_t context) {
  if (context == 0) return NANOGPT_INVALID;
  delete &context_at(context);
  return NANOGPT_OK;
}

NANOGPT_EXPORT int32_t nanogpt_last_error(uint64_t context, uint64_t out_text, uint32_t capacity) {
  if (context == 0 || out_text == 0 || capacity == 0) return NANOGPT_INVALID;
  copy_text(out_text, capacity, gpu_at(context).error());
  return NANOGPT_OK;
}

NANOGPT_EXPORT int32_t nanogpt_describe(uint64_t context, uint64_t out_text, uint32_t capacity) {
  if (context == 0 || out_text == 0 || capacity == 0) return NANOGPT_INVALID;
  const GpuContext& c = gpu_at(context);
  const char* const isa = c.isa() == NANOGPT_ISA_SM90A ? "sm90a" : "sm80";
  const std::string available = c.attribute(kAttributeMajor) == 9 ? "\"sm80\",\"sm90a\"" : "\"sm80\"";
  copy_text(out_text, capacity, std::string("{\"isa\":\"") + isa + "\",\"threads\":" + std::to_string(c.processors()) +
                                    ",\"available\":[" + available + "],\"machine\":\"" + c.name() +
                                    "\",\"precisions\":{\"f32\":\"" + isa + "\",\"bf16\":\"" + isa + "\"}}");
  return NANOGPT_OK;
}

NANOGPT_EXPORT int32_t nanogpt_open_cublaslt(uint64_t context) {
  return context == 0 ? NANOGPT_INVALID : gpu_at(context).open_products();
}

NANOGPT_EXPORT int32_t nanogpt_alloc(uint64_t context, uint64_t out_address, double bytes) {
  if (context == 0) return NANOGPT_INVALID;
  if (out_address == 0 || !is_size(bytes))
    return context_at(context).fail(NANOGPT_INVALID, "Alloc takes an address for its result and 1 to 2^53 bytes, found %.0f bytes",
                                    bytes);
  return gpu_at(context).alloc(reinterpret_cast<uint64_t*>(out_address), static_cast<size_t>(bytes));
}

NANOGPT_EXPORT int32_t nanogpt_free(uint64_t context, uint64_t address, double bytes) {
  if (context == 0) return NANOGPT_INVALID;
  if (address == 0 || !is_size(bytes))
    return context_at(context).fail(NANOGPT_INVALID, "Free takes an address and the bytes it was made with, found %.0f bytes",
                                    bytes);
  return gpu_at(context).free(address);
}

NANOGPT_EXPORT int32_t nanogpt_upload(uint64_t context, uint64_t address, uint64_t source, double bytes) {
  if (context == 0) return NANOGPT_INVALID;
  if (bytes == 0) return NANOGPT_OK;
  if (const int32_t status = check_copy(context, address, source, bytes)) return status;
  return gpu_at(context).upload(address, reinterpret_cast<const void*>(source), static_cast<size_t>(bytes));
}

NANOGPT_EXPORT int32_t nanogpt_download(uint64_t context, uint64_t target, uint64_t address, double bytes) {
  if (context == 0) return NANOGPT_INVALID;
  if (bytes == 0) return NANOGPT_OK;
  if (const int32_t status = check_copy(context, target, address, bytes)) return status;
  return gpu_at(context).download(reinterpret_cast<void*>(target), address, static_cast<size_t>(bytes));
}

NANOGPT_EXPORT int32_t nanogpt_sync(uint64_t context) { return context == 0 ? NANOGPT_INVALID : gpu_at(context).sync(); }

NANOGPT_EXPORT int32_t nanogpt_post(uint64_t context, uint64_t out_ticket, uint64_t address, double bytes) {
  if (context == 0) return NANOGPT_INVALID;
  if (out_ticket == 0 || address == 0 || !is_size(bytes) || bytes > nanogpt::kMostPostBytes)
    return context_at(context).fail(NANOGPT_INVALID,
                                    "A post takes an address for its ticket, one to copy from and 1 to 65536 bytes, found %.0f bytes",
                                    bytes);
  return gpu_at(context).post(reinterpret_cast<uint64_t*>(out_ticket), address, static_cast<size_t>(bytes));
}

NANOGPT_EXPORT int32_t nanogpt_collect(uint64_t context, uint64_t target, uint64_t ticket) {
  if (context == 0) return NANOGPT_INVALID;
  if (target == 0) return context_at(context).fail(NANOGPT_INVALID, "A collect takes an address to copy to, found 0");
  return gpu_at(context).collect(reinterpret_cast<void*>(target), ticket);
}

NANOGPT_EXPORT int32_t nanogpt_graph_begin(uint64_t context) {
  return context == 0 ? NANOGPT_INVALID : gpu_at(context).graph_begin();
}

NANOGPT_EXPORT int32_t nanogpt_graph_end(uint64_t context, uint64_t out_graph) {
  if (context == 0) return NANOGPT_INVALID;
  if (out_graph == 0) return context_at(context).fail(NANOGPT_INVALID, "Graph_end takes an address for its result");
  return gpu_at(context).graph_end(reinterpret_cast<uint64_t*>(out_graph));
}

NANOGPT_EXPORT int32_t nanogpt_graph_launch(uint64_t context, uint64_t graph) {
  if (context == 0) return NANOGPT_INVALID;
  if (graph == 0) return context_at(context).fail(NANOGPT_INVALID, "Graph_launch takes a graph of graph_end, found 0");
  return gpu_at(context).graph_launch(graph);
}

NANOGPT_EXPORT int32_t nanogpt_graph_free(uint64_t context, uint64_t graph) {
  if (context == 0) return NANOGPT_INVALID;
  if (graph == 0) return context_at(context).fail(NANOGPT_INVALID, "Graph_free takes a graph of graph_end, found 0");
  return gpu_at(context).graph_free(graph);
}
