// Groups and collectives of abi.h on a cpu. Between two meetings each rank does its share of the work straight on the memory
// of all, so that no element is copied more often than it must be; sums run over the ranks in their order. Compiled once:
// memory is slower than the instruction set for any processor. Refuses calls in which the ranks differ, on all of them. May
// include only group.h, ../check.h and the standard library.
#include "group.h"
#include "../check.h"
#include <algorithm>
#include <cstring>
#include <exception>
#include <string>
#include <unistd.h>

namespace nanogpt {

bool Group::take(uint32_t rank) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (taken_[rank]) return false;
  taken_[rank] = true;
  return true;
}

void Group::meet() {
  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t meeting = meetings_;
  if (++came_ < ranks()) {
    all_came_.wait(lock, [&] { return meetings_ != meeting; });
    return;
  }
  came_ = 0;
  meetings_++;
  all_came_.notify_all();
}

namespace {

using Check = ArgumentCheck<Context>;

// What an id holds; the rest of its bytes are 0. The process and the mark keep addresses of others from being followed.
struct GroupId {
  uint64_t mark;
  uint64_t process;
  Group* group;
};
static_assert(sizeof(GroupId) <= NANOGPT_GROUP_ID_BYTES);
constexpr uint64_t kMark = 0x70756f7267747067;

int32_t make_id(Context& context, uint64_t id, uint32_t ranks) {
  const auto group = std::make_shared<Group>(ranks);
  group->hand_over();
  const GroupId made{kMark, static_cast<uint64_t>(getpid()), group.get()};
  std::memset(reinterpret_cast<void*>(id), 0, NANOGPT_GROUP_ID_BYTES);
  std::memcpy(reinterpret_cast<void*>(id), &made, sizeof made);
  context.membership().made.push_back(group);
  return NANOGPT_OK;
}

int32_t join(Context& context, uint64_t id, uint32_t rank, uint32_t ranks) {
  Membership& mine = context.membership();
  if (mine.group != nullptr)
    return context.fail(NANOGPT_INVALID, "This context is rank %u of a group already: a context joins once", mine.rank);
  GroupId given;
  std::memcpy(&given, reinterpret_cast<const void*>(id), sizeof given);
  if (given.mark != kMark || given.process != static_cast<uint64_t>(getpid()))
    return context.fail(NANOGPT_INVALID, "This is no group's id that nanogpt_group_id made in this process");
  Group& group = *given.group;
  group.hand_over();
  if (group.ranks() != ranks)
    return context.fail(NANOGPT_INVALID, "Rank %u joins as one of %u ranks, the group's id was made for %u", rank, ranks,
                        group.ranks());
  if (!group.take(rank)) return context.fail(NANOGPT_INVALID, "Rank %u of the group is taken: it joins twice", rank);
  mine.group = group.shared_from_this();
  mine.rank = rank;
  group.meet();
  return NANOGPT_OK;
}

const char* name_of(Collective kind) {
  const char* const names[] = {"all_reduce", "reduce", "reduce_scatter", "all_gather", "share"};
  return names[static_cast<size_t>(kind)];
}

std::string text_of(const GroupCall& call) {
  const std::string text = std::string(name_of(call.kind)) + " of " + std::to_string(call.count) + " elements";
  if (call.kind == Collective::all_reduce) return text + ", op " + std::to_string(call.choice);
  if (call.kind == Collective::reduce || call.kind == Collective::share) return text + ", root " + std::to_string(call.choice);
  return text;
}

// What is wrong with the ranks' calls, the same on every rank; empty: nothing.
std::string wrong(const std::vector<GroupCall>& calls) {
  const GroupCall& a = calls[0];
  const size_t ranks = calls.size();
  for (size_t r = 1; r < ranks; r++) {
    const GroupCall& b = calls[r];
    if (a.kind != b.kind || a.count != b.count || a.choice != b.choice)
      return "Ranks differ: rank 0 calls " + text_of(a) + ", rank " + std::to_string(r) + " " + text_of(b);
  }
  for (size_t r = 0; r < ranks; r++)
    if (calls[r].tensor == nullptr)
      return "Kernel " + text_of(a) + ": expected an address for tensor, found 0 on rank " + std::to_string(r);
  if (a.count == 0) return "Kernel " + text_of(a) + ": expected count of at least 1, found 0";
  if (a.kind == Collective::all_reduce)
    return a.choice <= NANOGPT_REDUCE_MAX ? "" : "Kernel " + text_of(a) + ": expected op 0 (sum) or 1 (maximum)";
  if (a.choice >= ranks) return "Kernel " + text_of(a) + ": expected root below ranks " + std::to_string(ranks);
  const bool parts = a.kind == Collective::reduce_scatter || a.kind == Collective::all_gather;
  if (parts && a.count % ranks != 0)
    return "Kernel " + text_of(a) + ": expected count a multiple of ranks " + std::to_string(ranks);
  return "";
}

struct Range {
  uint64_t begin, end;
};

// Rank r's part of whole lines of the cache, when ranks share the work on `count` elements.
Range share_of(uint64_t count, uint64_t rank, uint64_t ranks) {
  constexpr uint64_t kLine = 16;
  const uint64_t lines = (count + kLine - 1) / kLine;
  return {std::min(count, lines * rank / ranks * kLine), std::min(count, lines * (rank + 1) / ranks * kLine)};
}

constexpr uint64_t kPiece = 16384;  // 64 KB: what a thread takes at a time
constexpr uint64_t kBlock = 1024;   // elements whose sums are made in the nearest cache

// body(begin, end) over the range in pieces of at most `most` elements.
template <class Body>
void by_pieces(Range range, uint64_t most, const Body& body) {
  for (uint64_t begin = range.begin; begin < range.end; begin += most) body(begin, std::min(range.end, begin + most));
}

template <class Body>
void parallel_pieces(Context& context, Range range, const Body& body) {
  const uint64_t pieces = (range.end - range.begin + kPiece - 1) / kPiece;
  context.parallel(static_cast<int64_t>(pieces), [&](int64_t piece, int) {
    const uint64_t begin = range.begin + static_cast<uint64_t>(piece) * kPiece;
    body(begin, std::min(range.end, begin + kPiece));
  });
}

float sum_of(float a, float b) { return a + b; }
float max_of(float a, float b) { return a > b || a != a ? a : b; }  // a NaN of either

// The range of the tensors from `first` on to `last` becomes that of all calls' tensors combined in the order of the ranks.
template <class Combine>
void combine(Context& context, const std::vector<GroupCall>& calls, Range range, uint32_t first, uint32_t last, const Combine& op) {
  parallel_pieces(context, range, [&](uint64_t from, uint64_t to) {
    by_pieces({from, to}, kBlock, [&](uint64_t begin, uint64_t end) {
      float total[kBlock];
      const uint64_t n = end - begin;
      std::copy_n(calls[0].tensor + begin, n, total);
      for (size_t r = 1; r < calls.size(); r++) {
        const float* const x = calls[r].tensor + begin;
        for (uint64_t i = 0; i < n; i++) total[i] = op(total[i], x[i]);
      }
      for (uint32_t r = first; r <= last; r++) std::copy_n(total, n, calls[r].tensor + begin);
    });
  });
}

void copy(Context& context, const float* from, float* to, Range range) {
  parallel_pieces(context, range, [&](uint64_t begin, uint64_t end) { std::copy(from + begin, from + end, to + begin); });
}

// This rank's share of the work.
void work(Context& context, const std::vector<GroupCall>& calls, uint32_t rank) {
  const GroupCall& mine = calls[rank];
  const uint32_t ranks = static_cast<uint32_t>(calls.size());
  const Range share = share_of(mine.count, rank, ranks);
  const uint64_t part = mine.count / ranks;
  switch (mine.kind) {
    case Collective::all_reduce:
      if (mine.choice == NANOGPT_REDUCE_MAX) return combine(context, calls, share, 0, ranks - 1, max_of);
      return combine(context, calls, share, 0, ranks - 1, sum_of);
    case Collective::reduce: return combine(context, calls, share, mine.choice, mine.choice, sum_of);
    case Collective::reduce_scatter: return combine(context, calls, {rank * part, (rank + 1) * part}, rank, rank, sum_of);
    case Collective::all_gather:
      for (uint32_t r = 0; r < ranks; r++)
        if (r != rank) copy(context, calls[r].tensor, mine.tensor, {r * part, (r + 1) * part});
      return;
    case Collective::share:
      if (rank != mine.choice) copy(context, calls[mine.choice].tensor, mine.tensor, {0, mine.count});
  }
}

int32_t run(uint64_t address, Collective kind, uint64_t tensor, uint32_t count, uint32_t choice) {
  if (address == 0) return NANOGPT_INVALID;
  Context& context = context_at(address);
  const Membership& mine = context.membership();
  if (mine.group == nullptr)
    return context.fail(NANOGPT_INVALID, "Kernel %s needs a group of ranks, which this context has not joined", name_of(kind));
  Group& group = *mine.group;
  const std::vector<GroupCall>& calls = group.calls();
  group.calls()[mine.rank] = {kind, count, choice, reinterpret_cast<float*>(tensor)};
  group.meet();
  const std::string why = wrong(calls);
  if (why.empty()) work(context, calls, mine.rank);
  group.meet();
  return why.empty() ? NANOGPT_OK : context.fail(NANOGPT_INVALID, "%s", why.c_str());
}

template <class Body>
int32_t without_exceptions(Context& context, const Body& body) {
  try {
    return body();
  } catch (const std::exception& error) {
    return context.fail(NANOGPT_NO_MEMORY, "The system refused memory that a group needs: %s", error.what());
  }
}

}  // namespace
}  // namespace nanogpt

