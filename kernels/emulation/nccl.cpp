// The fake NCCL: ranks are threads of this process, each with its fake GPU. A collective is done when the streams of all
// ranks have reached it; then one of them moves the data of all, adding in an order drawn from the seed and rounding at every
// step, as a ring does. Refuses what real ranks would hang or corrupt memory over: collectives that differ between ranks, a
// communicator driven by two threads, two ranks on one GPU, in-place buffers at a wrong offset. May include only
// ../cuda/nccl.h, collective.h, driver.h, memory.h, stream_calls.h and the standard library.
#include "../cuda/nccl.h"
#include "collective.h"
#include "driver.h"
#include "memory.h"
#include "stream_calls.h"
#include <algorithm>
#include <cstring>
#include <thread>

namespace nanogpt::emulation {
namespace {

using cuda::NcclResult;

struct Clique;

struct Communicator {
  std::shared_ptr<Clique> clique;
  int rank = 0;
  int device = 0;
  uint64_t calls = 0;  // collectives enqueued
  std::thread::id driver;  // the thread that called first
  int error = 0;
  bool aborted = false;
};

// One collective of all ranks: who has reached it, and whether it was done.
struct Round {
  std::vector<CollectiveCall> calls;
  std::vector<bool> reached;
  bool done = false;
  size_t performed = 0;  // ranks whose turn has come
  std::string why;
};

struct Clique {
  uint64_t id = 0;
  std::vector<Communicator*> members;
  int joined = 0;
  std::map<uint64_t, Round> rounds;
};

struct Nccl {
  uint64_t next_id = 1;
  std::map<uint64_t, std::weak_ptr<Clique>> cliques;
  std::set<Communicator*> communicators;
  std::string last;
};

Nccl& nccl() {
  static Nccl one;
  return one;
}

thread_local int group_depth = 0;
thread_local std::vector<std::function<NcclResult()>> grouped;

NcclResult refuse_nccl(NcclResult code, const std::string& why) {
  nccl().last = "NCCL: " + why;
  refuse(kUnknown, nccl().last);
  return code;
}

NcclResult unique_id(cuda::NcclUniqueId* id) {
  const Locked locked;
  const uint64_t number = nccl().next_id++;
  std::memset(id, 0, sizeof *id);
  std::memcpy(id->internal, &number, sizeof number);
  return cuda::kNcclSuccess;
}

// Takes this rank's place; the last to come completes the clique.
NcclResult join(Communicator& mine, int ranks, uint64_t id) {
  std::shared_ptr<Clique> clique = nccl().cliques[id].lock();
  if (!clique) {
    clique = std::make_shared<Clique>();
    clique->id = id;
    clique->members.resize(static_cast<size_t>(ranks));
    nccl().cliques[id] = clique;
  }
  if (clique->members.size() != static_cast<size_t>(ranks))
    return refuse_nccl(cuda::kNcclInvalidUsage, "ranks of one id count " + std::to_string(clique->members.size()) + " and " +
                                                    std::to_string(ranks) + " of them");
  Communicator*& place = clique->members[static_cast<size_t>(mine.rank)];
  if (place != nullptr) return refuse_nccl(cuda::kNcclInvalidUsage, "rank " + std::to_string(mine.rank) + " joins twice");
  place = &mine;
  clique->joined++;
  mine.clique = clique;
  machine().changed.notify_all();
  return cuda::kNcclSuccess;
}

// Two ranks of one GPU, which NCCL refuses on both; -1: there are none.
int shared_device(const Clique& clique) {
  std::set<int> devices;
  for (const Communicator* const member : clique.members)
    if (!devices.insert(member->device).second) return member->device;
  return -1;
}

NcclResult wait_for_all(Communicator& mine) {
  std::unique_lock<std::recursive_mutex> lock(machine().mutex);
  const Clique& clique = *mine.clique;
  const auto all = [&] { return static_cast<size_t>(clique.joined) == clique.members.size(); };
  if (machine().changed.wait_for(lock, machine().patience, all)) {
    const int shared = shared_device(clique);
    return shared < 0 ? cuda::kNcclSuccess
                      : refuse_nccl(cuda::kNcclInvalidUsage, "two ranks on GPU " + std::to_string(shared) + ": each needs its own");
  }
  return refuse_nccl(cuda::kNcclRemoteError, "only " + std::to_string(clique.joined) + " of " +
                                                 std::to_string(clique.members.size()) + " ranks came to the communicator");
}

NcclResult init_rank(cuda::NcclComm* out, int ranks, cuda::NcclUniqueId id, int rank) {
  if (ranks < 1 || rank < 0 || rank >= ranks)
    return refuse_nccl(cuda::kNcclInvalidArgument, "rank " + std::to_string(rank) + " of " + std::to_string(ranks));
  Communicator* const mine = new Communicator;
  {
    const Locked locked;
    FakeDevice* device = nullptr;
    if (current_device(&device) != 0) {
      delete mine;
      return refuse_nccl(1, "no context is current on this thread");
    }
    mine->rank = rank;
    mine->device = device->ordinal;
    uint64_t number = 0;
    std::memcpy(&number, id.internal, sizeof number);
    if (const NcclResult result = join(*mine, ranks, number)) {
      delete mine;
      return result;
    }
    nccl().communicators.insert(mine);
    *out = mine;
  }
  const auto wait = [mine] { return wait_for_all(*mine); };
  if (group_depth == 0) return wait();
  grouped.push_back(wait);
  return cuda::kNcclSuccess;
}

// Whether all ranks have come to this round, which this rank has.
bool reaches(Communicator& mine, uint64_t number) {
  if (mine.aborted || mine.error != 0) return true;
  Round& round = mine.clique->rounds[number];
  round.reached[static_cast<size_t>(mine.rank)] = true;
  return std::all_of(round.reached.begin(), round.reached.end(), [](bool yes) { return yes; });
}

// The first rank whose turn comes does the work of all. Their memory must lie on their own GPUs.
std::string perform(Communicator& mine, uint64_t number) {
  if (mine.aborted) return "";
  Clique& clique = *mine.clique;
  Round& round = clique.rounds[number];
  if (!round.done) {
    round.done = true;
    round.why = mismatch(round.calls);
    for (const Communicator* const member : clique.members) {
      const CollectiveCall& call = round.calls[static_cast<size_t>(member->rank)];
      const size_t ranks = clique.members.size();
      const auto holds = [&](uint64_t address, size_t bytes) { return machine().device_of(address, bytes) == member->device; };
      const bool receives = call.receives(static_cast<size_t>(member->rank));
      if (round.why.empty() && (!holds(call.send_address(), call.send_bytes(ranks)) ||
                                (receives && !holds(call.receive_address(), call.receive_bytes(ranks)))))
        round.why = "NCCL: " + call.text() + ": rank " + std::to_string(member->rank) + " gives memory that its GPU does not hold";
    }
    std::vector<size_t> order(clique.members.size());
    for (size_t i = 0; i < order.size(); i++) order[i] = i;
    for (size_t i = order.size(); i > 1; i--) std::swap(order[i - 1], order[machine().draw(static_cast<uint32_t>(i))]);
    if (round.why.empty()) round.why = carry_out(round.calls, order);
  }
  const std::string why = round.why;
  if (++round.performed == clique.members.size()) clique.rounds.erase(number);
  if (!why.empty()) mine.error = cuda::kNcclInvalidUsage;
  return why;
}

NcclResult enqueue(cuda::NcclComm handle, CollectiveCall call, cuda::Stream stream_handle) {
  const Locked locked;
  Communicator* const mine = static_cast<Communicator*>(handle);
  if (nccl().communicators.count(mine) == 0) return refuse_nccl(cuda::kNcclInvalidArgument, "no such communicator");
  if (mine->driver == std::thread::id()) mine->driver = std::this_thread::get_id();
  if (mine->driver != std::this_thread::get_id())
    return refuse_nccl(cuda::kNcclInvalidUsage, call.text() + ": two threads drive the communicator of rank " + std::to_string(mine->rank));
  if (mine->aborted || mine->error != 0) return refuse_nccl(cuda::kNcclInvalidUsage, call.text() + " after the communicator failed");
  const size_t ranks = mine->clique->members.size();
  if (const std::string why = call.wrong(ranks, static_cast<size_t>(mine->rank)); !why.empty())
    return refuse_nccl(cuda::kNcclInvalidArgument, why);
  FakeStream* stream = nullptr;
  if (stream_at(stream_handle, &stream) != 0) return 1;
  if (stream->device != mine->device) return refuse_nccl(cuda::kNcclInvalidUsage, call.text() + " on a stream of another GPU");
  if (stream->capture) return refuse_nccl(cuda::kNcclInvalidUsage, call.text() + ": collectives in graphs are not emulated");
  const uint64_t number = mine->calls++;
  Round& round = mine->clique->rounds[number];
  round.calls.resize(ranks);
  round.reached.resize(ranks);
  round.calls[static_cast<size_t>(mine->rank)] = call;
  const int code = machine().enqueue(*stream, {[mine, number] { return perform(*mine, number); },
                                               [mine, number] { return reaches(*mine, number); }});
  return code == 0 ? cuda::kNcclSuccess : 1;
}

NcclResult collective_call(cuda::NcclComm comm, const CollectiveCall& call, cuda::Stream stream) {
  if (group_depth == 0) return enqueue(comm, call, stream);
  grouped.push_back([comm, call, stream] { return enqueue(comm, call, stream); });
  return cuda::kNcclSuccess;
}

NcclResult group_end() {
  if (group_depth == 0) return refuse_nccl(cuda::kNcclInvalidUsage, "GroupEnd without GroupStart");
  if (--group_depth > 0) return cuda::kNcclSuccess;
  std::vector<std::function<NcclResult()>> calls;
  calls.swap(grouped);
  for (const auto& call : calls)
    if (const NcclResult result = call()) return result;
  return cuda::kNcclSuccess;
}

// Collectives that never ended are given up when the communicator goes; a peer's then wait in vain.
NcclResult leave(cuda::NcclComm handle, bool abort) {
  const Locked locked;
  Communicator* const mine = static_cast<Communicator*>(handle);
  if (nccl().communicators.count(mine) == 0) return refuse_nccl(cuda::kNcclInvalidArgument, "no such communicator");
  if (abort) {
    mine->aborted = true;  // kept: work in streams still knows it
    machine().changed.notify_all();
    return cuda::kNcclSuccess;
  }
  for (const auto& [number, round] : mine->clique->rounds)
    if (!round.done && number < mine->calls)
      return refuse_nccl(cuda::kNcclInvalidUsage, "a communicator is destroyed before its collectives are done");
  mine->aborted = true;
  return cuda::kNcclSuccess;
}

NcclResult async_error(cuda::NcclComm handle, NcclResult* error) {
  const Locked locked;
  Communicator* const mine = static_cast<Communicator*>(handle);
  if (nccl().communicators.count(mine) == 0) return refuse_nccl(cuda::kNcclInvalidArgument, "no such communicator");
  const FakeDevice& device = *machine().devices.at(static_cast<size_t>(mine->device));
  *error = mine->error != 0 ? mine->error : device.broken != 0 || device.stalled ? cuda::kNcclRemoteError : cuda::kNcclSuccess;
  return cuda::kNcclSuccess;
}

const char* error_text(NcclResult result) {
  if (result == cuda::kNcclSuccess) return "no error";
  return nccl().last.empty() ? "NCCL failed" : nccl().last.c_str();
}

cuda::Nccl make_table() {
  cuda::Nccl n{};
  n.get_version = [](int* version) { *version = 22000; return 0; };
  n.get_error_string = error_text;
  n.get_unique_id = unique_id;
  n.comm_init_rank = init_rank;
  n.comm_finalize = [](cuda::NcclComm) { return cuda::kNcclSuccess; };
  n.comm_destroy = [](cuda::NcclComm comm) { return leave(comm, false); };
  n.comm_abort = [](cuda::NcclComm comm) { return leave(comm, true); };
  n.comm_get_async_error = async_error;
  n.all_reduce = [](const void* send, void* receive, size_t count, int type, int op, cuda::NcclComm comm, cuda::Stream s) {
    return collective_call(comm, {Collective::all_reduce, send, receive, count, type, op, 0}, s);
  };
  n.reduce = [](const void* send, void* receive, size_t count, int type, int op, int root, cuda::NcclComm comm, cuda::Stream s) {
    return collective_call(comm, {Collective::reduce, send, receive, count, type, op, root}, s);
  };
  n.reduce_scatter = [](const void* send, void* receive, size_t count, int type, int op, cuda::NcclComm comm, cuda::Stream s) {
    return collective_call(comm, {Collective::reduce_scatter, send, receive, count, type, op, 0}, s);
  };
  n.all_gather = [](const void* send, void* receive, size_t count, int type, cuda::NcclComm comm, cuda::Stream s) {
    return collective_call(comm, {Collective::all_gather, send, receive, count, type, 0, 0}, s);
  };
  n.broadcast = [](const void* send, void* receive, size_t count, int type, int root, cuda::NcclComm comm, cuda::Stream s) {
    return collective_call(comm, {Collective::broadcast, send, receive, count, type, 0, root}, s);
  };
  n.group_start = [] {
    group_depth++;
    return cuda::kNcclSuccess;
  };
  n.group_end = group_end;
  return n;
}

}  // namespace

void set_patience(uint32_t ms) { machine().patience = std::chrono::milliseconds(ms); }

}  // namespace nanogpt::emulation

namespace nanogpt::cuda {

OpenedNccl open_nccl() {
  static const Nccl table = emulation::make_table();
  return {&table, ""};
}

}  // namespace nanogpt::cuda
