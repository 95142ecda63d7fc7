// What the fake driver keeps: GPUs, allocations, streams as queues of work, events, graphs. One object behind one mutex, as a
// process has one driver. Work is done when the seed says: seed 0 as soon as it can be; any other in random order among the
// streams that can go on, or as late as a wait allows. Private to the fake driver and the fake NCCL. May include only
// ../cuda/driver.h, lane.h and the standard library.
#pragma once
#include "../cuda/driver.h"
#include "lane.h"
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

namespace nanogpt::emulation {

// CUresult.
constexpr int kInvalidValue = 1, kOutOfMemory = 2, kNotInitialised = 3, kInvalidDevice = 101, kInvalidContext = 201,
              kInvalidHandle = 400, kNotFound = 500, kNotReady = 600, kOutOfResources = 701, kLaunchFailed = 719,
              kCaptureUnsupported = 900, kCaptureInvalidated = 901, kCaptureUnmatched = 903, kCaptureUnjoined = 904,
              kCaptureIsolation = 905, kCapturedEvent = 907, kInvalidClusterSize = 912, kUnknown = 999;

// One piece of a stream's work. `run` gives an empty text or what went wrong; `can_run`: whether its turn may come (asked
// each time it is first in its stream).
struct Work {
  std::function<std::string()> run;
  std::function<bool()> can_run;  // null: always
};

struct FakeGraph {
  struct Node {
    Work work;
    std::vector<size_t> after;  // earlier nodes
  };
  std::vector<Node> nodes;
  struct FakeStream* origin = nullptr;
  int mode = 0;
  std::thread::id thread;  // that began to record it
  bool invalid = false;
};

struct FakeStream {
  int device = 0;
  std::deque<Work> queue;
  uint64_t enqueued = 0, done = 0;
  std::shared_ptr<FakeGraph> capture;
  std::set<size_t> capture_after;  // the nodes that the next captured work follows
};

struct FakeEvent {
  int device = 0;
  bool timed = true;
  FakeStream* stream = nullptr;  // null: never recorded
  uint64_t position = 0;         // done when the stream has done so much
  double ms = 0;
  std::shared_ptr<FakeGraph> capture;
  std::set<size_t> capture_after;
};

struct FakeFunction {
  const KernelEntry* kernel = nullptr;
  int most_dynamic_shared = 48 << 10;
};

struct FakeDevice {
  int ordinal = 0;
  int contexts = 0;   // retained so often
  int broken = 0;     // the error that every call gives since a kernel failed
  std::string why;
  bool stalled = false;  // a wait gave up: what it needed did not come
  std::map<std::string, FakeFunction> functions;
};

class Machine {
 public:
  std::recursive_mutex mutex;
  std::condition_variable_any changed;
  Schedule schedule;
  bool initialised = false;
  std::vector<std::unique_ptr<FakeDevice>> devices;
  std::set<FakeStream*> streams;
  std::set<FakeEvent*> events;
  // Destroyed ones too, so that no new one takes the address that waiting work still knows.
  std::vector<std::unique_ptr<FakeStream>> all_streams;
  std::vector<std::unique_ptr<FakeEvent>> all_events;
  std::set<std::shared_ptr<FakeGraph>> graphs;
  std::map<uint64_t, std::pair<size_t, int>> allocations;  // bytes and device by address
  std::map<uint64_t, size_t> host_allocations;
  std::chrono::milliseconds patience{600000};  // with peers of a collective that do not come: they may be slow
  uint64_t waits = 0;                         // calls of advance() that were not finished from the first

  void restart(uint32_t device_count);
  // Adds work to the stream, or to the graph that it is being recorded into.
  int enqueue(FakeStream& stream, Work work);
  // Does work until `finished`; an error code when the device breaks, or when nobody can go on for too long.
  int advance(int device, FakeStream* target, const std::function<bool()>& finished);
  // Does one piece of work of some stream, of `target` when the seed wants only that. False: none can go on.
  bool step(FakeStream* target);
  // The device whose memory holds all of these bytes; -1: none.
  int device_of(uint64_t address, size_t bytes) const;
  // A number below `bound` drawn from the seed.
  uint32_t draw(uint32_t bound);
  // After a kernel or copy failed every call on the device gives this.
  void break_device(int device, int code, const std::string& why);
  // Whether a capture forbids this thread calls that are unsafe in one: mode 0 does so to all threads, 1 to its own, 2 to none.
  bool capturing() const;

 private:
  bool can_run(FakeStream& stream);
  void run_first(FakeStream& stream);

  uint64_t random_ = 0;
};

Machine& machine();

// Keeps the code's text for get_error_string of this thread; returns the code.
int refuse(int code, const std::string& why);
// The chip's limits for a launch. 0, or a code whose text is kept.
int check_launch(const cuda::LaunchConfig& config, const FakeFunction& function, const Index3& cluster);
// Runs the graph's nodes, each after those before it, in an order drawn from the seed.
std::string run_graph(FakeGraph& graph);

}  // namespace nanogpt::emulation
