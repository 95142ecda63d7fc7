// The checks of an access, after FastTrack (Flanagan and Freund 2009): of each 4 bytes the accesses are remembered that no
// later one is after, at most four; of many concurrent readers some are dropped by chance. Reports nothing itself. May
// include only arena.h, shadow.h and the standard library.
#include "shadow.h"
#include "arena.h"

#if defined(NANOGPT_EMULATION_CHECKS)
#include <algorithm>
#include <cstring>

namespace nanogpt::emulation {

std::string trouble;

namespace {

bool is_over(uint32_t timeline) { return timeline < checked.first_timeline; }

// True when the actor is after the access of that epoch.
bool after(const Actor& actor, uint32_t timeline, uint32_t epoch) {
  if (is_over(timeline)) return true;
  if (timeline == actor.issuer) return epoch <= actor.issuer_epoch;
  if (timeline == actor.timeline && epoch == actor.epoch) return true;
  return epoch <= actor.known->epoch_of(timeline);
}

std::string by(const Granule& granule, uint32_t cell, const Actor& actor) {
  return std::string(name_of(granule.kind[cell])) + " by " + text_of_timeline(granule.timeline[cell], actor.timeline) + " (" +
         text_of_site(granule.site[cell]) + ")";
}

bool race(const Actor& actor, const Touch& access, const Granule& granule, uint32_t cell) {
  trouble = "race: " + text_of_access(access) + " and " + by(granule, cell, actor) + ": nothing orders the one after the other";
  return false;
}

// False: the write in the cell reached the other proxy without fence.proxy.async on the writer's side.
bool proxies_agree(const Actor& actor, const Touch& access, const Granule& granule, uint32_t cell) {
  const uint32_t timeline = granule.timeline[cell];
  if (actor.proxy == Proxy::generic || (granule.kind[cell] & kAsync) != 0 || is_over(timeline)) return true;
  const uint32_t known = timeline == actor.issuer ? actor.issuer_epoch : actor.known->epoch_of(timeline);
  if (fenced_between(timeline, granule.epoch[cell], known)) return true;
  trouble = "missing fence.proxy.async: " + text_of_access(access) + " after a " + by(granule, cell, actor) +
            ": between the two the writer must execute the fence";
  return false;
}

// Where a new access goes: an empty cell, one of an earlier launch, else of a reader or atomic access by chance; kCells:
// nowhere (four writers of single bytes).
uint32_t cell_for(const Granule& granule) {
  static uint32_t random = 1;
  for (uint32_t i = 0; i < Granule::kCells; i++)
    if (granule.kind[i] == 0) return i;
  for (uint32_t i = 0; i < Granule::kCells; i++)
    if (is_over(granule.timeline[i])) return i;
  random = random * 1664525u + 1013904223u;
  for (uint32_t i = 0; i < Granule::kCells; i++) {
    const uint32_t cell = (i + (random >> 16)) % Granule::kCells;
    if ((granule.kind[cell] & kWrite) == 0) return cell;
  }
  return Granule::kCells;
}

bool touch_granule(Granule& granule, uint8_t bytes, const Actor& actor, const Touch& access) {
  const uint8_t kind = access.kind;
  for (uint32_t i = 0; i < Granule::kCells; i++) {
    if (granule.timeline[i] == actor.timeline && granule.epoch[i] == actor.epoch && (granule.kind[i] == kind || kind == kRead) &&
        granule.kind[i] != 0 && (bytes & ~granule.bytes[i]) == 0)
      return true;  // seen already, and since then nobody can have come between
  }
  for (uint32_t i = 0; i < Granule::kCells; i++) {
    const uint8_t other = granule.kind[i];
    if (other == 0 || (granule.bytes[i] & bytes) == 0) continue;
    const bool ordered = after(actor, granule.timeline[i], granule.epoch[i]);
    if ((kind & other & (kRead | kAtomic)) == 0) {
      if (!ordered) return race(actor, access, granule, i);
      if ((other & kRead) == 0 && !proxies_agree(actor, access, granule, i)) return false;
    }
    // Who is after this access is after the other: the other need not be remembered, unless it wrote and this only reads.
    if (ordered && ((kind & kRead) == 0 || (other & kRead) != 0)) {
      granule.bytes[i] &= static_cast<uint8_t>(~bytes);
      if (granule.bytes[i] == 0) granule.kind[i] = 0;
    }
  }
  const uint32_t cell = cell_for(granule);
  if (cell == Granule::kCells) return true;
  granule.timeline[cell] = actor.timeline;
  granule.epoch[cell] = actor.epoch;
  granule.site[cell] = access.site;
  granule.bytes[cell] = bytes;
  granule.kind[cell] = kind;
  return true;
}

// An asynchronous write of this launch that has been issued into these bytes, or kCells.
uint32_t write_in_flight(const Granule& granule) {
  for (uint32_t i = 0; i < Granule::kCells; i++)
    if (granule.kind[i] == (kWrite | kAsync) && !is_over(granule.timeline[i])) return i;
  return Granule::kCells;
}

bool unwritten(const Actor& actor, const Touch& access, uint64_t offset) {
  const Granule& granule = arena().shadow[offset / 4];
  const uint32_t cell = write_in_flight(granule);
  if (cell == Granule::kCells) {
    trouble = "unwritten memory: " + text_of_access(access) + ": nobody has written the bytes at " + text_of_address(offset);
  } else {
    trouble = "unfinished copy: " + text_of_access(access) + " before the end of the " + by(granule, cell, actor);
  }
  return false;
}

bool outside(const Touch& access, const std::string& what) {
  trouble = "out of bounds: " + text_of_access(access) + ": " + what;
  return false;
}

// Whose memory it is, and that all of it is there.
bool in_bounds(const Actor& actor, const Touch& access) {
  const Arena& a = arena();
  if (access.offset < kSharedArena) {
    const Window& window = a.windows[access.offset / kWindowBytes];
    if (window.block == nullptr) return outside(access, "shared memory of no running block");
    const uint64_t at = access.offset % kWindowBytes - window.begin;
    if (at > window.bytes || access.bytes > window.bytes - at)
      return outside(access, "the block has " + std::to_string(window.bytes) + " bytes of shared memory");
    const Block& own = *block_of(actor.issuer).block;
    if (window.block != &own && (window.block->cluster == nullptr || window.block->cluster != own.cluster))
      return outside(access, "shared memory of a block outside the cluster");
    return true;
  }
  const Allocation* const found = allocation_at(a, access.offset);
  if (found == nullptr) return outside(access, "device memory that nobody has allocated");
  if (found->freed) {
    trouble = "use after free: " + text_of_access(access);
    return false;
  }
  if (access.offset - found->offset + access.bytes > found->bytes) return outside(access, "it ends beyond the allocation");
  return true;
}

// The written bits of the granule at the offset.
uint8_t written_bytes(const Arena& a, uint64_t offset) { return a.written[offset / 8] >> (offset & 4) & 0xf; }

}  // namespace

bool touch(const Actor& actor, const Touch& access) {
  if (!in_bounds(actor, access)) return false;
  Arena& a = arena();
  const uint64_t end = access.offset + access.bytes;
  for (uint64_t at = access.offset; at < end;) {
    const uint64_t granule = at & ~uint64_t{3}, stop = std::min(end, granule + 4);
    const uint8_t bytes = static_cast<uint8_t>(((1u << (stop - at)) - 1) << (at - granule));
    if (!touch_granule(a.shadow[granule / 4], bytes, actor, access)) return false;
    if (access.kind & kWrite) {
      a.written[granule / 8] |= static_cast<uint8_t>(bytes << (granule & 4));
    } else if ((bytes & ~written_bytes(a, granule)) != 0) {
      return unwritten(actor, access, granule);
    }
    at = stop;
  }
  return true;
}

void unwrite(uint64_t offset, size_t bytes) {
  set_written(offset, bytes, false);
  std::memset(arena().memory + offset, 0xff, bytes);
}

}  // namespace nanogpt::emulation

#endif
