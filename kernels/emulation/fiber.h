// A fiber: one CUDA thread as a stack and a saved place on it, switched by hand (a system call for each switch, as ucontext
// makes, would cost more than most kernels' work). Knows no block, warp or kernel: lane.h does. May include only the
// standard library.
#pragma once
#include <cstddef>
#include <cstdint>

namespace nanogpt::emulation {

// Memory for a fiber's stack, with a guard page below it, kept for reuse by the thread that made it.
class Stack {
 public:
  static constexpr size_t kBytes = 128 << 10;  // 128 accumulators and their temporaries fit 100 times

  Stack();
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  char* top() const { return top_; }

 private:
  char* top_;
};

// Where a stack was left. `entry` runs on it at the first switch and must never return.
struct Place {
  void* stack_pointer = nullptr;
};

void prepare(Place& place, const Stack& stack, void (*entry)());

// Leaves the running stack at `from` and goes on at `to`; returns when somebody switches back to `from`.
void switch_stacks(Place& from, Place& to);

}  // namespace nanogpt::emulation
