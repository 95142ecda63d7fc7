// Stacks and the switch between them: x86-64 by hand (the six registers that a call preserves), elsewhere through
// ucontext. The floating-point control words are never changed by kernels and stay as they are. May include only fiber.h
// and the system.
#include "fiber.h"
#include <new>
#include <sys/mman.h>
#include <vector>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace nanogpt::emulation {
namespace {

constexpr size_t kGuardBytes = 4096;
// Each guard splits a mapping in two, and Linux gives a process 65,530: 132 blocks of 384 threads have to do with fewer.
constexpr size_t kMostGuards = 12000;
thread_local size_t guards = 0;

// Stacks that nobody uses, kept by each thread: mapping one costs more than running a small block.
struct Spare {
  std::vector<char*> tops;
  ~Spare() {
    for (char* const top : tops) munmap(top - Stack::kBytes - kGuardBytes, Stack::kBytes + kGuardBytes);
  }
};
thread_local Spare spare;

}  // namespace

Stack::Stack() {
  if (!spare.tops.empty()) {
    top_ = spare.tops.back();
    spare.tops.pop_back();
    return;
  }
  void* const memory = mmap(nullptr, Stack::kBytes + kGuardBytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  if (guards++ < kMostGuards) mprotect(memory, kGuardBytes, PROT_NONE);
  top_ = static_cast<char*>(memory) + kGuardBytes + Stack::kBytes;
}

Stack::~Stack() { spare.tops.push_back(top_); }

#if defined(__x86_64__)

// from in rdi, to in rsi: both point to a saved stack pointer.
asm(R"(
.text
.hidden nanogpt_switch_stacks
.globl nanogpt_switch_stacks
.type nanogpt_switch_stacks, @function
nanogpt_switch_stacks:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq (%rsi), %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size nanogpt_switch_stacks, .-nanogpt_switch_stacks
)");
extern "C" void nanogpt_switch_stacks(void** from, void** to);

void prepare(Place& place, const Stack& stack, void (*entry)()) {
  // As if `entry` had been called: the stack pointer is 8 below a multiple of 16 when it starts. Above its address an end
  // mark (0) for who walks the stack, below it the six registers.
  void** top = reinterpret_cast<void**>(stack.top());
  top[-1] = nullptr;
  top[-2] = reinterpret_cast<void*>(entry);
  for (int i = 3; i < 9; i++) top[-i] = nullptr;
  place.stack_pointer = top - 8;
}

void switch_stacks(Place& from, Place& to) { nanogpt_switch_stacks(&from.stack_pointer, &to.stack_pointer); }

#else

void prepare(Place& place, const Stack& stack, void (*entry)()) {
  ucontext_t* const context = new ucontext_t;
  getcontext(context);
  context->uc_stack.ss_sp = stack.top() - Stack::kBytes;
  context->uc_stack.ss_size = Stack::kBytes;
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
  place.stack_pointer = context;
}

void switch_stacks(Place& from, Place& to) {
  if (from.stack_pointer == nullptr) from.stack_pointer = new ucontext_t;
  swapcontext(static_cast<ucontext_t*>(from.stack_pointer), static_cast<ucontext_t*>(to.stack_pointer));
}

#endif

}  // namespace nanogpt::emulation
