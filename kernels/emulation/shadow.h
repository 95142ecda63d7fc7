// One access against what is remembered of the memory it touches: bounds, alignment, races, proxies, unwritten bytes.
// Says what is wrong and ends nothing: access.cpp does. Private to the checks.
// May include only history.h and the standard library.
#pragma once
#include "history.h"

#if defined(NANOGPT_EMULATION_CHECKS)

namespace nanogpt::emulation {

// Who accesses: a lane or one of its asynchronous operations.
struct Actor {
  const Clock* known;
  uint32_t timeline, epoch;
  uint32_t issuer, issuer_epoch;  // the lane; for its own accesses the same as timeline, epoch
  Proxy proxy;
};

// What a granule's cell holds: one of the first three, and more.
constexpr uint8_t kRead = 1, kWrite = 2, kAtomic = 4, kAsync = 8;

// site: a place of code, as site_of gives it.
struct Touch {
  uint64_t offset;  // in the arena
  size_t bytes;
  uint8_t kind;
  uint32_t site;
};

// Checks the access and remembers it. False: something is wrong, and `trouble` says what.
bool touch(const Actor& actor, const Touch& access);
// The bytes are unwritten again: poisoned.
void unwrite(uint64_t offset, size_t bytes);

// What the last check found wrong, as reports say it.
extern std::string trouble;

// A place of code as a number: of an address in this library, or of a wrapper's caller. text_of_site gives its file and
// line where they are known.
uint32_t site_of(const void* code);
uint32_t site_of(const Site& site);
std::string text_of_site(uint32_t site);
// "shared+0x120" or "allocation 3 of 4096 bytes + 64".
std::string text_of_address(uint64_t offset);
// "read of 4 bytes at shared+0x120 (rows.cu:40)".
std::string text_of_access(const Touch& access);
const char* name_of(uint8_t kind);
// "thread 5" of the actor's block, "block (1,0,0) thread 5" of another, with " (asynchronous)" for operations.
std::string text_of_timeline(uint32_t timeline, uint32_t seen_from);

}  // namespace nanogpt::emulation

#endif
