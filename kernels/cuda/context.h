// The context behind every ABI call of a GPU library: driver, device, stream, loaded kernels, error text; and launch(),
// the only way to start a kernel. Knows no op. Included by every launcher file (*.cpp). May include only abi.h, check.h,
// driver.h and the standard library.
#pragma once
#include "../check.h"
#include "driver.h"
#include <cstddef>
#include <cstdint>
#include <memory>

#define NANOGPT_EXPORT extern "C" __attribute__((visibility("default")))

namespace nanogpt::cuda {

class Communicator;
class CublasLtProducts;

struct Grid {
  uint32_t x = 1, y = 1, z = 1;
};

// What a launch needs besides the kernel's parameters. shared_bytes: dynamic shared memory of a block; cluster: blocks of a
// cluster along x.
struct LaunchShape {
  Grid grid;
  uint32_t threads = 256;
  uint32_t shared_bytes = 0;
  uint32_t cluster = 1;
};

struct Context {
  virtual ~Context() = default;
  // Enqueues a kernel by name with its parameter struct.
  virtual int32_t launch_bytes(const char* kernel, const LaunchShape& shape, const void* parameters, size_t bytes) = 0;
  // Enqueues: memory at `address` becomes zero bytes.
  virtual int32_t clear(uint64_t address, size_t bytes) = 0;
  virtual int32_t fail(int32_t status, const char* format, ...) __attribute__((format(printf, 3, 4))) = 0;
  // NANOGPT_ISA_SM80 or NANOGPT_ISA_SM90A: the kernels that this context runs.
  virtual uint32_t isa() const = 0;
  // Streaming multiprocessors: the grid of a persistent kernel.
  virtual uint32_t processors() const = 0;
  // Device memory of the context, 256-byte aligned, kScratchBytes long; contents do not survive an ABI call.
  virtual uint64_t scratch() = 0;
  // A device word that a kernel sets when its input breaks a limit that only it can see; read by sync and download.
  virtual uint64_t input_error() = 0;
  // Fills a tensor map of `rank` dimensions, innermost first: dims and box in elements, strides (rank - 1) in bytes. A bad
  // argument is an error with text.
  virtual int32_t encode(TensorMap& map, TensorType type, uint32_t rank, uint64_t address, const uint64_t* dims,
                         const uint64_t* strides, const uint32_t* box, Swizzle swizzle) = 0;
  virtual const Driver& driver() const = 0;
  // What kernels are enqueued on, for libraries that enqueue theirs beside them.
  virtual Stream stream() const = 0;
  // Whether a graph is being recorded: nothing may be allocated.
  virtual bool recording() const = 0;
  // Products of cuBLASLt; null until nanogpt_open_cublaslt.
  virtual CublasLtProducts* cublaslt() = 0;
  // The group of ranks that this context has joined; null: none (group.h).
  virtual std::unique_ptr<Communicator>& communicator() = 0;
};

constexpr size_t kScratchBytes = size_t{64} << 20;

inline Context& context_at(uint64_t address) { return *reinterpret_cast<Context*>(address); }

using Check = ArgumentCheck<Context>;

template <class Params>
int32_t launch(Context& context, const char* kernel, const LaunchShape& shape, const Params& params) {
  return context.launch_bytes(kernel, shape, &params, sizeof params);
}

// The memory at an address of the ABI, as a T of the device.
template <class T>
T* memory(uint64_t address) { return reinterpret_cast<T*>(address); }

inline uint32_t blocks_for(uint64_t items, uint32_t per_block) {
  return static_cast<uint32_t>((items + per_block - 1) / per_block);
}

}  // namespace nanogpt::cuda
