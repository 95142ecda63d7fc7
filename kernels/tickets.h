// Tickets of posted copies (abi.h: nanogpt_post), the same for every library: each stands for a slot that is taken until the
// ticket is given back, and then serves again. A ticket is never given twice. Knows no device; what a slot is, its library
// says. Refuses, by a null pointer, more slots than abi.h allows and a ticket that is not out. May include only the standard
// library.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace nanogpt {

constexpr size_t kMostPosts = 65536;
constexpr size_t kMostPostBytes = 65536;

template <class Slot>
class Tickets {
 public:
  // A slot that nobody has, the one given back last if there is one; null when kMostPosts are out.
  Slot* take(uint64_t* ticket) {
    if (free_.empty()) {
      if (entries_.size() == kMostPosts) return nullptr;
      free_.push_back(entries_.size());
      entries_.emplace_back();
    }
    const size_t index = free_.back();
    free_.pop_back();
    Entry& entry = entries_[index];
    *ticket = entry.ticket = ++given_ * kMostPosts + index;
    return &entry.slot;
  }
  // The slot of a ticket that is out, else null.
  Slot* find(uint64_t ticket) {
    const size_t index = ticket % kMostPosts;
    return index < entries_.size() && entries_[index].ticket == ticket && ticket != 0 ? &entries_[index].slot : nullptr;
  }
  // Only for a ticket that is out.
  void give_back(uint64_t ticket) {
    const size_t index = ticket % kMostPosts;
    entries_[index].ticket = 0;
    free_.push_back(index);
  }
  template <class Act>
  void each(const Act& act) {
    for (Entry& entry : entries_) act(entry.slot);
  }

 private:
  struct Entry {
    Slot slot{};
    uint64_t ticket = 0;  // 0: free
  };
  std::deque<Entry> entries_;  // a slot stays where it is
  std::vector<size_t> free_;
  uint64_t given_ = 0;
};

}  // namespace nanogpt
