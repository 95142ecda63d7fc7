// cp.async and bulk copies: groups, milestones and bounds. A copy poisons its target when it is issued, reads its source and
// writes its target some time later, and only then counts its bytes or lets a wait go on. May include only asynchronous.h,
// block.h, bulk_store.h, pieces.h and the standard library.
#include "asynchronous.h"
#include "block.h"
#include "bulk_store.h"
#include "pieces.h"
#include <cstring>

namespace nanogpt::emulation {
namespace {

LaneCopies& copies_of(Lane& lane) { return lane.block->asynchrony.lanes[lane.linear]; }

void require_multiple(const char* op, const char* what, uint64_t value, uint64_t of, Site site) {
  if (value % of != 0)
    fault(site, "%s: the %s %llu is no multiple of %llu", op, what, static_cast<unsigned long long>(value),
          static_cast<unsigned long long>(of));
}

}  // namespace

void cp_async_16(uint32_t shared, const void* global, uint32_t source_bytes, Site site) {
  require_multiple("cp.async", "shared address", shared, kPieceBytes, site);
  require_multiple("cp.async", "global address", reinterpret_cast<uint64_t>(global), kPieceBytes, site);
  if (source_bytes > kPieceBytes) fault(site, "cp.async: %u source bytes of %u", source_bytes, kPieceBytes);
  char* const target = shared_pointer(shared, kPieceBytes, site);
  if (!kChecked) {
    std::memset(target, 0, kPieceBytes);
    std::memcpy(target, global, source_bytes);
    return;
  }
  const Flight flight = begin_flight(self(), Proxy::generic);
  poison(flight, target, kPieceBytes, site);
  CopyGroup& group = copies_of(self()).open_copies;
  group.flights.push_back(flight);
  const auto copy = [=] {
    if (source_bytes > 0) note_read(flight, global, source_bytes, site);
    note_write(flight, target, kPieceBytes, site);
    std::memset(target, 0, kPieceBytes);
    std::memcpy(target, global, source_bytes);
  };
  if (processor->moment == Moment::eager || draw(8) == 1) copy();
  else group.copies.push_back(copy);
}

void cp_async_commit(Site site) {
  if (!kChecked) return;
  LaneCopies& own = copies_of(self());
  CopyGroup group = std::move(own.open_copies);
  own.open_copies = CopyGroup();
  if (!group.copies.empty()) {
    group.id = issue("cp.async", site, [copies = std::move(group.copies)] {
      for (const auto& copy : copies) copy();
    });
  }
  own.copy_groups.push_back(std::move(group));
}

void cp_async_wait(uint32_t newest, Site) {
  if (!kChecked) return;
  auto& groups = copies_of(self()).copy_groups;
  while (groups.size() > newest) {
    complete(groups.front().id);
    for (const Flight& flight : groups.front().flights) observe(self(), flight);
    groups.pop_front();
  }
}

void bulk_load(uint32_t shared, const void* global, uint32_t bytes, uint32_t bar, Site site) {
  constexpr const char* op = "cp.async.bulk";
  require_multiple(op, "shared address", shared, kPieceBytes, site);
  require_multiple(op, "global address", reinterpret_cast<uint64_t>(global), kPieceBytes, site);
  require_multiple(op, "size", bytes, kPieceBytes, site);
  if (bytes == 0) fault(site, "%s: no bytes", op);
  Block* const block = self().block;
  char* const target = shared_pointer(shared, bytes, site);
  const char* const source = static_cast<const char*>(global);
  const Flight flight = begin_flight(self(), Proxy::async);
  poison(flight, target, bytes, site);
  issue_pieces(op, site, bytes / kPieceBytes, [=](uint32_t i) {
    note_read(flight, source + i * kPieceBytes, kPieceBytes, site);
    note_write(flight, target + i * kPieceBytes, kPieceBytes, site);
    std::memcpy(target + i * kPieceBytes, source + i * kPieceBytes, kPieceBytes);
  }, [=](uint32_t pieces) { mbarrier_complete_bytes(*block, bar, pieces * kPieceBytes, flight, site); });
}

void bulk_reduce_add_f32(float* global, uint32_t shared, uint32_t bytes, Site site) {
  constexpr const char* op = "cp.reduce.async.bulk";
  require_multiple(op, "shared address", shared, kPieceBytes, site);
  require_multiple(op, "global address", reinterpret_cast<uint64_t>(global), kPieceBytes, site);
  require_multiple(op, "size", bytes, kPieceBytes, site);
  if (bytes == 0) fault(site, "%s: no bytes", op);
  const char* const source = shared_pointer(shared, bytes, site);
  issue_bulk_store(op, site, bytes / kPieceBytes,
    [=](const Flight& flight, uint32_t i, char* piece) {
      note_read(flight, source + i * kPieceBytes, kPieceBytes, site);
      std::memcpy(piece, source + i * kPieceBytes, kPieceBytes);
    },
    [=](const Flight& flight, uint32_t i, const char* piece) {
      float* const target = global + i * (kPieceBytes / sizeof(float));
      for (uint32_t j = 0; j < kPieceBytes / sizeof(float); j++) {
        float x;
        std::memcpy(&x, piece + j * sizeof x, sizeof x);
        add_atomically(flight, target + j, x, site);
      }
    });
}

namespace {

// Adds to a word of memory by compare and exchange; `sum` gives the bits after from the bits before.
template <class Bits, class Sum>
void add_bits(const Flight& flight, Bits* target, Sum sum, Site site) {
  note_atomic(flight, target, sizeof *target, site);
  Bits before = __atomic_load_n(target, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(target, &before, sum(before), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

}  // namespace

void add_atomically(const Flight& flight, float* target, float x, Site site) {
  add_bits(flight, reinterpret_cast<uint32_t*>(target), [x](uint32_t before) {
    return cuda::bits_of(cuda::float_of(before) + x);
  }, site);
}

void add_atomically(const Flight& flight, cuda::bf16* target, cuda::bf16 x, Site site) {
  add_bits(flight, reinterpret_cast<uint16_t*>(target), [x](uint16_t before) {
    return cuda::to_bf16(cuda::to_float(cuda::bf16{before}) + cuda::to_float(x)).bits;
  }, site);
}

void issue_bulk_store(const char* what, Site site, uint32_t count, ReadPiece read, WritePiece write) {
  const auto store = std::make_shared<BulkStore>();
  const auto staged = std::make_shared<std::vector<char>>(size_t{count} * kPieceBytes);
  store->reading = begin_flight(self(), Proxy::async);
  store->writing = begin_flight(self(), Proxy::async);
  // The operations hold no share in the store that holds them.
  const Flight reading = store->reading, writing = store->writing;
  store->reads = issue_pieces(what, site, count, [=](uint32_t i) { read(reading, i, staged->data() + i * kPieceBytes); },
                              [](uint32_t) {});
  store->writes = issue_pieces(what, site, count, [=, reads = store->reads](uint32_t i) {
    for (const PendingId id : reads) complete(id);
    write(writing, i, staged->data() + i * kPieceBytes);
  }, [](uint32_t) {});
  if (kChecked) copies_of(self()).open_stores.push_back(store);
}

void bulk_commit(Site) {
  if (!kChecked) return;
  LaneCopies& own = copies_of(self());
  own.store_groups.push_back(std::move(own.open_stores));
  own.open_stores.clear();
}

void bulk_wait_read(uint32_t newest, Site) {
  if (!kChecked) return;
  const auto& groups = copies_of(self()).store_groups;
  for (size_t i = 0; i + newest < groups.size(); i++) {
    for (const auto& store : groups[i]) {
      for (const PendingId id : store->reads) complete(id);
      observe(self(), store->reading);
      store->read = true;
    }
  }
}

void bulk_wait(uint32_t newest, Site site) {
  if (!kChecked) return;
  bulk_wait_read(newest, site);
  auto& groups = copies_of(self()).store_groups;
  while (groups.size() > newest) {
    for (const auto& store : groups.front()) {
      for (const PendingId id : store->writes) complete(id);
      observe(self(), store->writing);
    }
    groups.pop_front();
  }
}

}  // namespace nanogpt::emulation
