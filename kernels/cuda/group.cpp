// Groups and collectives of abi.h on GPUs: NCCL's, in place on float32, on a stream of the group's that waits for the context's
// before each, so that they go on beside its kernels. NCCL is opened when the first id is made or joined by, and is not needed
// before. Refuses what NCCL refuses, with its words. May include only context.h, group.h and the standard library.
#include "group.h"
#include "context.h"
#include <cstring>
#include <memory>

namespace nanogpt::cuda {

constexpr unsigned kEventWithoutTiming = 2;  // CU_EVENT_DISABLE_TIMING
constexpr unsigned kNonBlocking = 1;         // CU_STREAM_NON_BLOCKING

Result Communicator::open() {
  if (const Result result = driver_.stream_create(&stream_, kNonBlocking)) return result;
  if (const Result result = driver_.event_create(&before_, kEventWithoutTiming)) return result;
  return driver_.event_create(&after_, kEventWithoutTiming);
}

Communicator::~Communicator() {
  const bool failed = failure() != kNcclSuccess;
  if (failed) nccl_.comm_abort(comm_);
  if (stream_ != nullptr) driver_.stream_synchronize(stream_);
  if (!failed) nccl_.comm_destroy(comm_);
  if (before_ != nullptr) driver_.event_destroy(before_);
  if (after_ != nullptr) driver_.event_destroy(after_);
  if (stream_ != nullptr) driver_.stream_destroy(stream_);
}

namespace {

static_assert(sizeof(NcclUniqueId) == NANOGPT_GROUP_ID_BYTES);

int32_t refuse(Context& context, const Nccl& nccl, NcclResult result, const char* doing, const char* what) {
  return context.fail(NANOGPT_INTERNAL, "NCCL failed while %s %s: %s", doing, what, nccl.get_error_string(result));
}

int32_t refuse(Context& context, Result result, const char* doing, const char* what) {
  const char* text = nullptr;
  context.driver().get_error_string(result, &text);
  return context.fail(NANOGPT_INTERNAL, "The GPU driver failed while %s %s: %s", doing, what, text == nullptr ? "?" : text);
}

// What a collective is enqueued with.
struct Target {
  Communicator* group;
  float* tensor;
  Stream stream;
};

// Checks what all collectives take, then enqueues one: body(nccl, target) calls NCCL.
template <class Body>
int32_t enqueue(Check& check, uint64_t tensor, uint32_t count, const Body& body) {
  check.address("tensor", tensor).size("count", count);
  if (check.failed()) return check.status();
  Context& context = check.context();
  Communicator* const group = context.communicator().get();
  if (const Result result = group->begin_after(context.stream())) return refuse(context, result, "enqueueing", check.op());
  const NcclResult result = body(group->nccl(), Target{group, memory<float>(tensor), group->stream()});
  return result == kNcclSuccess ? NANOGPT_OK : refuse(context, group->nccl(), result, "enqueueing", check.op());
}

// Ranks of the context's group; 0, and the check has failed: it has none.
uint32_t ranks_of(Check& check) {
  const Communicator* const group = check.context().communicator().get();
  if (group != nullptr) return group->ranks();
  check.failure(check.context().fail(NANOGPT_INVALID, "Kernel %s needs a group of ranks, which this context has not joined", check.op()));
  return 0;
}

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_group_id(uint64_t context, uint64_t id, uint32_t ranks) {
  if (context == 0) return NANOGPT_INVALID;
  Check check(context, "group_id");
  if (check.address("id", id).ranks(ranks).failed()) return check.status();
  const OpenedNccl opened = open_nccl();
  if (opened.nccl == nullptr) return check.context().fail(NANOGPT_UNSUPPORTED, "%s", opened.why);
  NcclUniqueId made;
  if (const NcclResult result = opened.nccl->get_unique_id(&made))
    return refuse(check.context(), *opened.nccl, result, "making", "a group's id");
  std::memcpy(memory<void>(id), &made, sizeof made);
  return NANOGPT_OK;
}

NANOGPT_EXPORT int32_t nanogpt_group_join(uint64_t context, uint64_t id, uint32_t rank, uint32_t ranks) {
  if (context == 0) return NANOGPT_INVALID;
  Check check(context, "group_join");
  if (check.address("id", id).ranks(ranks).below("rank", rank, "ranks", ranks).failed()) return check.status();
  Context& c = check.context();
  if (const Communicator* const group = c.communicator().get())
    return c.fail(NANOGPT_INVALID, "This context is rank %u of a group already: a context joins once", group->rank());
  const OpenedNccl opened = open_nccl();
  if (opened.nccl == nullptr) return c.fail(NANOGPT_UNSUPPORTED, "%s", opened.why);
  NcclUniqueId given;
  std::memcpy(&given, memory<const void>(id), sizeof given);
  NcclComm comm = nullptr;
  if (const NcclResult result = opened.nccl->comm_init_rank(&comm, static_cast<int>(ranks), given, static_cast<int>(rank)))
    return refuse(c, *opened.nccl, result, "joining", "a group");
  auto joined = std::make_unique<Communicator>(c.driver(), *opened.nccl, comm, rank, ranks);
  if (const Result result = joined->open()) return refuse(c, result, "making", "the group's stream");
  c.communicator() = std::move(joined);
  return NANOGPT_OK;
}

NANOGPT_EXPORT int32_t nanogpt_all_reduce(uint64_t context, uint64_t tensor, uint32_t count, uint32_t op) {
  if (context == 0) return NANOGPT_INVALID;
  Check check(context, "all_reduce");
  ranks_of(check);
  check.flag("op", op);
  const int operation = op == NANOGPT_REDUCE_MAX ? kNcclMax : kNcclSum;
  return enqueue(check, tensor, count, [&](const Nccl& nccl, const Target& t) {
    return nccl.all_reduce(t.tensor, t.tensor, count, kNcclFloat32, operation, t.group->comm(), t.stream);
  });
}

NANOGPT_EXPORT int32_t nanogpt_reduce(uint64_t context, uint64_t tensor, uint32_t count, uint32_t root) {
  if (context == 0) return NANOGPT_INVALID;
  Check check(context, "reduce");
  check.below("root", root, "ranks", ranks_of(check));
  return enqueue(check, tensor, count, [&](const Nccl& nccl, const Target& t) {
    return nccl.reduce(t.tensor, t.tensor, count, kNcclFloat32, kNcclSum, static_cast<int>(root), t.group->comm(), t.stream);
  });
}

NANOGPT_EXPORT int32_t nanogpt_reduce_scatter(uint64_t context, uint64_t tensor, uint32_t count) {
  if (context == 0) return NANOGPT_INVALID;
  Check check(context, "reduce_scatter");
  check.multiple("count", count, "ranks", ranks_of(check));
  return enqueue(check, tensor, count, [&](const Nccl& nccl, const Target& t) {
    const size_t part = count / t.group->ranks();
    float* const mine = t.tensor + part * t.group->rank();
    return nccl.reduce_scatter(t.tensor, mine, part, kNcclFloat32, kNcclSum, t.group->comm(), t.stream);
  });
}

NANOGPT_EXPORT int32_t nanogpt_all_gather(uint64_t context, uint64_t tensor, uint32_t count) {
  if (context == 0) return NANOGPT_INVALID;
  Check check(context, "all_gather");
  check.multiple("count", count, "ranks", ranks_of(check));
  return enqueue(check, tensor, count, [&](const Nccl& nccl, const Target& t) {
    const size_t part = count / t.group->ranks();
    return nccl.all_gather(t.tensor + part * t.group->rank(), t.tensor, part, kNcclFloat32, t.group->comm(), t.stream);
  });
}

NANOGPT_EXPORT int32_t nanogpt_share(uint64_t context, uint64_t tensor, uint32_t count, uint32_t root) {
  if (context == 0) return NANOGPT_INVALID;
  Check check(context, "share");
  check.below("root", root, "ranks", ranks_of(check));
  return enqueue(check, tensor, count, [&](const Nccl& nccl, const Target& t) {
    return nccl.broadcast(t.tensor, t.tensor, count, kNcclFloat32, static_cast<int>(root), t.group->comm(), t.stream);
  });
}

NANOGPT_EXPORT int32_t nanogpt_group_wait(uint64_t context) {
  if (context == 0) return NANOGPT_INVALID;
  Check check(context, "group_wait");
  if (ranks_of(check) == 0) return check.status();
  Context& c = check.context();
  const Result result = c.communicator()->end_before(c.stream());
  return result == 0 ? NANOGPT_OK : refuse(c, result, "waiting for", "collectives");
}
