// What a block must not leave behind when its last thread exits: bytes that no copy has brought, products nobody waited
// for, copies that may still read its shared memory. Changes nothing.
// May include only block.h and the standard library.
#include "block.h"

namespace nanogpt::emulation {
namespace {

bool was_read(const std::vector<std::shared_ptr<BulkStore>>& stores) {
  for (const auto& store : stores)
    if (!store->read) return false;
  return true;
}

}  // namespace

std::string unfinished(const Block& block) {
  for (const auto& [address, bar] : block.asynchrony.mbarriers) {
    if (bar.bytes != 0)
      return "mbarrier " + std::to_string(address) + ": at the block's end " + std::to_string(bar.bytes) +
             " announced bytes have not come";
  }
  for (const auto& [warp, products] : block.asynchrony.warps) {
    if (!products.open.empty() || !products.groups.empty())
      return "warp " + std::to_string(warp) + ": exited before waiting for its wgmma";
  }
  for (const auto& [lane, copies] : block.asynchrony.lanes) {
    bool read = was_read(copies.open_stores);
    for (const auto& group : copies.store_groups) read = read && was_read(group);
    if (!read)
      return "thread " + std::to_string(lane) + ": exited before waiting until its bulk copies had read shared memory";
  }
  return "";
}

}  // namespace nanogpt::emulation
