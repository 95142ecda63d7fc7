// The fake driver's calls on streams, events, copies, launches and graphs, and what all its calls ask first: the lock, this
// thread's device, and whether that device still works. Private to the fake driver and the fake NCCL.
// May include only machine.h.
#pragma once
#include "machine.h"

namespace nanogpt::emulation {

// Holds the driver. Not to be held while waiting (Machine::advance).
class Locked {
 public:
  Locked() : lock_(machine().mutex) {}

 private:
  std::lock_guard<std::recursive_mutex> lock_;
};

int make_current(void* context);
// The device of this thread's context, or the code to return: none is current, or it broke.
int current_device(FakeDevice** device);
// The stream behind a handle, of the current device unless another's context may use it too.
int stream_at(cuda::Stream handle, FakeStream** stream);
// A call that no captured stream allows: its captures are lost.
int invalidate_captures(const std::string& what);
int synchronize_context();
void fill_stream_calls(cuda::Driver& driver);
void fill_graph_calls(cuda::Driver& driver);

}  // namespace nanogpt::emulation
