// Host code that trusts an order which streams do not promise, or calls what the driver refuses; its mended twins.
#include "cases.h"

namespace {

using namespace nanogpt::cuda;
using nanogpt::emulation_tests::Gpu;

struct Fill {
  uint32_t* y;
  uint32_t value;
};
KERNEL(fill_word, Fill, 32) {
  if (threadIdx.x == 0) *params.y = params.value;
}
KERNEL(always_fails, Fill, 32) { shuffle(params.value, threadIdx.x == 0 ? 0u : 1u), barrier_sync(17, 32); }

uint64_t address(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

// The second stream copies what the first one's kernel writes.
void copy_from_another_stream(Gpu& gpu, bool waits) {
  auto* const y = gpu.array<uint32_t>(std::vector<uint32_t>{1});
  Stream second = nullptr;
  Event written = nullptr;
  uint32_t found = 0;
  gpu.ok(gpu.driver.stream_create(&second, 1)) && gpu.ok(gpu.driver.event_create(&written, 2));
  gpu.launch("fill_word", {}, Fill{y, 7});
  gpu.ok(gpu.driver.event_record(written, gpu.stream));
  if (waits) gpu.ok(gpu.driver.stream_wait_event(second, written, 0));
  gpu.ok(gpu.driver.copy_to_host(&found, address(y), 4, second)) && gpu.ok(gpu.driver.stream_synchronize(second));
  if (found != 7) gpu.wrong("read " + std::to_string(found));
  gpu.sync();
  gpu.ok(gpu.driver.event_destroy(written)) && gpu.ok(gpu.driver.stream_destroy(second));
}
FINDS(missing_wait_for_an_event, "wrong: read 1") { copy_from_another_stream(gpu, false); }
PASSES(wait_for_an_event) { copy_from_another_stream(gpu, true); }

void reuse_host_buffer(Gpu& gpu, bool waits) {
  auto* const y = gpu.array<uint32_t>(1);
  uint32_t value = 7;
  gpu.ok(gpu.driver.copy_to_device(address(y), &value, 4, gpu.stream));
  if (waits) gpu.sync();
  value = 8;
  const uint32_t found = gpu.read(y, 1)[0];
  if (found != 7) gpu.wrong("the device has " + std::to_string(found));
}
FINDS(host_buffer_reused_too_early, "wrong: the device has 8") { reuse_host_buffer(gpu, false); }
PASSES(host_buffer_reused_after_its_copy) { reuse_host_buffer(gpu, true); }

void read_before_sync(Gpu& gpu, bool waits) {
  auto* const y = gpu.array<uint32_t>(std::vector<uint32_t>{9});
  uint32_t found = 0;
  gpu.ok(gpu.driver.copy_to_host(&found, address(y), 4, gpu.stream));
  if (waits) gpu.sync();
  if (found != 9) gpu.wrong("the host has " + std::to_string(found));
  gpu.sync();
}
FINDS(result_read_before_its_copy, "wrong: the host has 0") { read_before_sync(gpu, false); }
PASSES(result_read_after_its_copy) { read_before_sync(gpu, true); }

// Two kernels on two streams inside one graph; `joins`: the second stream is joined before the end of the capture.
void capture_two_streams(Gpu& gpu, bool joins) {
  auto* const y = gpu.array<uint32_t>(std::vector<uint32_t>{0, 0});
  Stream second = nullptr;
  Event forked = nullptr, joined = nullptr;
  Graph graph = nullptr;
  GraphExec exec = nullptr;
  gpu.ok(gpu.driver.stream_create(&second, 1)) && gpu.ok(gpu.driver.event_create(&forked, 2)) &&
      gpu.ok(gpu.driver.event_create(&joined, 2)) && gpu.ok(gpu.driver.stream_begin_capture(gpu.stream, 0)) &&
      gpu.ok(gpu.driver.event_record(forked, gpu.stream)) && gpu.ok(gpu.driver.stream_wait_event(second, forked, 0));
  gpu.launch("fill_word", {}, Fill{y, 3});
  std::swap(gpu.stream, second);
  gpu.launch("fill_word", {}, Fill{y + 1, 4});
  std::swap(gpu.stream, second);
  if (joins) gpu.ok(gpu.driver.event_record(joined, second)) && gpu.ok(gpu.driver.stream_wait_event(gpu.stream, joined, 0));
  if (!gpu.ok(gpu.driver.stream_end_capture(gpu.stream, &graph)) || !gpu.ok(gpu.driver.graph_instantiate(&exec, graph, 0))) return;
  if (gpu.read(y, 1)[0] != 0) gpu.wrong("the capture ran");
  gpu.ok(gpu.driver.graph_launch(exec, gpu.stream));
  const auto found = gpu.read(y, 2);
  if (found[0] != 3 || found[1] != 4) gpu.wrong("the graph left " + std::to_string(found[0]) + ", " + std::to_string(found[1]));
  gpu.ok(gpu.driver.graph_exec_destroy(exec)) && gpu.ok(gpu.driver.graph_destroy(graph));
}
PASSES(graph_of_two_streams) { capture_two_streams(gpu, true); }
FINDS(graph_with_a_stream_left_out, "was not joined again") { capture_two_streams(gpu, false); }
FINDS(sync_while_captured, "cannot be waited for while a stream is captured") {
  gpu.ok(gpu.driver.stream_begin_capture(gpu.stream, 0));
  gpu.sync();
}
FINDS(allocation_while_captured, "memory cannot be allocated while a stream is captured") {
  gpu.ok(gpu.driver.stream_begin_capture(gpu.stream, 0));
  gpu.array<uint32_t>(1);
}

FINDS(error_stays, "ids go from 0 to 15") {
  gpu.launch("always_fails", {}, Fill{nullptr, 1});
  gpu.driver.stream_synchronize(gpu.stream);
  DevicePointer unused = 0;
  if (gpu.driver.memory_allocate(&unused, 4) != 719) gpu.wrong("a failed kernel's error did not stay");
  gpu.ok(gpu.driver.memory_allocate(&unused, 4));
}
FINDS(report_says_how_to_see_it_again, "nanogpt_schedule with these two numbers shows it again") {
  gpu.launch("always_fails", {}, Fill{nullptr, 1});
  gpu.sync();
}
FINDS(memory_of_another_gpu, "belong to GPU 0, not 1") {
  auto* const y = gpu.array<uint32_t>(1);
  DriverContext other = nullptr;
  Stream stream = nullptr;
  gpu.ok(gpu.driver.primary_context_retain(&other, 1)) && gpu.ok(gpu.driver.context_set_current(other)) &&
      gpu.ok(gpu.driver.stream_create(&stream, 1)) && gpu.ok(gpu.driver.set_bytes(address(y), 0, 4, stream));
}
FINDS(no_context, "no context is current") {
  gpu.driver.context_set_current(nullptr);
  gpu.array<uint32_t>(1);
}
FINDS(copy_past_the_end, "that no allocation holds") {
  auto* const y = gpu.array<uint32_t>(64);
  gpu.ok(gpu.driver.set_bytes(address(y), 0, 257, gpu.stream));
}
FINDS(freed_twice, "no allocation begins at") {
  auto* const y = gpu.array<uint32_t>(64);
  gpu.ok(gpu.driver.memory_free(address(y))) && gpu.ok(gpu.driver.memory_free(address(y)));
}

}  // namespace
