// Streams, events, copies and launches of the fake driver. A call only puts work into a stream: the host's memory is read or
// written when the work is done, which is why a buffer reused too early shows. May include only stream_calls.h, memory.h and
// the standard library.
#include "stream_calls.h"
#include "memory.h"
#include <algorithm>
#include <cstring>

namespace nanogpt::emulation {

namespace {

thread_local int current_ordinal = -1;

constexpr unsigned kEventWithoutTiming = 2;

double now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

}  // namespace

int make_current(void* context) {
  current_ordinal = context == nullptr ? -1 : static_cast<FakeDevice*>(context)->ordinal;
  return 0;
}

int current_device(FakeDevice** device) {
  if (!machine().initialised) return refuse(kNotInitialised, "the driver was not initialised");
  if (current_ordinal < 0) return refuse(kInvalidContext, "no context is current on this thread");
  FakeDevice& d = *machine().devices.at(static_cast<size_t>(current_ordinal));
  *device = &d;
  if (d.contexts == 0) return refuse(kInvalidContext, "this thread's context was released");
  return d.broken == 0 ? 0 : refuse(d.broken, d.why);
}

int stream_at(cuda::Stream handle, FakeStream** stream) {
  FakeDevice* device = nullptr;
  if (const int code = current_device(&device)) return code;
  *stream = static_cast<FakeStream*>(handle);
  if (machine().streams.count(*stream) == 0)
    return refuse(kInvalidHandle, handle == nullptr ? "the default stream is not emulated: make one" : "no such stream");
  if ((*stream)->device != device->ordinal)
    return refuse(kInvalidHandle, "a stream of GPU " + std::to_string((*stream)->device) + " used in the context of GPU " +
                                      std::to_string(device->ordinal));
  return 0;
}

int invalidate_captures(const std::string& what) {
  for (FakeStream* const stream : machine().streams)
    if (stream->capture) stream->capture->invalid = true;
  return refuse(kCaptureUnsupported, what + " while a stream is captured");
}

int synchronize_context() {
  FakeDevice* device = nullptr;
  {
    const Locked locked;
    if (const int code = current_device(&device)) return code;
    if (machine().capturing()) return invalidate_captures("the context cannot be waited for");
  }
  return machine().advance(device->ordinal, nullptr, [device] {
    return std::all_of(machine().streams.begin(), machine().streams.end(), [device](const FakeStream* stream) {
      return stream->device != device->ordinal || stream->queue.empty();
    });
  });
}

namespace {

int create_stream(cuda::Stream* handle, unsigned) {
  const Locked locked;
  FakeDevice* device = nullptr;
  if (const int code = current_device(&device)) return code;
  machine().all_streams.push_back(std::make_unique<FakeStream>());
  FakeStream* const stream = machine().all_streams.back().get();
  stream->device = device->ordinal;
  machine().streams.insert(stream);
  *handle = stream;
  return 0;
}

// Work that a destroyed stream still holds is done first, as on a real device.
int destroy_stream(cuda::Stream handle) {
  FakeStream* stream = nullptr;
  {
    const Locked locked;
    FakeDevice* device = nullptr;
    const int code = current_device(&device);
    stream = static_cast<FakeStream*>(handle);
    if (machine().streams.count(stream) == 0) return code != 0 ? code : refuse(kInvalidHandle, "no such stream");
  }
  const int code = machine().advance(stream->device, stream, [stream] { return stream->queue.empty(); });
  const Locked locked;
  machine().streams.erase(stream);
  for (FakeEvent* const event : machine().events)
    if (event->stream == stream) event->stream = nullptr;
  return code;
}

int synchronize_stream(cuda::Stream handle) {
  FakeStream* stream = nullptr;
  {
    const Locked locked;
    if (const int code = stream_at(handle, &stream)) return code;
    if (stream->capture) return invalidate_captures("a stream cannot be waited for");
  }
  return machine().advance(stream->device, stream, [stream, until = stream->enqueued] { return stream->done >= until; });
}

int query_stream(cuda::Stream handle) {
  const Locked locked;
  FakeStream* stream = nullptr;
  if (const int code = stream_at(handle, &stream)) return code;
  if (stream->capture) return invalidate_captures("a stream cannot be asked");
  // Asking again and again must come to an end: now and then something happens meanwhile.
  if (!stream->queue.empty() && machine().draw(4) == 0) machine().step(nullptr);
  return stream->queue.empty() ? 0 : kNotReady;
}

int event_at(cuda::Event handle, FakeEvent** event) {
  FakeDevice* device = nullptr;
  if (const int code = current_device(&device)) return code;
  *event = static_cast<FakeEvent*>(handle);
  return machine().events.count(*event) == 0 ? refuse(kInvalidHandle, "no such event") : 0;
}

bool is_over(const FakeEvent& event) { return event.stream == nullptr || event.stream->done >= event.position; }

int wait_event(cuda::Stream handle, cuda::Event event_handle, unsigned) {
  const Locked locked;
  FakeStream* stream = nullptr;
  FakeEvent* event = nullptr;
  if (const int code = stream_at(handle, &stream)) return code;
  if (const int code = event_at(event_handle, &event)) return code;
  if (event->capture) {  // the stream joins the capture
    if (stream->capture && stream->capture != event->capture)
      return refuse(kCaptureIsolation, "two captures cannot be joined");
    stream->capture = event->capture;
    stream->capture_after.insert(event->capture_after.begin(), event->capture_after.end());
    return 0;
  }
  if (stream->capture) {
    stream->capture->invalid = true;
    return refuse(kCaptureIsolation, "a captured stream cannot wait for an event recorded outside the capture");
  }
  if (event->stream == nullptr) return 0;
  return machine().enqueue(*stream, {nullptr, [of = event->stream, position = event->position] {
                                       return machine().streams.count(of) == 0 || of->done >= position;
                                     }});
}

int record_event(cuda::Event handle, cuda::Stream stream_handle) {
  const Locked locked;
  FakeStream* stream = nullptr;
  FakeEvent* event = nullptr;
  if (const int code = stream_at(stream_handle, &stream)) return code;
  if (const int code = event_at(handle, &event)) return code;
  if (event->device != stream->device) return refuse(kInvalidHandle, "an event of another GPU than the stream's");
  event->capture = stream->capture;
  event->capture_after = stream->capture_after;
  if (stream->capture) return 0;
  event->stream = stream;
  event->position = stream->enqueued + 1;
  return machine().enqueue(*stream, {[event] {
                                       if (machine().events.count(event) != 0) event->ms = now_ms();
                                       return std::string();
                                     },
                                     nullptr});
}

int synchronize_event(cuda::Event handle) {
  FakeEvent* event = nullptr;
  FakeStream* stream = nullptr;
  {
    const Locked locked;
    if (const int code = event_at(handle, &event)) return code;
    if (event->capture) return refuse(kCapturedEvent, "an event recorded in a capture cannot be waited for");
    stream = event->stream;
    if (stream == nullptr) return 0;
  }
  return machine().advance(event->device, stream, [event] { return is_over(*event); });
}

int elapsed(float* ms, cuda::Event start_handle, cuda::Event end_handle) {
  const Locked locked;
  FakeEvent *start = nullptr, *end = nullptr;
  if (const int code = event_at(start_handle, &start)) return code;
  if (const int code = event_at(end_handle, &end)) return code;
  if (!start->timed || !end->timed || start->stream == nullptr || end->stream == nullptr)
    return refuse(kInvalidHandle, "time between events that were not recorded or keep no time");
  if (!is_over(*start) || !is_over(*end)) return kNotReady;
  *ms = static_cast<float>(end->ms - start->ms);
  return 0;
}

// The range must lie in memory of the stream's GPU, now and when the work is done.
std::string outside(const FakeStream& stream, uint64_t address, size_t bytes, const char* doing) {
  const int device = machine().device_of(address, bytes);
  if (device == stream.device) return "";
  return std::string(doing) + " " + std::to_string(bytes) + " bytes of device memory that " +
         (device < 0 ? "no allocation holds" : "belong to GPU " + std::to_string(device) + ", not " + std::to_string(stream.device));
}

// Enqueues work on device memory: of the ranges that it writes and reads (0: none), then `act`.
int touch(cuda::Stream handle, const char* doing, std::pair<uint64_t, size_t> writes, std::pair<uint64_t, size_t> reads,
          std::function<void()> act) {
  const Locked locked;
  FakeStream* stream = nullptr;
  if (const int code = stream_at(handle, &stream)) return code;
  const auto check = [stream, doing, writes, reads] {
    std::string why = writes.first == 0 ? "" : outside(*stream, writes.first, writes.second, doing);
    if (why.empty() && reads.first != 0) why = outside(*stream, reads.first, reads.second, doing);
    return why;
  };
  if (const std::string why = check(); !why.empty()) return refuse(kInvalidValue, why);
  return machine().enqueue(*stream, {[check, writes, reads, act] {
                                       std::string why = check();
                                       void* const target = reinterpret_cast<void*>(writes.first);
                                       const void* const source = reinterpret_cast<const void*>(reads.first);
                                       if (!why.empty()) return why;
                                       if (source == nullptr) why = host_writes(target, writes.second);
                                       else if (target == nullptr) why = host_reads(source, reads.second);
                                       else why = host_copies(target, source, reads.second);
                                       if (why.empty()) act();
                                       return why;
                                     },
                                     nullptr});
}

// The parameters as one struct: kernelParams of one entry, or the buffer that `extra` names with its size.
int parameters_of(const KernelEntry& kernel, void** parameters, void** extra, const void** found) {
  *found = parameters == nullptr ? nullptr : parameters[0];
  size_t bytes = kernel.parameter_bytes;
  for (; extra != nullptr && *extra != nullptr; extra += 2) {
    if (*extra == reinterpret_cast<void*>(1)) *found = extra[1];
    if (*extra == reinterpret_cast<void*>(2)) bytes = *static_cast<const size_t*>(extra[1]);
  }
  if (*found == nullptr) return refuse(kInvalidValue, std::string("kernel ") + kernel.name + ": no parameters given");
  if (bytes != kernel.parameter_bytes)
    return refuse(kInvalidValue, std::string("kernel ") + kernel.name + ": " + std::to_string(bytes) +
                                     " bytes of parameters given, it takes " + std::to_string(kernel.parameter_bytes));
  return 0;
}

int launch(const cuda::LaunchConfig* config, cuda::Function handle, void** parameters, void** extra) {
  const Locked locked;
  FakeStream* stream = nullptr;
  if (const int code = stream_at(config->stream, &stream)) return code;
  const FakeFunction& function = *static_cast<const FakeFunction*>(handle);
  Index3 cluster{1, 1, 1};
  for (uint32_t i = 0; i < config->attribute_count; i++) {
    const auto& shape = config->attributes[i].cluster;
    if (config->attributes[i].id == cuda::kLaunchClusterDimension) cluster = {shape.x, shape.y, shape.z};
  }
  if (const int code = check_launch(*config, function, cluster)) return code;
  const void* found = nullptr;
  if (const int code = parameters_of(*function.kernel, parameters, extra, &found)) return code;
  // A tensor map among the parameters must keep its alignment.
  const size_t words = (function.kernel->parameter_bytes + sizeof(cuda::TensorMap) - 1) / sizeof(cuda::TensorMap);
  auto copy = std::make_shared<std::vector<cuda::TensorMap>>(words);
  std::memcpy(static_cast<void*>(copy->data()), found, function.kernel->parameter_bytes);
  const Launch wanted{function.kernel, {config->grid_x, config->grid_y, config->grid_z},
                      {config->block_x, config->block_y, config->block_z}, cluster, config->shared_bytes, nullptr};
  return machine().enqueue(*stream, {[wanted, copy] {
                                       Launch launch = wanted;
                                       launch.parameters = copy->data();
                                       return run_launch(launch, machine().schedule);
                                     },
                                     nullptr});
}

int destroy_event(cuda::Event handle) {
  const Locked locked;
  return machine().events.erase(static_cast<FakeEvent*>(handle)) == 0 ? refuse(kInvalidHandle, "no such event") : 0;
}

int create_event(cuda::Event* handle, unsigned flags) {
  const Locked locked;
  FakeDevice* device = nullptr;
  if (const int code = current_device(&device)) return code;
  machine().all_events.push_back(std::make_unique<FakeEvent>());
  FakeEvent* const event = machine().all_events.back().get();
  event->device = device->ordinal;
  event->timed = (flags & kEventWithoutTiming) == 0;
  machine().events.insert(event);
  *handle = event;
  return 0;
}

void fill_copies(cuda::Driver& d) {
  d.copy_to_device = [](cuda::DevicePointer target, const void* source, size_t bytes, cuda::Stream stream) {
    return touch(stream, "a copy to", {target, bytes}, {0, 0},
                 [=] { std::memcpy(reinterpret_cast<void*>(target), source, bytes); });
  };
  d.copy_to_host = [](void* target, cuda::DevicePointer source, size_t bytes, cuda::Stream stream) {
    return touch(stream, "a copy from", {0, 0}, {source, bytes},
                 [=] { std::memcpy(target, reinterpret_cast<const void*>(source), bytes); });
  };
  d.copy_on_device = [](cuda::DevicePointer target, cuda::DevicePointer source, size_t bytes, cuda::Stream stream) {
    return touch(stream, "a copy between", {target, bytes}, {source, bytes}, [=] {
      std::memmove(reinterpret_cast<void*>(target), reinterpret_cast<const void*>(source), bytes);
    });
  };
  d.set_bytes = [](cuda::DevicePointer target, unsigned char value, size_t count, cuda::Stream stream) {
    return touch(stream, "a fill of", {target, count}, {0, 0},
                 [=] { std::memset(reinterpret_cast<void*>(target), value, count); });
  };
  d.set_words = [](cuda::DevicePointer target, unsigned value, size_t count, cuda::Stream stream) {
    if (target % 4 != 0) return refuse(kInvalidValue, "a fill of words at an address that is not a multiple of 4");
    return touch(stream, "a fill of", {target, count * 4}, {0, 0},
                 [=] { std::fill_n(reinterpret_cast<unsigned*>(target), count, value); });
  };
}

}  // namespace

void fill_stream_calls(cuda::Driver& d) {
  d.stream_create = create_stream;
  d.stream_destroy = destroy_stream;
  d.stream_synchronize = synchronize_stream;
  d.stream_query = query_stream;
  d.stream_wait_event = wait_event;
  d.event_create = create_event;
  d.event_record = record_event;
  d.event_query = [](cuda::Event handle) {
    const Locked locked;
    FakeEvent* event = nullptr;
    if (const int code = event_at(handle, &event)) return code;
    if (event->capture) return refuse(kCapturedEvent, "an event recorded in a capture cannot be asked");
    return is_over(*event) ? 0 : kNotReady;
  };
  d.event_synchronize = synchronize_event;
  d.event_elapsed = elapsed;
  d.event_destroy = destroy_event;
  d.launch = launch;
  fill_copies(d);
  fill_graph_calls(d);
}

}  // namespace nanogpt::emulation
