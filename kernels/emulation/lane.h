// A CUDA thread as the emulation runs it: a lane of a warp of a block, on a fiber. Here is what the wrappers of
// ../cuda/ptx.h call: who am I, meet the other lanes, wait, fail. Knows no instruction's arithmetic. Included by every
// kernel file through ../cuda/ptx.h; may include only fiber.h and the standard library.
#pragma once
#include "fiber.h"
#include <cstdint>
#include <string>
#include <vector>

namespace nanogpt::emulation {

struct Index3 {
  uint32_t x, y, z;
};

// A place in a kernel's source; the default argument of every wrapper, so that it is the caller's.
struct Site {
  const char* file;
  int line;
  static constexpr Site here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
  bool operator==(const Site& other) const { return file == other.file && line == other.line; }
};

constexpr uint32_t kWarpLanes = 32;

struct Block;
struct Warp;
struct Fiber;
struct History;

// What a fiber waits for, as a deadlock's report prints it.
struct WaitReason {
  const char* what = nullptr;  // "named barrier", "mbarrier", "warp shuffle"
  uint64_t detail = 0;         // barrier id, address
  Site site{nullptr, 0};
};

enum class State : uint8_t { ready, waiting, done };

struct Lane {
  Index3 thread;         // threadIdx
  uint32_t linear = 0;   // within the block
  uint32_t lane = 0;     // within the warp
  Block* block = nullptr;
  Warp* warp = nullptr;
  State state = State::ready;
  WaitReason waiting;
  Fiber* fiber = nullptr;      // null until it first runs
  History* history = nullptr;  // in a checked launch
  uint64_t cluster_arrivals = 0, cluster_waits = 0;
  uint64_t priority = 0;
  bool starved = false;
};

// The lane whose fiber runs on this thread. Outside a kernel there is none.
Lane& self();
Index3 block_index();
Index3 block_dimension();
Index3 grid_dimension();
// This block's shared memory and its size; the base is a multiple of 16 only, as on the chip.
char* shared_memory();
uint32_t shared_bytes();
// A shared address as PTX has it (32 bits, from the window's start) and back. Faults outside the block's memory.
uint32_t shared_address_of(const void* pointer);
char* shared_pointer(uint32_t address, uint32_t bytes, Site site);

// Ends the launch with this report (printf style); never returns. The fiber's stack is unwound.
[[noreturn]] void fault(Site site, const char* format, ...) __attribute__((format(printf, 2, 3)));

// A number below `bound` drawn from the schedule's seed; always 0 under seed 0, which takes the first choice everywhere.
uint32_t draw(uint32_t bound);

// Waits until somebody calls wake for this lane.
void wait_here(const WaitReason& reason);
void wake(Lane& lane);
// Lets others run while this lane waits for something in memory: the end of every turn of a loop that polls. Turns in which
// nothing else happens let pending operations be done and end in a fault.
void yield_lane(Site site = {nullptr, 0});
// __threadfence.
void fence_device();
// Before every instruction whose effect others can see: lets the schedule put another lane first.
void preempt();

// Lanes of one warp, all in `mask`, that meet at one call: the last to come runs `execute(operands)` for all, where
// operands[lane] points to what that lane brought (null for lanes outside the mask). Different ops, sites or masks at the
// same time are different meetings; an exited lane in the mask is a fault.
void meet_warp(const char* op, uint32_t mask, void* mine, void (*execute)(void* const* operands, void* closure),
               void* closure, Site site);
// The same for the four warps of a warpgroup: operands has 128 entries.
void meet_warpgroup(const char* op, void* mine, void (*execute)(void* const* operands, void* closure), void* closure,
                    Site site);

template <class T, class F>
void collective(const char* op, uint32_t mask, T& mine, F execute, Site site) {
  meet_warp(op, mask, &mine, [](void* const* operands, void* closure) {
    (*static_cast<F*>(closure))(reinterpret_cast<T* const*>(operands));
  }, &execute, site);
}

template <class T, class F>
void warpgroup_collective(const char* op, T& mine, F execute, Site site) {
  meet_warpgroup(op, &mine, [](void* const* operands, void* closure) {
    (*static_cast<F*>(closure))(reinterpret_cast<T* const*>(operands));
  }, &execute, site);
}

// __syncwarp: also orders memory among the lanes of the mask.
void warp_sync(uint32_t mask, Site site);
// The lane that elect.sync elects: any of the mask, but for one mask always the same.
uint32_t elected(uint32_t mask);

// Named barriers of the block: id 0 to 15, `threads` that take part (0: all of the block). All lanes of a warp come to the
// same call, as .aligned demands, and count as 32.
void barrier_sync(uint32_t id, uint32_t threads, Site site);
void barrier_arrive(uint32_t id, uint32_t threads, Site site);

// The cluster: its blocks, this block's rank, its barrier (arrive releases, wait acquires), and the address by which
// shared memory of block `rank` is reached from this one (mapa).
uint32_t cluster_rank();
uint32_t cluster_size();
void cluster_arrive(Site site);
void cluster_wait(Site site);
uint32_t map_shared(uint32_t address, uint32_t rank, Site site);
// Memory at an address that map_shared gave, or at one of this block. Faults when the block has exited.
char* cluster_pointer(uint32_t address, uint32_t bytes, Site site);
uint32_t load_cluster(uint32_t address, Site site);
void store_cluster(uint32_t address, uint32_t value, Site site);

// setmaxnreg of the lane's warpgroup: .dec gives registers back to the block's pool, .inc waits until it has enough.
void release_registers(uint32_t count, Site site);
void take_registers(uint32_t count, Site site);

// A kernel as the fake driver finds it by name; made by the KERNEL macro of ../cuda/device.h.
struct KernelEntry {
  const char* name;
  size_t parameter_bytes;
  uint32_t max_threads;
  void (*run)(const void* parameters);
};
struct Registration {
  Registration(const char* name, size_t parameter_bytes, uint32_t max_threads, void (*run)(const void*));
};
const KernelEntry* find_kernel(const char* name);

// How launches run. seed 0: in order. processors: blocks resident at the same time.
struct Schedule {
  uint32_t seed = 0;
  uint32_t processors = 2;
  uint32_t threads = 1;  // operating-system threads; more than 1 only without checks
};

struct Launch {
  const KernelEntry* kernel;
  Index3 grid, block, cluster;
  uint32_t shared_bytes;
  const void* parameters;
};
// Runs a launch to its end. Returns an empty text, or the report of what went wrong.
std::string run_launch(const Launch& launch, const Schedule& schedule);

}  // namespace nanogpt::emulation
