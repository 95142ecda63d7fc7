// The functions of NCCL that this library calls, as a table opened at run time: from libnccl.so.2 (nccl_library.cpp) or from
// the emulation's fake one (../emulation/nccl.cpp); exactly one of the two is linked in. Types and codes are stated here, as
// nccl.h of 2.18 and later states them, so that nothing of NVIDIA's is needed to build. Calls nothing. May include only
// driver.h.
#pragma once
#include "driver.h"

namespace nanogpt::cuda {

using NcclResult = int;  // ncclResult_t
using NcclComm = void*;  // ncclComm_t; driven by one thread at a time

constexpr NcclResult kNcclSuccess = 0, kNcclInternalError = 3, kNcclInvalidArgument = 4, kNcclInvalidUsage = 5,
                     kNcclRemoteError = 6, kNcclInProgress = 7;
// ncclDataType_t and ncclRedOp_t.
constexpr int kNcclUint8 = 1, kNcclInt32 = 2, kNcclInt64 = 4, kNcclFloat32 = 7, kNcclBfloat16 = 9;
constexpr int kNcclSum = 0, kNcclMax = 2, kNcclMin = 3, kNcclAverage = 4;

// ncclUniqueId: passed by value. Made once by one rank and given to all.
struct NcclUniqueId {
  char internal[128];
};

// All return ncclResult_t; collectives return when they are enqueued on the stream. count: elements; of reduce_scatter those
// that a rank receives, of all_gather those that it sends.
struct Nccl {
  NcclResult (*get_version)(int* version);
  const char* (*get_error_string)(NcclResult result);
  NcclResult (*get_unique_id)(NcclUniqueId* id);
  NcclResult (*comm_init_rank)(NcclComm* comm, int ranks, NcclUniqueId id, int rank);
  NcclResult (*comm_finalize)(NcclComm comm);
  NcclResult (*comm_destroy)(NcclComm comm);
  NcclResult (*comm_abort)(NcclComm comm);
  NcclResult (*comm_get_async_error)(NcclComm comm, NcclResult* error);
  NcclResult (*all_reduce)(const void* send, void* receive, size_t count, int type, int op, NcclComm comm, Stream stream);
  // receive: of the root alone; the others' may be null.
  NcclResult (*reduce)(const void* send, void* receive, size_t count, int type, int op, int root, NcclComm comm, Stream stream);
  NcclResult (*reduce_scatter)(const void* send, void* receive, size_t count, int type, int op, NcclComm comm,
                               Stream stream);
  NcclResult (*all_gather)(const void* send, void* receive, size_t count, int type, NcclComm comm, Stream stream);
  NcclResult (*broadcast)(const void* send, void* receive, size_t count, int type, int root, NcclComm comm, Stream stream);
  NcclResult (*group_start)();
  NcclResult (*group_end)();
};

// Opens NCCL, once a process.
struct OpenedNccl {
  const Nccl* nccl;  // null when `why` says why not
  const char* why;
};
OpenedNccl open_nccl();

}  // namespace nanogpt::cuda
