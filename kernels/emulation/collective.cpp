// The collectives' arithmetic: sums, extremes and means of float32 and bfloat16 (rounded after every addition, as a ring
// passes them on), copies of every type. Refuses to reduce integers. May include only collective.h, memory.h and the
// standard library.
#include "collective.h"
#include "memory.h"
#include <algorithm>
#include <cstring>

namespace nanogpt::emulation {
namespace {

size_t size_of(int type) {
  switch (type) {
    case cuda::kNcclUint8: return 1;
    case cuda::kNcclBfloat16: return 2;
    case cuda::kNcclInt32:
    case cuda::kNcclFloat32: return 4;
    case cuda::kNcclInt64: return 8;
    default: return 0;
  }
}

float read(const char* from, size_t i, int type) {
  uint32_t bits = 0;
  if (type == cuda::kNcclFloat32) {
    std::memcpy(&bits, from + 4 * i, 4);
  } else {
    uint16_t upper;
    std::memcpy(&upper, from + 2 * i, 2);
    bits = uint32_t{upper} << 16;
  }
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

// To nearest even, NaN kept.
float rounded(float value, int type) {
  if (type == cuda::kNcclFloat32 || value != value) return value;
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  std::memcpy(&value, &bits, 4);
  return value;
}

void write(char* to, size_t i, int type, float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if (type == cuda::kNcclFloat32) {
    std::memcpy(to + 4 * i, &bits, 4);
  } else {
    const auto upper = static_cast<uint16_t>(bits >> 16 | (value != value ? 0x40 : 0));
    std::memcpy(to + 2 * i, &upper, 2);
  }
}

// Of a number and a NaN the extreme is the number, as CUDA's fmaxf has it.
float combine(float a, float b, int op) {
  if (op == cuda::kNcclMax) return a > b || b != b ? a : b;
  if (op == cuda::kNcclMin) return a < b || b != b ? a : b;
  return a + b;
}

bool reduces(Collective kind) {
  return kind == Collective::all_reduce || kind == Collective::reduce || kind == Collective::reduce_scatter;
}
bool has_root(Collective kind) { return kind == Collective::reduce || kind == Collective::broadcast; }

// The reduction of all ranks' elements first to first + count - 1.
std::vector<char> reduced(const std::vector<CollectiveCall>& calls, const std::vector<size_t>& order, size_t first,
                          size_t count) {
  const int type = calls[0].type, op = calls[0].op;
  std::vector<char> result(count * size_of(type));
  for (size_t i = 0; i < count; i++) {
    float sum = read(static_cast<const char*>(calls[order[0]].send), first + i, type);
    for (size_t r = 1; r < order.size(); r++)
      sum = rounded(combine(sum, read(static_cast<const char*>(calls[order[r]].send), first + i, type), op), type);
    if (op == cuda::kNcclAverage) sum = rounded(sum / static_cast<float>(order.size()), type);
    write(result.data(), i, type, sum);
  }
  return result;
}

// What rank r receives.
std::vector<char> received(const std::vector<CollectiveCall>& calls, const std::vector<size_t>& order, size_t r) {
  const CollectiveCall& mine = calls[r];
  const auto bytes_of = [&](size_t rank) {
    const char* const from = static_cast<const char*>(calls[rank].send);
    return std::vector<char>(from, from + mine.count * size_of(mine.type));
  };
  switch (mine.kind) {
    case Collective::all_reduce:
    case Collective::reduce: return reduced(calls, order, 0, mine.count);
    case Collective::reduce_scatter: return reduced(calls, order, r * mine.count, mine.count);
    case Collective::broadcast: return bytes_of(static_cast<size_t>(mine.root));
    default: break;
  }
  std::vector<char> all;
  for (size_t rank = 0; rank < calls.size(); rank++) {
    const std::vector<char> part = bytes_of(rank);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace

size_t CollectiveCall::send_bytes(size_t ranks) const {
  return count * size_of(type) * (kind == Collective::reduce_scatter ? ranks : 1);
}
size_t CollectiveCall::receive_bytes(size_t ranks) const {
  return count * size_of(type) * (kind == Collective::all_gather ? ranks : 1);
}

std::string CollectiveCall::text() const {
  const char* const names[] = {"AllReduce", "Reduce", "ReduceScatter", "AllGather", "Broadcast"};
  return std::string(names[static_cast<size_t>(kind)]) + " of " + std::to_string(count) + " elements of type " +
         std::to_string(type) + (reduces(kind) ? ", operation " + std::to_string(op) : "") +
         (has_root(kind) ? ", root " + std::to_string(root) : "");
}

std::string CollectiveCall::wrong(size_t ranks, size_t rank) const {
  if (send == nullptr || (receive == nullptr && receives(rank)) || count == 0) return text() + ": an empty buffer";
  if (size_of(type) == 0) return text() + ": a type that is not emulated";
  if (reduces(kind) && type != cuda::kNcclFloat32 && type != cuda::kNcclBfloat16)
    return text() + ": only float32 and bfloat16 are reduced";
  if (reduces(kind) && op != cuda::kNcclSum && op != cuda::kNcclMax && op != cuda::kNcclMin && op != cuda::kNcclAverage)
    return text() + ": no such operation";
  if (has_root(kind) && (root < 0 || static_cast<size_t>(root) >= ranks)) return text() + ": no such root";
  const uint64_t from = send_address(), to = receive_address();
  if (from + send_bytes(ranks) <= to || to + receive_bytes(ranks) <= from) return "";
  const uint64_t part = count * size_of(type) * rank;
  const bool in_place = kind == Collective::reduce_scatter ? to == from + part : kind == Collective::all_gather ? from == to + part : from == to;
  return in_place ? "" : text() + ": the buffers of rank " + std::to_string(rank) + " overlap, but not at the offset of in place";
}

std::string mismatch(const std::vector<CollectiveCall>& calls) {
  const CollectiveCall& a = calls[0];
  for (size_t r = 1; r < calls.size(); r++) {
    const CollectiveCall& b = calls[r];
    if (a.kind != b.kind || a.count != b.count || a.type != b.type || a.op != b.op || a.root != b.root)
      return "NCCL: ranks differ: rank 0 calls " + a.text() + ", rank " + std::to_string(r) + " " + b.text();
  }
  return "";
}

std::string carry_out(const std::vector<CollectiveCall>& calls, const std::vector<size_t>& order) {
  for (const CollectiveCall& call : calls)
    if (const std::string why = host_reads(call.send, call.send_bytes(calls.size())); !why.empty()) return why;
  std::vector<std::vector<char>> results;
  for (size_t r = 0; r < calls.size(); r++)
    results.push_back(calls[r].receives(r) ? received(calls, order, r) : std::vector<char>());
  for (size_t r = 0; r < calls.size(); r++) {
    if (!calls[r].receives(r)) continue;
    if (const std::string why = host_writes(calls[r].receive, results[r].size()); !why.empty()) return why;
    std::memcpy(calls[r].receive, results[r].data(), results[r].size());
  }
  return "";
}

}  // namespace nanogpt::emulation
