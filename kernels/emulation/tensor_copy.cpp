// Tensor copies (TMA): boxes of a tensor map to and from shared memory, with swizzles and bounds. What lies outside the
// tensor reads as the map's fill and counts as bytes; it is not written. Refuses pointers that are no map, a wrong rank and
// unaligned boxes. May include only asynchronous.h, block.h, bulk_store.h, fragments.h, pieces.h, tensor_map.h and the
// standard library.
#include "asynchronous.h"
#include "block.h"
#include "bulk_store.h"
#include "fragments.h"
#include "pieces.h"
#include "tensor_map.h"
#include <cstring>

namespace nanogpt::emulation {
namespace {

constexpr uint32_t kBoxAlignment = 128;

// A box in both memories, cut into 16-byte pieces of its rows, in the order in which they would lie unswizzled.
struct Box {
  TensorFields map;
  int64_t corner[5] = {};
  uint32_t shared = 0;

  Box(const TensorBox& box, uint32_t address, const char* op, Site site) : shared(address) {
    if (!decode_tensor_map(box.map, map)) fault(site, "%s: the pointer is to no tensor map", op);
    if (box.rank != map.rank) fault(site, "%s: %u coordinates for a map of rank %u", op, box.rank, uint32_t{map.rank});
    if (address % kBoxAlignment != 0) fault(site, "%s: shared address %u is no multiple of %u", op, address, kBoxAlignment);
    for (uint32_t i = 0; i < box.rank; i++) corner[i] = box.corner[i];
  }

  uint32_t pieces() const { return map.box_bytes() / kPieceBytes; }
  uint32_t elements() const { return kPieceBytes / map.element_bytes(); }
  uint32_t shared_of(uint32_t piece) const { return swizzled(shared + piece * kPieceBytes, map.swizzle_bytes()); }

