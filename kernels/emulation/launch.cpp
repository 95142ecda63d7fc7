// A launch on one or several operating-system threads: clusters are given out one by one, in the grid's order or, under a
// seed, in a drawn one. The threads are kept from launch to launch. Knows no lane. May include only block.h and the
// standard library.
#include "block.h"
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <thread>

namespace nanogpt::emulation {
namespace {

// Threads that do the same work beside the caller, until it is done.
class Team {
 public:
  ~Team() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void run(uint32_t helpers, const std::function<void()>& work) {
    if (helpers > 0) {
      const std::lock_guard<std::mutex> lock(mutex_);
      while (threads_.size() < helpers) threads_.emplace_back([this] { live(); });
      work_ = &work;
      wanted_ = helpers;
    }
    changed_.notify_all();
    work();
    std::unique_lock<std::mutex> lock(mutex_);
    wanted_ = 0;
    changed_.wait(lock, [this] { return busy_ == 0; });
    work_ = nullptr;
  }

 private:
  void live() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return ending_ || wanted_ > 0; });
      if (ending_) return;
      wanted_--;
      busy_++;
      const std::function<void()>& work = *work_;
      lock.unlock();
      work();
      lock.lock();
      busy_--;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::thread> threads_;
  const std::function<void()>* work_ = nullptr;
  uint32_t wanted_ = 0, busy_ = 0;
  bool ending_ = false;
};

Team& team() {
  static Team one;
  return one;
}

// Which cluster comes n-th: all of them, each once, in an order drawn from the seed.
std::vector<uint32_t> drawn_order(uint32_t clusters, uint32_t seed) {
  std::vector<uint32_t> order(clusters);
  std::iota(order.begin(), order.end(), 0u);
  uint64_t state = seed;
  for (uint32_t i = clusters; i > 1; i--) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    std::swap(order[i - 1], order[(state >> 33) % i]);
  }
  return order;
}

constexpr uint32_t kFewLanes = 2048;  // a launch this small is over before another thread wakes

}  // namespace

std::string run_launch(const Launch& launch, const Schedule& schedule) {
  const uint32_t cluster = count_of(launch.cluster);
  const uint32_t clusters = count_of(launch.grid) / cluster;
  const bool small = uint64_t{count_of(launch.grid)} * count_of(launch.block) <= kFewLanes;
  Schedule how = schedule;
  how.threads = small ? 1 : std::min(schedule.threads, clusters);
  const uint32_t resident = std::max(1u, (schedule.processors / cluster + how.threads - 1) / how.threads);
  const std::vector<uint32_t> order = schedule.seed == 0 ? std::vector<uint32_t>{} : drawn_order(clusters, schedule.seed);
  std::atomic<uint32_t> next{0};
  std::mutex mutex;
  std::string report;
  launch_begins(launch, how);
  const std::function<void()> work = [&] {
    thread_local Processor own;
    processor = &own;
    own.run(launch, how, resident, [&] {
      const uint32_t number = next.fetch_add(1);
      return number >= clusters || order.empty() ? number : order[number];
    });
    if (!own.report.empty()) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (report.empty()) report = own.report;
      next = clusters;
    }
    processor = nullptr;
  };
  team().run(how.threads - 1, work);
  launch_ends();
  return report.empty() ? report : report + reproduction(schedule);
}

}  // namespace nanogpt::emulation
