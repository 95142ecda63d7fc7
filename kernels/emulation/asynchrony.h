// What a block keeps of its asynchronous instructions: mbarriers beside their memory, and each lane's and warp's groups of
// copies and products that are not known to be done. Private to the emulation. May include only matrix.h, order.h,
// pending.h and the standard library.
#pragma once
#include "matrix.h"
#include "order.h"
#include "pending.h"
#include <deque>
#include <map>
#include <memory>
#include <vector>

namespace nanogpt::emulation {

struct Block;

struct Mbarrier {
  uint32_t count = 0;    // arrivals of a phase
  uint32_t pending = 0;  // of this phase, still to come
  int64_t bytes = 0;     // announced and not yet come; below 0: come and not yet announced
  uint64_t phase = 0;    // phases that have ended
  bool observed = true;  // some wait has seen the last phase end
  bool fenced = false;   // its initialisation, by fence_mbarrier_init
  Lane* initialiser = nullptr;
  Clock arrived, ended;  // what those who came released, in this phase and in all before
  std::vector<Lane*> waiting;
};

// Copies of a lane that one wait covers.
struct CopyGroup {
  std::vector<Flight> flights;
  std::vector<std::function<void()>> copies;  // cp.async that have not been issued as `id`
  PendingId id = 0;
};

// A bulk copy to global memory: the source has been read when `reads` are done, the target written when `writes` are.
struct BulkStore {
  Flight reading, writing;
  std::vector<PendingId> reads, writes;
  bool read = false;  // and the lane has waited for that
};

struct LaneCopies {
  CopyGroup open_copies;  // since the last commit
  std::deque<CopyGroup> copy_groups;
  std::vector<std::shared_ptr<BulkStore>> open_stores;
  std::deque<std::vector<std::shared_ptr<BulkStore>>> store_groups;
};

// Registers of a warpgroup that products add to while in flight; the values are kept here and the registers hold NaN.
struct Accumulator {
  float* d[128];
  uint32_t n;
  std::vector<float> values;   // [128][n / 2]
  uint32_t products[4] = {};   // of each warp, in flight
};

struct Product {
  WgmmaShape shape;
  std::shared_ptr<Accumulator> accumulator;
  const uint32_t* a[128];  // null: by descriptor
  uint32_t a_at_issue[128][4];
  Flight reading[4];  // of each warp
  std::shared_ptr<Product> before;  // must be done first
  bool done = false;
  PendingId id = 0;
  Site site{nullptr, 0};
};

struct WarpProducts {
  bool fenced = false;
  std::shared_ptr<Product> last;               // issued
  std::vector<std::shared_ptr<Product>> open;  // since the last commit
  std::deque<std::vector<std::shared_ptr<Product>>> groups;
};

struct Asynchrony {
  std::map<uint32_t, Mbarrier> mbarriers;
  std::map<uint32_t, LaneCopies> lanes;   // by index within the block
  std::map<uint32_t, WarpProducts> warps;
  std::map<float*, std::shared_ptr<Accumulator>> accumulators;  // in flight, by the first lane's registers
};

// Bytes that have come for the phase of a barrier (complete_tx), brought by this flight.
void mbarrier_complete_bytes(Block& block, uint32_t address, uint32_t bytes, const Flight& flight, Site site);
// What a block leaves unfinished when its last lane has exited; empty if nothing.
std::string unfinished(const Block& block);

#if defined(NANOGPT_EMULATION_CHECKS)
constexpr bool kChecked = true;
#else
constexpr bool kChecked = false;
#endif

}  // namespace nanogpt::emulation
