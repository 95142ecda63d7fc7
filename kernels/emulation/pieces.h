// How an asynchronous copy is split: into pieces of 16 bytes, done in a random order by a few operations that are
// pending one by one. Without checks all of it is done at once, in order.
// May include only pending.h.
#pragma once
#include "pending.h"
#include <utility>

namespace nanogpt::emulation {

constexpr uint32_t kPieceBytes = 16;

// Issues pieces 0 to count - 1: `piece` does one, `part_done` is called with the number of pieces of each finished operation.
// Returns the operations.
inline std::vector<PendingId> issue_pieces(const char* what, Site site, uint32_t count, std::function<void(uint32_t)> piece,
                                           std::function<void(uint32_t)> part_done) {
#if defined(NANOGPT_EMULATION_CHECKS)
  std::vector<uint32_t> order(count);
  for (uint32_t i = 0; i < count; i++) order[i] = i;
  for (uint32_t i = count; i > 1; i--) std::swap(order[i - 1], order[draw(i)]);
  const uint32_t parts = 1 + draw(4);
  std::vector<PendingId> ids;
  for (uint32_t part = 0; part < parts; part++) {
    const std::vector<uint32_t> own(order.begin() + count * part / parts, order.begin() + count * (part + 1) / parts);
    if (own.empty()) continue;
    ids.push_back(issue(what, site, [=] {
      for (const uint32_t i : own) piece(i);
      part_done(static_cast<uint32_t>(own.size()));
    }));
  }
  return ids;
#else
  (void)what, (void)site;
  for (uint32_t i = 0; i < count; i++) piece(i);
  part_done(count);
  return {};
#endif
}

}  // namespace nanogpt::emulation
