// What happened before what, and who touched which memory: the calls by which the rest of the emulation tells the checks
// (races, unwritten memory, proxies) of every edge between lanes and of every access made for a lane. Without
// NANOGPT_EMULATION_CHECKS all of it is empty but the fence. Knows no instruction. May include only lane.h and the standard library.
#pragma once
#include "lane.h"
#include <cstddef>
#include <vector>

namespace nanogpt::emulation {

// generic: loads and stores, atomics, ldmatrix, stmatrix, cp.async. async: bulk and tensor (TMA) copies, wgmma's
// descriptors; between a generic write and an async access the writer must execute fence.proxy.async.
enum class Proxy : uint8_t { generic, async };

// What an atomic access orders besides itself.
enum class Order : uint8_t { relaxed, acquire, release, acquire_release };

#if defined(NANOGPT_EMULATION_CHECKS)

class Vector;

// A share in a vector of epochs. Not for use by several threads: checked launches run one at a time.
class VectorShare {
 public:
  VectorShare() = default;
  explicit VectorShare(Vector* vector);
  VectorShare(const VectorShare& other);
  VectorShare(VectorShare&& other) noexcept : vector_(other.vector_) { other.vector_ = nullptr; }
  VectorShare& operator=(VectorShare other) noexcept;
  ~VectorShare();
  Vector* get() const { return vector_; }

 private:
  Vector* vector_ = nullptr;
};

// A history: what a lane, a barrier or an mbarrier knows to have happened. A fresh one knows nothing of this launch.
class Clock {
 public:
  void join(const Clock& other);
  void raise(uint32_t timeline, uint32_t epoch);
  // Until which epoch the timeline is known; 0: not at all.
  uint32_t epoch_of(uint32_t timeline) const;
  bool empty() const { return known_.empty(); }

 private:
  struct Known {
    uint32_t first;  // timeline of the block's thread 0
    VectorShare epochs;
    VectorShare joined;  // the last vector that was joined
  };
  Known* find(uint32_t timeline);
  std::vector<Known> known_;  // the blocks of which something is known
};

// An asynchronous operation from its issue to its completion: it acts with the history of its issuer at the issue, and
// nobody is after it but who observes its completion, its issuer included.
struct Flight {
  Clock known;
  uint32_t issuer = 0, issuer_epoch = 0;  // of the lane's own timeline
  uint32_t timeline = 0, epoch = 0;       // of the lane's asynchronous operations
  Proxy proxy = Proxy::generic;
};

// The launch, its blocks and lanes. A launch is after everything that was before it. block_begins: when the block's lanes
// are made, before they run; poisons the block's shared memory.
void launch_begins(const Launch& launch, const Schedule& schedule);
void launch_ends();
void block_begins(Block& block);
void block_ends(Block& block);

// Edges. publish: what the lane has done and knows goes into the clock (a release). observe: the lane is after all that
// is in the clock (an acquire). rendezvous: each of the lanes is after all of them, as at a barrier or __syncwarp.
void publish(Lane& lane, Clock& clock);
void observe(Lane& lane, const Clock& clock);
void rendezvous(Lane* const* lanes, size_t count);
// Asynchronous operations of a lane. finish_flight: who observes the clock is after the operation (an mbarrier's
// complete_tx); observe: the lane has waited for it (wait_group).
Flight begin_flight(Lane& issuer, Proxy proxy);
void finish_flight(const Flight& flight, Clock& clock);
void observe(Lane& lane, const Flight& flight);
// The lane's fence.proxy.async, and its __threadfence (fence.acq_rel).
void fence_async_proxy(Lane& lane);
void fence_memory(Lane& lane);

// Accesses that the emulation makes for a lane or an operation. They check bounds, races, proxies and, when reading, that
// the bytes were written; anything wrong ends the launch as fault() does. Call before touching the memory. poison:
// the operation will write here, until then nobody may read (the bytes become NaN patterns, unwritten).
void note_read(Lane& lane, const void* address, size_t bytes, Site site);
void note_write(Lane& lane, void* address, size_t bytes, Site site);
void note_read(const Flight& flight, const void* address, size_t bytes, Site site);
void note_write(const Flight& flight, void* address, size_t bytes, Site site);
void poison(const Flight& flight, void* address, size_t bytes, Site site);
// An atomic access; those of one word do not race among themselves. Call before the access.
void note_atomic(Lane& lane, void* address, size_t bytes, Order order, Site site);
void note_atomic(const Flight& flight, void* address, size_t bytes, Site site);

// While one lives, loads and stores of compiled kernel code are not watched: collectives exchange operands between stacks.
class Unwatched {
 public:
  Unwatched();
  ~Unwatched();
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
};

#else

struct Clock {};
struct Flight {};

inline void launch_begins(const Launch&, const Schedule&) {}
inline void launch_ends() {}
inline void block_begins(Block&) {}
inline void block_ends(Block&) {}
inline void publish(Lane&, Clock&) {}
inline void observe(Lane&, const Clock&) {}
inline void rendezvous(Lane* const*, size_t) {}
inline Flight begin_flight(Lane&, Proxy) { return {}; }
inline void finish_flight(const Flight&, Clock&) {}
inline void observe(Lane&, const Flight&) {}
inline void fence_async_proxy(Lane&) {}
inline void fence_memory(Lane&) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void note_read(Lane&, const void*, size_t, Site) {}
inline void note_write(Lane&, void*, size_t, Site) {}
inline void note_read(const Flight&, const void*, size_t, Site) {}
inline void note_write(const Flight&, void*, size_t, Site) {}
inline void poison(const Flight&, void*, size_t, Site) {}
inline void note_atomic(Lane&, void*, size_t, Order, Site) {}
inline void note_atomic(const Flight&, void*, size_t, Site) {}
struct [[maybe_unused]] Unwatched {};

#endif

}  // namespace nanogpt::emulation