  // Where the piece lies in the tensor: its first element's address, and which of its elements are inside.
  struct Run {
    int64_t address;
    uint32_t first, end;
  };
  Run global_of(uint32_t piece) const {
    const uint32_t per_row = map.box[0] * map.element_bytes() / kPieceBytes;
    const int64_t x = corner[0] + int64_t{piece % per_row} * elements();
    int64_t address = static_cast<int64_t>(map.address) + x * map.element_bytes();
    bool inside = true;
    for (uint32_t i = 1, row = piece / per_row; i < map.rank; row /= map.box[i], i++) {
      const int64_t at = corner[i] + row % map.box[i];
      inside = inside && at >= 0 && at < static_cast<int64_t>(map.dims[i]);
      address += at * static_cast<int64_t>(map.strides[i - 1]);
    }
    const int64_t width = static_cast<int64_t>(map.dims[0]), count = elements();
    const int64_t first = x < 0 ? -x : 0, end = x + count > width ? width - x : count;
    if (!inside || first >= end) return {address, 0, 0};
    return {address, static_cast<uint32_t>(first), static_cast<uint32_t>(end)};
  }
};

// The bytes of one element outside the tensor: zero or the type's NaN.
void fill(const TensorFields& map, char* piece) {
  std::memset(piece, 0, kPieceBytes);
  if (map.filled_nan == 0) return;
  const uint32_t bytes = map.element_bytes();
  for (uint32_t i = 0; i < kPieceBytes; i++) {
    if (i % bytes == bytes - 1) piece[i] = 0x7f;
    else if (i % bytes == bytes - 2) piece[i] = static_cast<char>(0xff);
  }
}

// `blocks`: those that receive the piece, at the same address of each.
void load_piece(const Box& box, const Flight& flight, uint32_t i, const std::vector<Block*>& blocks, Site site) {
  const Box::Run run = box.global_of(i);
  const uint32_t bytes = box.map.element_bytes();
  char piece[kPieceBytes];
  if (run.end - run.first < box.elements()) fill(box.map, piece);
  if (run.first < run.end) {
    const char* const source = reinterpret_cast<const char*>(run.address) + run.first * bytes;
    note_read(flight, source, (run.end - run.first) * bytes, site);
    std::memcpy(piece + run.first * bytes, source, (run.end - run.first) * bytes);
  }
  shared_pointer(box.shared_of(i), kPieceBytes, site);
  for (const Block* const block : blocks) {
    char* const target = block->shared.window + box.shared_of(i);
    note_write(flight, target, kPieceBytes, site);
    std::memcpy(target, piece, kPieceBytes);
  }
}

// The running block if the mask is 0, else those of the cluster whose bit is set.
std::vector<Block*> receivers(const char* op, uint16_t mask, Site site) {
  if (mask == 0) return {self().block};
  std::vector<Block*> blocks;
  const auto& all = self().block->cluster->blocks;
  for (uint32_t rank = 0; rank < 16; rank++) {
    if ((mask >> rank & 1) == 0) continue;
    if (rank >= all.size()) fault(site, "%s: blocks %04x, of which some are not in the cluster", op, mask);
    if (all[rank]->live == 0) fault(site, "%s: block %u of the cluster has exited", op, rank);
    blocks.push_back(all[rank]);
  }
  return blocks;
}

void add_element(const Flight& flight, const TensorFields& map, char* target, const char* source, Site site) {
  if (map.element_bytes() == sizeof(float)) {
    float x;
    std::memcpy(&x, source, sizeof x);
    add_atomically(flight, reinterpret_cast<float*>(target), x, site);
  } else {
    cuda::bf16 x;
    std::memcpy(&x, source, sizeof x);
    add_atomically(flight, reinterpret_cast<cuda::bf16*>(target), x, site);
  }
}

void store_piece(const Box& box, const Flight& flight, uint32_t i, const char* piece, bool add, Site site) {
  const Box::Run run = box.global_of(i);
  const uint32_t bytes = box.map.element_bytes();
  if (run.first == run.end) return;
  char* const target = reinterpret_cast<char*>(run.address);
  if (add) {
    for (uint32_t j = run.first; j < run.end; j++) add_element(flight, box.map, target + j * bytes, piece + j * bytes, site);
    return;
  }
  note_write(flight, target + run.first * bytes, (run.end - run.first) * bytes, site);
  std::memcpy(target + run.first * bytes, piece + run.first * bytes, (run.end - run.first) * bytes);
}

}  // namespace

void prefetch_tensor_map(const cuda::TensorMap* map, Site site) {
  TensorFields fields;
  if (!decode_tensor_map(map, fields)) fault(site, "prefetch.tensormap: the pointer is to no tensor map");
}

void tma_load(uint32_t shared, const TensorBox& box, uint32_t bar, uint16_t mask, Site site) {
  constexpr const char* op = "cp.async.bulk.tensor load";
  const auto blocks = receivers(op, mask, site);
  const auto loaded = std::make_shared<const Box>(box, shared, op, site);
  const Flight flight = begin_flight(self(), Proxy::async);
  const uint32_t bytes = loaded->map.box_bytes();
  shared_pointer(shared, bytes, site);
  for (const Block* const block : blocks) poison(flight, block->shared.window + shared, bytes, site);
  issue_pieces(op, site, loaded->pieces(), [=](uint32_t i) { load_piece(*loaded, flight, i, blocks, site); },
               [=](uint32_t pieces) {
                 for (Block* const block : blocks) mbarrier_complete_bytes(*block, bar, pieces * kPieceBytes, flight, site);
               });
}

void tma_store(const TensorBox& box, uint32_t shared, bool add, Site site) {
  const char* const op = add ? "cp.reduce.async.bulk.tensor" : "cp.async.bulk.tensor store";
  const auto stored = std::make_shared<const Box>(box, shared, op, site);
  if (add && stored->map.element_bytes() == 1) fault(site, "%s: bytes cannot be added, only float32 and bfloat16", op);
  shared_pointer(shared, stored->map.box_bytes(), site);
  issue_bulk_store(op, site, stored->pieces(),
    [=](const Flight& flight, uint32_t i, char* piece) {
      const char* const source = shared_pointer(stored->shared_of(i), kPieceBytes, site);
      note_read(flight, source, kPieceBytes, site);
      std::memcpy(piece, source, kPieceBytes);
    },
    [=](const Flight& flight, uint32_t i, const char* piece) { store_piece(*stored, flight, i, piece, add, site); });
}

}  // namespace nanogpt::emulation
