// A fixed pool of threads that runs one job at a time, the caller being thread 0. Helpers spin briefly for the next
// job, since kernels follow each other closely, then sleep. Knows no op; gives no task to another thread than the
// fixed one. May include only context.h and the standard library.
#pragma once
#include "context.h"
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace nanogpt {

class Pool {
 public:
  // Starts threads - 1 helpers; helper i is bound to cores[i mod size] unless `cores` is empty. Throws
  // std::system_error when the system refuses a thread; those already started have then ended.
  Pool(int threads, const std::vector<int>& cores);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return threads_; }
  // Task i of n runs on the thread whose range [n*t/threads, n*(t+1)/threads) holds i. Tasks must not throw.
  void run(int64_t tasks, const TaskBody& body);

 private:
  void help(int thread, uint64_t seen);
  void run_range(int thread) const;
  void start_job();
  void stop();

  const int threads_;
  std::vector<std::thread> helpers_;

  // The job, written by the caller before it raises `job_`, read by helpers after they see it raised.
  int64_t tasks_ = 0;
  const TaskBody* body_ = nullptr;
  bool stopping_ = false;

  alignas(64) std::atomic<uint64_t> job_{0};
  alignas(64) std::atomic<int> running_{0};
  alignas(64) std::atomic<int> sleeping_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::mutex mutex_;
  std::condition_variable job_raised_;
  std::condition_variable job_done_;
};

}  // namespace nanogpt
