// A GPU context's part in a group of ranks: NCCL's communicator, made when it joins and given back with the context. Opens
// nothing and enqueues nothing itself: group.cpp does.
// May include only nccl.h and the standard library.
#pragma once
#include "nccl.h"
#include <cstdint>

namespace nanogpt::cuda {

class Communicator {
 public:
  Communicator(const Nccl& nccl, NcclComm comm, uint32_t rank, uint32_t ranks)
      : nccl_(nccl), comm_(comm), rank_(rank), ranks_(ranks) {}
  // Waits for nobody where the group has failed: its collectives would never end.
  ~Communicator() { failure() == kNcclSuccess ? nccl_.comm_destroy(comm_) : nccl_.comm_abort(comm_); }
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  const Nccl& nccl() const { return nccl_; }
  NcclComm comm() const { return comm_; }
  uint32_t rank() const { return rank_; }
  uint32_t ranks() const { return ranks_; }
  // What went wrong in collectives that were enqueued, kNcclSuccess: nothing so far.
  NcclResult failure() const {
    NcclResult found = kNcclSuccess;
    const NcclResult asked = nccl_.comm_get_async_error(comm_, &found);
    return asked != kNcclSuccess ? asked : found == kNcclInProgress ? kNcclSuccess : found;
  }

 private:
  const Nccl& nccl_;
  NcclComm comm_;
  uint32_t rank_, ranks_;
};

}  // namespace nanogpt::cuda
