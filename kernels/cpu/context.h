// The context behind every ABI call: thread pool, per-thread scratch, error text, chosen instruction set. It knows no
// op and holds no tensor's size. Included by every kernel file, so what stands here is compiled once per instruction
// set. May include only the C++ standard library and abi.h.
#pragma once
#include "../abi.h"
#include <cstddef>
#include <cstdint>

#define NANOGPT_EXPORT extern "C" __attribute__((visibility("default")))

namespace nanogpt {

// A reference to a callable (task, thread), such as a lambda: std::function without its allocation. What it refers to
// must outlive the call that takes it.
class TaskBody {
 public:
  template <class F>
  TaskBody(const F& body)
      : object_(&body), call_([](const void* object, int64_t task, int thread) {
          (*static_cast<const F*>(object))(task, thread);
        }) {}
  void operator()(int64_t task, int thread) const { call_(object_, task, thread); }

 private:
  const void* object_;
  void (*call_)(const void* object, int64_t task, int thread);
};

struct Membership;

struct Context {
  virtual ~Context() = default;
  // Runs task(i) for i in [0, tasks) on the pool, each exactly once; returns when all are done. Tasks are claimed in
  // static, contiguous ranges per thread. Tasks must write disjoint memory; nothing may depend on which thread runs one.
  // Not reentrant. One task runs on the caller, without waking anyone. Tasks must not throw: nobody catches it on a helper,
  // and on the caller it would end the kernel while helpers still run.
  virtual void parallel(int64_t tasks, const TaskBody& body) = 0;
  virtual int threads() const = 0;
  // Scratch of one thread, 64-byte aligned, kThreadScratchBytes long; contents do not survive a kernel.
  virtual std::byte* thread_scratch(int thread) = 0;
  // Scratch of the whole pool, kSharedScratchBytes long, for operands packed by all threads together.
  virtual std::byte* shared_scratch() = 0;
  // Records the error text (printf style) and returns `status`.
  virtual int32_t fail(int32_t status, const char* format, ...) __attribute__((format(printf, 3, 4))) = 0;
  virtual uint32_t isa() const = 0;
  // The groups of ranks that this context has made and joined (group.h).
  virtual Membership& membership() = 0;
};

constexpr size_t kThreadScratchBytes = size_t{4} << 20;
constexpr size_t kSharedScratchBytes = size_t{24} << 20;

inline Context& context_at(uint64_t address) { return *reinterpret_cast<Context*>(address); }

}  // namespace nanogpt
