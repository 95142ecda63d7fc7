// The words of reports: where a lane is, who waits for what when nobody can go on, and how to see a failure again.
// Threads and blocks that wait for the same are named together. Changes nothing.
// May include only block.h and the standard library.
#include "block.h"
#include <cstdio>
#include <map>

namespace nanogpt::emulation {
namespace {

constexpr size_t kMostLines = 40;

// "0-31, 64-95" of ascending numbers.
std::string ranges_of(const std::vector<uint32_t>& numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) end++;
    text += (text.empty() ? "" : ", ") + std::to_string(numbers[i]);
    if (end - i > 1) text += "-" + std::to_string(numbers[end - 1]);
    i = end;
  }
  return (numbers.size() == 1 ? "thread " : "threads ") + text;
}

std::string block_name(const Block& block) {
  char text[64];
  std::snprintf(text, sizeof text, "(%u,%u,%u)", block.index.x, block.index.y, block.index.z);
  return text;
}

std::string reason_of(const Lane& lane, const Block& block) {
  const WaitReason& reason = lane.waiting;
  if (lane.state == State::done) return " have exited";
  if (lane.state == State::ready) return " can go on";
  const std::string what = reason.what == nullptr ? "something" : reason.what;
  std::string text = " wait at " + what;
  if (what == "barrier sync" || what == "barrier arrive") {
    const Barrier& barrier = block.barriers[reason.detail];
    text = " wait at named barrier " + std::to_string(reason.detail) + text_of(reason.site) + ", where " +
           std::to_string(barrier.arrived) + " of " + std::to_string(barrier.expected) + " threads have arrived";
    if (lane.warp->signing.lanes != 0) text += "; only part of the warp is there";
    return text;
  }
  if (what == "setmaxnreg.inc to registers") {
    return " wait at setmaxnreg.inc" + text_of(reason.site) + " for " + std::to_string(reason.detail) +
           " registers a thread: the block's pool has " + std::to_string(block.free_registers / 128) + " to give";
  }
  char detail[32];
  std::snprintf(detail, sizeof detail, " 0x%llx", static_cast<unsigned long long>(reason.detail));
  return text + (reason.detail == 0 ? "" : detail) + text_of(reason.site);
}

// Lines that say what the threads of a block do, alike for blocks that stand alike.
std::string lines_of(const Block& block) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<uint32_t>> threads;
  for (uint32_t i = 0; i < block.threads; i++) {
    const std::string reason = reason_of(*block.lanes[i], block);
    auto& list = threads[reason];
    if (list.empty()) order.push_back(reason);
    list.push_back(i);
  }
  std::string text;
  for (const std::string& reason : order) text += "\n    " + ranges_of(threads[reason]) + reason;
  return text;
}

}  // namespace

std::string place_of(const Lane& lane) {
  return "block " + block_name(*lane.block) + " thread " + std::to_string(lane.linear);
}

std::string text_of(const Site& site) {
  if (site.file == nullptr) return "";
  return std::string(" (") + site.file + ":" + std::to_string(site.line) + ")";
}

std::string deadlock_report(const std::vector<std::unique_ptr<Block>>& blocks, const Processor& processor) {
  std::vector<std::string> order;
  std::map<std::string, std::string> names;
  for (const auto& block : blocks) {
    const std::string lines = lines_of(*block);
    std::string& list = names[lines];
    if (list.empty()) order.push_back(lines);
    list += (list.empty() ? "" : " ") + block_name(*block);
  }
  std::string text;
  for (const std::string& lines : order) text += "\n  block " + names[lines] + ":" + lines;
  size_t end = 0;
  for (size_t line = 0; line < kMostLines && end != std::string::npos; line++) end = text.find('\n', end + 1);
  if (end != std::string::npos) text = text.substr(0, end) + "\n  ...";
  for (const Pending& operation : processor.pending)
    text += std::string("\n  pending: ") + operation.what + text_of(operation.site);
  return text;
}

std::string reproduction(const Schedule& schedule) {
  return "\n  seed " + std::to_string(schedule.seed) + " (" + name_of(policy_of(schedule.seed)) + ", asynchronous work " +
         name_of(moment_of(schedule.seed)) + "), " + std::to_string(schedule.processors) +
         " processors: nanogpt_schedule with these two numbers shows it again";
}

}  // namespace nanogpt::emulation
