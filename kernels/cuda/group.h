// A GPU context's part in a group of ranks: NCCL's communicator, made when it joins and given back with the context, and the
// stream that its collectives are enqueued on, beside the context's own. Opens nothing and enqueues no collective itself:
// group.cpp does. May include only driver.h, nccl.h and the standard library.
#pragma once
#include "driver.h"
#include "nccl.h"
#include <cstdint>

namespace nanogpt::cuda {

class Communicator {
 public:
  Communicator(const Driver& driver, const Nccl& nccl, NcclComm comm, uint32_t rank, uint32_t ranks)
      : driver_(driver), nccl_(nccl), comm_(comm), rank_(rank), ranks_(ranks) {}
  // Waits for nobody where the group has failed: its collectives would never end.
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  const Nccl& nccl() const { return nccl_; }
  NcclComm comm() const { return comm_; }
  Stream stream() const { return stream_; }
  // Makes the stream.
  Result open();
  // What is enqueued on the group's stream from now on waits for what is on the context's, and the reverse.
  Result begin_after(Stream context) { return order(before_, context, stream_); }
  Result end_before(Stream context) { return order(after_, stream_, context); }
  uint32_t rank() const { return rank_; }
  uint32_t ranks() const { return ranks_; }
  // What went wrong in collectives that were enqueued, kNcclSuccess: nothing so far.
  NcclResult failure() const {
    NcclResult found = kNcclSuccess;
    const NcclResult asked = nccl_.comm_get_async_error(comm_, &found);
    return asked != kNcclSuccess ? asked : found == kNcclInProgress ? kNcclSuccess : found;
  }

 private:
  Result order(Event event, Stream first, Stream then) {
    if (const Result result = driver_.event_record(event, first)) return result;
    return driver_.stream_wait_event(then, event, 0);
  }

  const Driver& driver_;
  const Nccl& nccl_;
  NcclComm comm_;
  Stream stream_ = nullptr;
  Event before_ = nullptr, after_ = nullptr;
  uint32_t rank_, ranks_;
};

}  // namespace nanogpt::cuda
