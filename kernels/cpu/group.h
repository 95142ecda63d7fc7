// A group of ranks: contexts of one process, each driven by its own thread, that see each other's memory. Holds who has come
// and what each rank calls; computes nothing and knows no tensor's size. A rank that waits sleeps, for as long as it takes.
// May include only context.h and the standard library.
#pragma once
#include "context.h"
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace nanogpt {

enum class Collective : uint8_t { all_reduce, reduce, reduce_scatter, all_gather, share };

// One rank's call of a collective. choice: the operation or the root of those that take one, else 0.
struct GroupCall {
  Collective kind;
  uint32_t count;
  uint32_t choice;
  float* tensor;
};

// Found by its address in an id; lives as long as a context that made or joined it.
class Group : public std::enable_shared_from_this<Group> {
 public:
  explicit Group(uint32_t ranks) : calls_(ranks), taken_(ranks) {}

  // Called once the group is made, and by each rank before it reads of it: orders the two also for tools that do not see how
  // an id travels between threads.
  void hand_over() { const std::lock_guard<std::mutex> lock(mutex_); }

  uint32_t ranks() const { return static_cast<uint32_t>(calls_.size()); }
  // Takes a rank's place; false: it is taken.
  bool take(uint32_t rank);
  // Returns when all ranks have called it. What any did before, all see after.
  void meet();
  // What each rank calls: a rank writes its own before it meets the others, and reads all until it meets them again.
  std::vector<GroupCall>& calls() { return calls_; }

 private:
  std::mutex mutex_;
  std::condition_variable all_came_;
  std::vector<GroupCall> calls_;
  std::vector<bool> taken_;
  uint32_t came_ = 0;
  uint64_t meetings_ = 0;
};

// A context's part in groups.
struct Membership {
  std::vector<std::shared_ptr<Group>> made;  // by nanogpt_group_id, joined or not
  std::shared_ptr<Group> group;              // null: none joined
  uint32_t rank = 0;
};

}  // namespace nanogpt
