// mbarriers: phases, arrivals and bytes, as "Parallel Synchronization and Communication Instructions: mbarrier" of the PTX
// ISA has them. The state is kept beside the memory, whose 8 bytes hold a mark, so that a plain write over a barrier is
// found. Refuses what the ISA leaves undefined, and phases that pass without anybody waiting. May include only block.h,
// asynchronous.h and the standard library.
#include "asynchronous.h"
#include "block.h"
#include <cstring>

namespace nanogpt::emulation {
namespace {

constexpr uint64_t kMark = 0x7265697272616263u;
constexpr int64_t kMost = (1 << 20) - 1;  // arrivals, and bytes either way

Mbarrier* find(Block& block, uint32_t address) {
  const auto found = block.asynchrony.mbarriers.find(address);
  return found == block.asynchrony.mbarriers.end() ? nullptr : &found->second;
}

Mbarrier& valid(Block& block, const char* op, uint32_t address, Site site) {
  Mbarrier* const bar = find(block, address);
  if (bar == nullptr) fault(site, "%s at shared address %u: there is no mbarrier; it was never initialised", op, address);
  uint64_t mark;
  note_atomic(self(), block.shared.window + address, sizeof mark, Order::relaxed, site);
  std::memcpy(&mark, block.shared.window + address, sizeof mark);
  if (mark != kMark) fault(site, "%s at shared address %u: the mbarrier has been overwritten", op, address);
  return *bar;
}

// Before anything counts towards a new phase, somebody must have seen the last one end.
void require_observed(const Mbarrier& bar, const char* op, uint32_t address, Site site) {
  if (bar.observed) return;
  fault(site, "%s at mbarrier %u: its phase %llu has ended and nobody has waited for it", op, address,
        static_cast<unsigned long long>(bar.phase - 1));
}

void end_phase_if_complete(Mbarrier& bar) {
  if (bar.pending != 0 || bar.bytes != 0) return;
#if defined(NANOGPT_EMULATION_CHECKS)
  bar.ended.join(bar.arrived);
#endif
  bar.arrived = Clock();
  bar.phase++;
  bar.pending = bar.count;
  bar.observed = false;
  std::vector<Lane*> waiting;
  waiting.swap(bar.waiting);
  for (Lane* const lane : waiting) wake(*lane);
}

void add_bytes(Mbarrier& bar, int64_t bytes, uint32_t address, Site site) {
  bar.bytes += bytes;
  if (bar.bytes > kMost || bar.bytes < -kMost)
    fault(site, "mbarrier %u: %lld bytes in one phase; it counts to %lld", address, static_cast<long long>(bar.bytes),
          static_cast<long long>(kMost));
}

void arrive(Block& block, const char* op, uint32_t address, Site site) {
  Mbarrier& bar = valid(block, op, address, site);
  require_observed(bar, op, address, site);
  if (bar.pending == 0) fault(site, "%s at mbarrier %u: more than its %u arrivals in one phase", op, address, bar.count);
  publish(self(), bar.arrived);
  bar.pending--;
  end_phase_if_complete(bar);
}

bool ended(Mbarrier& bar, uint32_t parity) {
  if ((bar.phase & 1) == parity) return false;
  bar.observed = true;
  observe(self(), bar.ended);
  return true;
}

}  // namespace

void mbarrier_init(uint32_t address, uint32_t count, Site site) {
  Block& block = *self().block;
  if (address % 8 != 0) fault(site, "mbarrier.init: shared address %u is no multiple of 8", address);
  if (count < 1 || count > kMost) fault(site, "mbarrier.init at %u: a count of %u; 1 to %lld", address, count,
                                        static_cast<long long>(kMost));
  if (find(block, address) != nullptr)
    fault(site, "mbarrier.init at %u: there is a valid mbarrier already; invalidate it first", address);
  char* const memory = shared_pointer(address, sizeof kMark, site);
  note_write(self(), memory, sizeof kMark, site);
  std::memcpy(memory, &kMark, sizeof kMark);
  Mbarrier bar;
  bar.initialiser = &self();
  bar.count = bar.pending = count;
  block.asynchrony.mbarriers[address] = bar;
}

void mbarrier_invalidate(uint32_t address, Site site) {
  Block& block = *self().block;
  const Mbarrier& bar = valid(block, "mbarrier.inval", address, site);
  if (!bar.waiting.empty()) fault(site, "mbarrier.inval at %u: %zu threads wait there", address, bar.waiting.size());
  if (bar.bytes != 0) fault(site, "mbarrier.inval at %u: %lld bytes are still to come", address,
                            static_cast<long long>(bar.bytes));
  block.asynchrony.mbarriers.erase(address);
}

void mbarrier_arrive(uint32_t address, Site site) { arrive(*self().block, "mbarrier.arrive", address, site); }

void mbarrier_arrive_remote(uint32_t address, uint32_t rank, Site site) {
  const auto& blocks = self().block->cluster->blocks;
  constexpr const char* op = "mbarrier.arrive at another block";
  if (rank >= blocks.size()) fault(site, "%s: the cluster has no block %u", op, rank);
  if (blocks[rank]->live == 0) fault(site, "%s: block %u of the cluster has exited", op, rank);
  if (!valid(*blocks[rank], op, address, site).fenced && blocks[rank] != self().block)
    fault(site, "%s: no fence_mbarrier_init followed the init of mbarrier %u", op, address);
  arrive(*blocks[rank], op, address, site);
}

void mbarrier_expect_bytes(uint32_t address, uint32_t bytes, Site site) {
  Block& block = *self().block;
  constexpr const char* op = "mbarrier.arrive.expect_tx";
  Mbarrier& bar = valid(block, op, address, site);
  require_observed(bar, op, address, site);
  add_bytes(bar, bytes, address, site);
  arrive(block, op, address, site);
}

void mbarrier_complete_bytes(Block& block, uint32_t address, uint32_t bytes, const Flight& flight, Site site) {
  Mbarrier& bar = valid(block, "a copy's bytes", address, site);
  if (!bar.fenced) fault(site, "mbarrier %u: a copy signals it, but no fence_mbarrier_init followed its init", address);
  finish_flight(flight, bar.arrived);
  require_observed(bar, "a copy's bytes", address, site);
  add_bytes(bar, -int64_t{bytes}, address, site);
  end_phase_if_complete(bar);
}

bool mbarrier_try_wait(uint32_t address, uint32_t parity, Site site) {
  Mbarrier& bar = valid(*self().block, "mbarrier.try_wait", address, site);
  const bool yes = (!kChecked || draw(4) != 1) && ended(bar, parity);
  if (!yes) yield_lane();
  return yes;
}

void mbarrier_wait(uint32_t address, uint32_t parity, Site site) {
  Block& block = *self().block;
  for (;;) {
    Mbarrier& bar = valid(block, "mbarrier.try_wait", address, site);
    if (ended(bar, parity)) return;
    const uint64_t phase = bar.phase;
    bar.waiting.push_back(&self());
    wait_here({"mbarrier", address, site});
    if (valid(block, "mbarrier.try_wait", address, site).phase > phase + 1)
      fault(site, "mbarrier %u: two phases have ended while this thread waited for one", address);
  }
}

void fence_mbarrier_init(Site) {
  for (auto& [address, bar] : self().block->asynchrony.mbarriers) bar.fenced |= bar.initialiser == &self();
}

void fence_async_proxy(Site) { fence_async_proxy(self()); }

}  // namespace nanogpt::emulation
