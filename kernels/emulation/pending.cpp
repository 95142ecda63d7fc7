// The queue of asynchronous operations of a processor and when each is done. A seed chooses between eager (at issue),
// random and latest moments for a whole launch, or mixes them by operation. May include only block.h, pending.h and the
// standard library.
#include "block.h"
#include "pending.h"
#include <algorithm>

namespace nanogpt::emulation {

Moment moment_of(uint32_t seed) { return seed == 0 ? Moment::eager : static_cast<Moment>(seed % 4); }

const char* name_of(Moment moment) {
  switch (moment) {
    case Moment::eager: return "at once";
    case Moment::random: return "at random";
    case Moment::latest: return "as late as can be";
    default: return "at mixed moments";
  }
}

namespace {

// Runs an operation as the lane that issued it. Its fault, if any, is kept in the processor's report.
void run_operation(Pending& operation) {
  Lane* const before = processor->running;
  processor->running = operation.lane;
  processor->note_progress();
  operation.lane->block->pending--;
  try {
    operation.run();
  } catch (const Fault&) {
  }
  processor->running = before;
}

}  // namespace

PendingId issue(const char* what, Site site, std::function<void()> run) {
  Processor& p = *processor;
  const Moment moment = p.moment == Moment::mixed ? static_cast<Moment>(draw(3)) : p.moment;
  if (moment == Moment::eager) {
    run();
    return 0;
  }
  const PendingId id = ++p.last_pending;
  self().block->pending++;
  p.pending.push_back({id, what, site, &self(), moment, std::move(run)});
  return id;
}

bool is_pending(PendingId id) {
  const auto& all = processor->pending;
  return std::any_of(all.begin(), all.end(), [id](const Pending& operation) { return operation.id == id; });
}

void complete(PendingId id) {
  auto& all = processor->pending;
  const auto found = std::find_if(all.begin(), all.end(), [id](const Pending& operation) { return operation.id == id; });
  if (found == all.end()) return;
  Pending operation = std::move(*found);
  all.erase(found);
  run_operation(operation);
  if (!processor->report.empty()) throw Fault{};
}

bool Processor::complete_one(bool idle) {
  if (pending.empty()) return false;
  size_t at = draw(static_cast<uint32_t>(pending.size()));
  if (!idle && (pending[at].moment == Moment::latest || draw(4) != 0)) return false;
  Pending operation = std::move(pending[at]);
  pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(at));
  run_operation(operation);
  return true;
}

}  // namespace nanogpt::emulation
