// The thread pool: see pool.h. Waking uses a mutex only when someone sleeps; both sides publish before they look
// (sequentially consistent), so either the sleeper sees the change or the other side sees the sleeper. Tasks must not
// throw. May include only pool.h, machine.h and the standard library.
#include "pool.h"
#include "machine.h"
#include <chrono>
#include <csignal>
#include <pthread.h>

namespace nanogpt {
namespace {

// Longer than the gap between two kernels (a few microseconds), short enough to cost nothing when nobody computes.
constexpr auto kSpin = std::chrono::microseconds(50);

inline void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until done() or for kSpin; returns done().
template <class Done>
bool spin_until(const Done& done) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  for (;;) {
    for (int i = 0; i < 32; i++) {
      if (done()) return true;
      pause_briefly();
    }
    if (std::chrono::steady_clock::now() >= end) return done();
  }
}

}  // namespace

Pool::Pool(int threads, const std::vector<int>& cores) : threads_(threads) {
  // Helpers inherit the mask: every signal goes to the program's own threads.
  sigset_t all, previous;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  try {
    helpers_.reserve(static_cast<size_t>(threads - 1));
    for (int t = 1; t < threads; t++) {
      helpers_.emplace_back([this, t, cores] {
        if (!cores.empty()) bind_thread({cores[static_cast<size_t>(t) % cores.size()]});
        help(t, 0);
      });
    }
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &previous, nullptr);
    stop();
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
}

Pool::~Pool() { stop(); }

void Pool::stop() {
  stopping_ = true;
  start_job();
  for (std::thread& helper : helpers_) helper.join();
}

void Pool::run_range(int thread) const {
  const int64_t begin = tasks_ * thread / threads_;
  const int64_t end = tasks_ * (thread + 1) / threads_;
  for (int64_t task = begin; task < end; task++) (*body_)(task, thread);
}

void Pool::start_job() {
  job_.fetch_add(1);
  if (sleeping_.load() > 0) {
    const std::lock_guard<std::mutex> lock(mutex_);
    job_raised_.notify_all();
  }
}

void Pool::run(int64_t tasks, const TaskBody& body) {
  if (tasks <= 1 || threads_ == 1) {
    for (int64_t task = 0; task < tasks; task++) body(task, 0);
    return;
  }
  tasks_ = tasks;
  body_ = &body;
  running_.store(threads_ - 1);
  start_job();
  run_range(0);
  const auto done = [this] { return running_.load() == 0; };
  if (spin_until(done)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  caller_sleeps_.store(true);
  job_done_.wait(lock, done);
  caller_sleeps_.store(false);
}

void Pool::help(int thread, uint64_t seen) {
  for (;;) {
    const auto raised = [this, seen] { return job_.load() != seen; };
    if (!spin_until(raised)) {
      std::unique_lock<std::mutex> lock(mutex_);
      sleeping_.fetch_add(1);
      job_raised_.wait(lock, raised);
      sleeping_.fetch_sub(1);
    }
    seen++;
    if (stopping_) return;
    run_range(thread);
    if (running_.fetch_sub(1) == 1 && caller_sleeps_.load()) {
      const std::lock_guard<std::mutex> lock(mutex_);
      job_done_.notify_one();
    }
  }
}

}  // namespace nanogpt
