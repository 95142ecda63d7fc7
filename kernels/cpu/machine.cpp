// What this machine offers: see machine.h. Linux; what a system does not tell counts as absent, never as present.
// Reads only what a process may see without rights of its own, and changes nothing but what it is asked for: tile
// data, huge pages. May include only machine.h, the C++ standard library and the system's headers.
#include "machine.h"
#include <fstream>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace nanogpt {
namespace {

#if defined(__x86_64__) && !defined(NANOGPT_SIMULATE_ISA)
bool supports_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool supports_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
}
bool supports_bf16() { return __builtin_cpu_supports("avx512bf16"); }

// The processor must have tiles and their bf16 product (leaf 7), and the system must let this process use the 8 KB of
// tile data, which it saves at a switch only for those who asked.
bool supports_tiles() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;
  if ((edx & kAmxBf16) == 0 || (edx & kAmxTile) == 0) return false;
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

// "max 100000" or "150000 100000": microseconds of processor time per period. 0 when there is no quota.
int quota_cores() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double quota = 0, period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return 0;
  return static_cast<int>((quota + period - 1) / period);
}

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kPage = size_t{1} << 16;  // a multiple of every page size in use

size_t mapped_bytes(size_t bytes) {
  const size_t unit = bytes >= kHugePage ? kHugePage : kPage;
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace

std::vector<uint32_t> available_sets() {
  std::vector<uint32_t> sets = {NANOGPT_ISA_PORTABLE};
#if defined(__x86_64__)
#if defined(NANOGPT_SIMULATE_ISA)
  for (uint32_t isa = NANOGPT_ISA_AVX2; isa <= NANOGPT_ISA_AMX; isa++) sets.push_back(isa);
#else
  __builtin_cpu_init();
  if (!supports_avx2()) return sets;
  sets.push_back(NANOGPT_ISA_AVX2);
  if (!supports_avx512()) return sets;
  sets.push_back(NANOGPT_ISA_AVX512);
  if (!supports_bf16()) return sets;
  sets.push_back(NANOGPT_ISA_AVX512BF16);
  if (supports_tiles()) sets.push_back(NANOGPT_ISA_AMX);
#endif
#endif
  return sets;
}

const char* set_name(uint32_t isa) {
  switch (isa) {
    case NANOGPT_ISA_PORTABLE: return "portable";
    case NANOGPT_ISA_AVX2: return "avx2";
    case NANOGPT_ISA_AVX512: return "avx512";
    case NANOGPT_ISA_AVX512BF16: return "avx512bf16";
    case NANOGPT_ISA_AMX: return "amx";
    default: return "unknown";
  }
}

std::string machine_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

std::vector<int> allowed_cores() {
  std::vector<int> cores;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(getpid(), sizeof set, &set) == 0)
    for (int core = 0; core < CPU_SETSIZE; core++)
      if (CPU_ISSET(core, &set)) cores.push_back(core);
  if (cores.empty()) cores.push_back(0);
  return cores;
}

int default_threads() {
  const int cores = static_cast<int>(allowed_cores().size());
  const int quota = quota_cores();
  return quota > 0 && quota < cores ? quota : cores;
}

void bind_thread(const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int core : cores) CPU_SET(core, &set);
  (void)sched_setaffinity(0, sizeof set, &set);
}

void* map_pages(size_t bytes) {
  const size_t size = mapped_bytes(bytes);
  const size_t slack = size >= kHugePage ? kHugePage : 0;
  void* raw = mmap(nullptr, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  if (slack == 0) return raw;
  // Keep the aligned part of the slightly larger map.
  char* begin = static_cast<char*>(raw);
  const size_t skip = (kHugePage - reinterpret_cast<uintptr_t>(begin) % kHugePage) % kHugePage;
  if (skip > 0) munmap(begin, skip);
  if (slack > skip) munmap(begin + skip + size, slack - skip);
  (void)madvise(begin + skip, size, MADV_HUGEPAGE);  // refused where the kernel has none: then small pages serve
  return begin + skip;
}

void unmap_pages(void* pages, size_t bytes) {
  if (pages != nullptr) munmap(pages, mapped_bytes(bytes));
}

}  // namespace nanogpt