using namespace nanogpt;

NANOGPT_EXPORT int32_t nanogpt_group_id(uint64_t context, uint64_t id, uint32_t ranks) {
  if (context == 0) return NANOGPT_INVALID;
  Check check(context, "group_id");
  if (check.address("id", id).ranks(ranks).failed()) return check.status();
  return without_exceptions(check.context(), [&] { return make_id(check.context(), id, ranks); });
}

NANOGPT_EXPORT int32_t nanogpt_group_join(uint64_t context, uint64_t id, uint32_t rank, uint32_t ranks) {
  if (context == 0) return NANOGPT_INVALID;
  Check check(context, "group_join");
  if (check.address("id", id).ranks(ranks).below("rank", rank, "ranks", ranks).failed()) return check.status();
  return join(check.context(), id, rank, ranks);
}

NANOGPT_EXPORT int32_t nanogpt_all_reduce(uint64_t context, uint64_t tensor, uint32_t count, uint32_t op) {
  return run(context, Collective::all_reduce, tensor, count, op);
}
NANOGPT_EXPORT int32_t nanogpt_reduce(uint64_t context, uint64_t tensor, uint32_t count, uint32_t root) {
  return run(context, Collective::reduce, tensor, count, root);
}
NANOGPT_EXPORT int32_t nanogpt_reduce_scatter(uint64_t context, uint64_t tensor, uint32_t count) {
  return run(context, Collective::reduce_scatter, tensor, count, 0);
}
NANOGPT_EXPORT int32_t nanogpt_all_gather(uint64_t context, uint64_t tensor, uint32_t count) {
  return run(context, Collective::all_gather, tensor, count, 0);
}
NANOGPT_EXPORT int32_t nanogpt_share(uint64_t context, uint64_t tensor, uint32_t count, uint32_t root) {
  return run(context, Collective::share, tensor, count, root);
}
NANOGPT_EXPORT int32_t nanogpt_group_wait(uint64_t context) {
  if (context == 0) return NANOGPT_INVALID;
  Check check(context, "group_wait");
  if (check.context().membership().group != nullptr) return NANOGPT_OK;
  return check.context().fail(NANOGPT_INVALID, "Kernel group_wait needs a group of ranks, which this context has not joined");
}
