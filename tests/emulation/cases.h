// The frame of the emulation's own tests. Every .cu file of this folder holds small kernels and cases; all are linked with
// the checking emulation into build/emulation_tests, which emulation_test.ts builds and runs. A case is host code over a
// fake GPU, run under 20 seeds:
//   FINDS(race_between_warps, "race") { ... }   at least one seed must report, and every report must hold the text
//                                               ("race|unfinished": one of the two, as the moment decides)
//   PASSES(race_mended) { ... }                 no seed may report anything: the bug's correct twin
// A case reports by what the driver returns (launch, sync, ok) and by wrong(...) for data that came out wrong.
#pragma once
#include "../../kernels/cuda/driver.h"
#include "../../kernels/cuda/ptx.h"
#include <string>
#include <vector>

namespace nanogpt::emulation_tests {

// How a kernel is launched: blocks, threads of a block, bytes of dynamic shared memory, blocks of a cluster.
struct Shape {
  uint32_t blocks = 1;
  uint32_t threads = 32;
  uint32_t shared_bytes = 0;
  uint32_t cluster = 1;
};

// The fake GPU of a case: device 0, its context current, one stream. Everything after the first report is ignored.
class Gpu {
 public:
  explicit Gpu(uint32_t seed);
  ~Gpu();
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  const cuda::Driver& driver;
  const uint32_t seed;
  cuda::Stream stream = nullptr;
  std::string report;

  // Keeps the driver's text of a failed call. True: it succeeded.
  bool ok(cuda::Result result);
  // Says that data came out wrong.
  void wrong(const std::string& what);

  // Device memory of `count` elements that nobody has written.
  template <class T>
  T* array(size_t count) { return static_cast<T*>(allocate(count * sizeof(T))); }
  // Device memory that holds these values.
  template <class T>
  T* array(const std::vector<T>& values) {
    T* const memory = array<T>(values.size());
    upload(memory, values.data(), values.size() * sizeof(T));
    return memory;
  }
  // Waits, then copies from the device.
  template <class T>
  std::vector<T> read(const T* memory, size_t count) {
    std::vector<T> values(count);
    download(values.data(), memory, count * sizeof(T));
    return values;
  }

  template <class Params>
  void launch(const char* kernel, const Shape& shape, const Params& params) {
    launch_bytes(kernel, shape, &params, sizeof params);
  }
  void sync();

 private:
  void* allocate(size_t bytes);
  void upload(void* target, const void* source, size_t bytes);
  void download(void* target, const void* source, size_t bytes);
  void launch_bytes(const char* kernel, const Shape& shape, const void* params, size_t bytes);
};

struct Case {
  Case(const char* file, const char* name, const char* finds, void (*run)(Gpu&));
};

}  // namespace nanogpt::emulation_tests

#define FINDS(name, text)                                                                                       \
  static void name##_case(::nanogpt::emulation_tests::Gpu& gpu);                                                \
  static const ::nanogpt::emulation_tests::Case name##_entry(__FILE__, #name, text, name##_case);               \
  static void name##_case([[maybe_unused]] ::nanogpt::emulation_tests::Gpu& gpu)
#define PASSES(name) FINDS(name, nullptr)
