// Capture of streams into graphs and their launch, in the fake driver. A graph keeps which work follows which, and a launch
// does it in any order that this allows. Refuses captures whose other streams were not joined again. May include only
// stream_calls.h and the standard library.
#include "stream_calls.h"
#include <algorithm>

namespace nanogpt::emulation {
namespace {

std::shared_ptr<FakeGraph> graph_at(void* handle) {
  for (const auto& graph : machine().graphs)
    if (graph.get() == handle) return graph;
  return nullptr;
}

int begin_capture(cuda::Stream handle, int mode) {
  const Locked locked;
  FakeStream* stream = nullptr;
  if (const int code = stream_at(handle, &stream)) return code;
  if (stream->capture) return refuse(kCaptureUnmatched, "the stream is captured already");
  stream->capture = std::make_shared<FakeGraph>();
  stream->capture->origin = stream;
  stream->capture->mode = mode;
  stream->capture->thread = std::this_thread::get_id();
  stream->capture_after.clear();
  return 0;
}

// Nodes that the origin stream's last ones do not follow: another stream was not joined again.
bool all_joined(const FakeGraph& graph, const std::set<size_t>& last) {
  std::vector<bool> reached(graph.nodes.size());
  std::vector<size_t> open(last.begin(), last.end());
  while (!open.empty()) {
    const size_t node = open.back();
    open.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    open.insert(open.end(), graph.nodes[node].after.begin(), graph.nodes[node].after.end());
  }
  return std::all_of(reached.begin(), reached.end(), [](bool yes) { return yes; });
}

int end_capture(cuda::Stream handle, cuda::Graph* out) {
  const Locked locked;
  FakeStream* stream = nullptr;
  *out = nullptr;
  if (const int code = stream_at(handle, &stream)) return code;
  const std::shared_ptr<FakeGraph> graph = stream->capture;
  if (!graph || graph->origin != stream) return refuse(kCaptureUnmatched, "the stream is not where the capture began");
  const bool joined = all_joined(*graph, stream->capture_after);
  for (FakeStream* const other : machine().streams) {
    if (other->capture != graph) continue;
    other->capture.reset();
    other->capture_after.clear();
  }
  for (FakeEvent* const event : machine().events)
    if (event->capture == graph) event->capture.reset();
  if (graph->invalid) return refuse(kCaptureInvalidated, "the capture was lost by a call that it does not allow");
  if (!joined) return refuse(kCaptureUnjoined, "a captured stream was not joined again before the capture's end");
  machine().graphs.insert(graph);
  *out = graph.get();
  return 0;
}

int instantiate(cuda::GraphExec* out, cuda::Graph handle, unsigned long long) {
  const Locked locked;
  FakeDevice* device = nullptr;
  if (const int code = current_device(&device)) return code;
  const auto graph = graph_at(handle);
  if (!graph) return refuse(kInvalidHandle, "no such graph");
  const auto copy = std::make_shared<FakeGraph>(*graph);
  machine().graphs.insert(copy);
  *out = copy.get();
  return 0;
}

int launch_graph(cuda::GraphExec handle, cuda::Stream stream_handle) {
  const Locked locked;
  FakeStream* stream = nullptr;
  if (const int code = stream_at(stream_handle, &stream)) return code;
  const auto graph = graph_at(handle);
  if (!graph) return refuse(kInvalidHandle, "no such graph");
  return machine().enqueue(*stream, {[graph] { return run_graph(*graph); }, nullptr});
}

int destroy_graph(void* handle) {
  const Locked locked;
  const auto graph = graph_at(handle);
  if (!graph) return refuse(kInvalidHandle, "no such graph");
  machine().graphs.erase(graph);
  return 0;
}

}  // namespace

void fill_graph_calls(cuda::Driver& d) {
  d.stream_begin_capture = begin_capture;
  d.stream_end_capture = end_capture;
  d.graph_instantiate = instantiate;
  d.graph_launch = launch_graph;
  d.graph_exec_destroy = destroy_graph;
  d.graph_destroy = destroy_graph;
}

}  // namespace nanogpt::emulation
