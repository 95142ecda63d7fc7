// The real NCCL, opened when the first communicator is made: only training on several GPUs needs it. Linked into the cuda
// library only; the emulated one has ../emulation/nccl.cpp in its place. Refuses versions before 2.18. May include only
// nccl.h, shared_library.h and the standard library.
#include "nccl.h"
#include "shared_library.h"

namespace nanogpt::cuda {
namespace {

constexpr int kOldest = 21800;  // major * 10000 + minor * 100 + patch

struct Opened {
  Nccl nccl{};
  std::string why;  // empty: NCCL is there
};

void find_all(SharedLibrary& library, Nccl& n) {
  library.find(n.get_version, "ncclGetVersion").find(n.get_error_string, "ncclGetErrorString")
      .find(n.get_unique_id, "ncclGetUniqueId").find(n.comm_init_rank, "ncclCommInitRank")
      .find(n.comm_finalize, "ncclCommFinalize").find(n.comm_destroy, "ncclCommDestroy").find(n.comm_abort, "ncclCommAbort")
      .find(n.comm_get_async_error, "ncclCommGetAsyncError").find(n.all_reduce, "ncclAllReduce")
      .find(n.reduce, "ncclReduce").find(n.reduce_scatter, "ncclReduceScatter").find(n.all_gather, "ncclAllGather")
      .find(n.broadcast, "ncclBroadcast").find(n.group_start, "ncclGroupStart").find(n.group_end, "ncclGroupEnd");
}

Opened open() {
  Opened opened;
  SharedLibrary library({"libnccl.so.2", "libnccl.so"});
  find_all(library, opened.nccl);
  if (!library.is_open()) {
    opened.why = "Several GPUs need NCCL (libnccl.so.2 or libnccl.so), which was not found: " + library.why() +
                 "; install it (Debian: libnccl2)";
    return opened;
  }
  if (!library.missing().empty()) {
    opened.why = "NCCL lacks " + library.missing() + ": install NCCL 2.18 or later (Debian: libnccl2)";
    return opened;
  }
  int version = 0;
  if (opened.nccl.get_version(&version) != kNcclSuccess || version < kOldest)
    opened.why = "NCCL 2.18 or later is needed, found version code " + std::to_string(version);
  return opened;
}

}  // namespace

OpenedNccl open_nccl() {
  static const Opened opened = open();
  return {opened.why.empty() ? &opened.nccl : nullptr, opened.why.c_str()};
}

}  // namespace nanogpt::cuda
