// The words of the checks' reports: addresses as kernels know them, threads, places of code (asked of binutils' addr2line
// when something is wrong, never before; without it a place is a distance in this library). Decides nothing.
// May include only arena.h, shadow.h and the standard library.
#include "arena.h"
#include "shadow.h"

#if defined(NANOGPT_EMULATION_CHECKS)
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <map>

namespace nanogpt::emulation {
namespace {

// Where this library lies in memory, and its file.
Dl_info library() {
  Dl_info info{};
  static const int inside = 0;
  dladdr(&inside, &info);
  return info;
}
const char* library_base() {
  static const char* const base = static_cast<const char*>(library().dli_fbase);
  return base;
}

constexpr uint32_t kOfWrapper = 1u << 31;

std::vector<Site>& sites() {
  static std::vector<Site> known;
  return known;
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// "rows.cu:40", or of code inlined into a kernel file "math.h:31 in rows.cu:40".
std::string ask_for_code(uint32_t distance) {
  char command[512], line[512];
  std::snprintf(command, sizeof command, "timeout 20 addr2line -i -e '%s' 0x%x 2>/dev/null", library().dli_fname, distance - 1);
  std::string first, kernel;
  if (std::FILE* const lines = popen(command, "r")) {
    while (std::fgets(line, sizeof line, lines) != nullptr) {
      std::string place = base_name(line);
      place = place.substr(0, place.find_first_of(" \n"));
      if (place.find("?") != std::string::npos) continue;
      if (first.empty()) first = place;
      if (kernel.empty() && place.find(".cu:") != std::string::npos) kernel = place;
    }
    pclose(lines);
  }
  if (first.empty()) {
    std::snprintf(line, sizeof line, "%s+0x%x", base_name(library().dli_fname).c_str(), distance);
    return line;
  }
  return kernel.empty() || kernel == first ? first : first + " in " + kernel;
}

std::string text_of_code(uint32_t distance) {
  static std::map<uint32_t, std::string> known;
  std::string& text = known[distance];
  if (text.empty()) text = ask_for_code(distance);
  return text;
}

}  // namespace

uint32_t site_of(const void* code) { return static_cast<uint32_t>(static_cast<const char*>(code) - library_base()); }

uint32_t site_of(const Site& site) {
  auto& known = sites();
  for (size_t i = known.size(); i-- > 0;)
    if (known[i] == site) return kOfWrapper | static_cast<uint32_t>(i);
  known.push_back(site);
  return kOfWrapper | static_cast<uint32_t>(known.size() - 1);
}

std::string text_of_site(uint32_t site) {
  if ((site & kOfWrapper) == 0) return text_of_code(site);
  const Site& found = sites()[site & ~kOfWrapper];
  return found.file == nullptr ? "unknown place" : base_name(found.file) + ":" + std::to_string(found.line);
}

std::string text_of_address(uint64_t offset) {
  const Arena& a = arena();
  char text[128];
  if (offset < kSharedArena) {
    const uint64_t at = offset % kWindowBytes, begin = a.windows[offset / kWindowBytes].begin;
    std::snprintf(text, sizeof text, at >= begin ? "shared+0x%llx" : "shared-0x%llx",
                  static_cast<unsigned long long>(at >= begin ? at - begin : begin - at));
    return text;
  }
  // The allocation that begins last before the address; guard zones belong to the one below them.
  size_t found = a.allocations.size();
  while (found > 0 && a.allocations[found - 1].offset > offset) found--;
  if (found == 0) return "device memory before all allocations";
  const Allocation& allocation = a.allocations[found - 1];
  std::snprintf(text, sizeof text, "%sallocation %zu of %zu bytes + %llu", allocation.freed ? "freed " : "", found,
                allocation.bytes, static_cast<unsigned long long>(offset - allocation.offset));
  return text;
}

const char* name_of(uint8_t kind) {
  switch (kind) {
    case kRead: return "read";
    case kWrite: return "write";
    case kAtomic: return "atomic access";
    case kRead | kAsync: return "asynchronous read";
    case kWrite | kAsync: return "asynchronous write";
    default: return "asynchronous atomic access";
  }
}

std::string text_of_access(const Touch& access) {
  return std::string(name_of(access.kind)) + " of " + std::to_string(access.bytes) + " bytes at " +
         text_of_address(access.offset) + " (" + text_of_site(access.site) + ")";
}

std::string text_of_timeline(uint32_t timeline, uint32_t seen_from) {
  if (timeline < checked.first_timeline) return "an earlier launch";
  const BlockRecord& block = block_of(timeline);
  const uint32_t thread = (timeline - block.first) % block.threads;
  char text[128] = "";
  if (&block != &block_of(seen_from))
    std::snprintf(text, sizeof text, "block (%u,%u,%u) ", block.index.x, block.index.y, block.index.z);
  return std::string(text) + "thread " + std::to_string(thread);
}

}  // namespace nanogpt::emulation

#endif
