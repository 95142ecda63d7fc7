// One rank's call of a collective, what is wrong with it, and the arithmetic of all ranks' calls together.
// Knows no stream and no thread. Private to the fake NCCL.
// May include only ../cuda/nccl.h and the standard library.
#pragma once
#include "../cuda/nccl.h"
#include <string>
#include <vector>

namespace nanogpt::emulation {

enum class Collective : uint8_t { all_reduce, reduce, reduce_scatter, all_gather, broadcast };

struct CollectiveCall {
  Collective kind = Collective::all_reduce;
  const void* send = nullptr;
  void* receive = nullptr;
  size_t count = 0;
  int type = 0;
  int op = 0;
  int root = 0;

  uint64_t send_address() const { return reinterpret_cast<uint64_t>(send); }
  uint64_t receive_address() const { return reinterpret_cast<uint64_t>(receive); }
  size_t send_bytes(size_t ranks) const;
  size_t receive_bytes(size_t ranks) const;
  // Whether rank `rank` receives anything.
  bool receives(size_t rank) const { return kind != Collective::reduce || static_cast<size_t>(root) == rank; }
  // "AllReduce of 4096 float32 (sum)".
  std::string text() const;
  // What this rank alone gets wrong: a type or operation that there is not, buffers that overlap other than in place.
  std::string wrong(size_t ranks, size_t rank) const;
};

// How the ranks' calls of one collective differ; empty when they do not.
std::string mismatch(const std::vector<CollectiveCall>& calls);
// Moves the data of all ranks, adding in this order of ranks. Empty, or what is wrong with the memory.
std::string carry_out(const std::vector<CollectiveCall>& calls, const std::vector<size_t>& order);

}  // namespace nanogpt::emulation
