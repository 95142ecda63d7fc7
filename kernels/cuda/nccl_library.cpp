// The real NCCL, opened when the first communicator is made: only training on several GPUs needs it. Linked into the cuda
// library only; the emulated one has ../emulation/nccl.cpp in its place. Refuses versions before 2.18. May include only
// nccl.h and the system.
#include "nccl.h"
#include <cstdio>
#include <dlfcn.h>

namespace nanogpt::cuda {
namespace {

constexpr int kOldest = 21800;  // major * 10000 + minor * 100 + patch

// Never closed: it holds threads and memory of the process.
struct Opened {
  Nccl nccl{};
  char why[512] = "";
  bool usable = false;
};

template <class F>
bool find(void* library, F*& function, const char* name, Opened& opened) {
  function = reinterpret_cast<F*>(dlsym(library, name));
  if (function == nullptr)
    std::snprintf(opened.why, sizeof opened.why, "NCCL lacks %s: install NCCL 2.18 or later (Debian: libnccl2)", name);
  return function != nullptr;
}

bool find_all(void* library, Opened& opened) {
  Nccl& n = opened.nccl;
  return find(library, n.get_version, "ncclGetVersion", opened) &&
         find(library, n.get_error_string, "ncclGetErrorString", opened) &&
         find(library, n.get_unique_id, "ncclGetUniqueId", opened) &&
         find(library, n.comm_init_rank, "ncclCommInitRank", opened) &&
         find(library, n.comm_finalize, "ncclCommFinalize", opened) &&
         find(library, n.comm_destroy, "ncclCommDestroy", opened) && find(library, n.comm_abort, "ncclCommAbort", opened) &&
         find(library, n.comm_get_async_error, "ncclCommGetAsyncError", opened) &&
         find(library, n.all_reduce, "ncclAllReduce", opened) &&
         find(library, n.reduce_scatter, "ncclReduceScatter", opened) &&
         find(library, n.all_gather, "ncclAllGather", opened) && find(library, n.broadcast, "ncclBroadcast", opened) &&
         find(library, n.group_start, "ncclGroupStart", opened) && find(library, n.group_end, "ncclGroupEnd", opened);
}

Opened open() {
  Opened opened;
  void* library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) library = dlopen("libnccl.so", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::snprintf(opened.why, sizeof opened.why,
                  "Several GPUs need NCCL (libnccl.so.2), which was not found: %s; install it (Debian: libnccl2)", dlerror());
    return opened;
  }
  if (!find_all(library, opened)) return opened;
  int version = 0;
  const NcclResult result = opened.nccl.get_version(&version);
  if (result != kNcclSuccess || version < kOldest) {
    std::snprintf(opened.why, sizeof opened.why, "NCCL 2.18 or later is needed, found version code %d", version);
    return opened;
  }
  opened.usable = true;
  return opened;
}

}  // namespace

OpenedNccl open_nccl() {
  static const Opened opened = open();
  return {opened.usable ? &opened.nccl : nullptr, opened.why};
}

}  // namespace nanogpt::cuda
