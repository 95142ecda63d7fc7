// Copies from shared to global memory that a lane waits for by bulk groups: the source is read and the target written at two
// moments of their own. Shared by bulk and tensor copies. May include only order.h,
// ../cuda/ptx/math.h and the standard library.
#pragma once
#include "../cuda/ptx/math.h"
#include "order.h"
#include <functional>

namespace nanogpt::emulation {

// Reads piece i into `piece`, or writes it from there; both are 16 bytes long.
using ReadPiece = std::function<void(const Flight& flight, uint32_t i, char* piece)>;
using WritePiece = std::function<void(const Flight& flight, uint32_t i, const char* piece)>;
// Issues a store of `count` pieces into the lane's open bulk group.
void issue_bulk_store(const char* what, Site site, uint32_t count, ReadPiece read, WritePiece write);

// One element of a reduction in global memory; in bf16 each sum is rounded.
void add_atomically(const Flight& flight, float* target, float x, Site site);
void add_atomically(const Flight& flight, cuda::bf16* target, cuda::bf16 x, Site site);

}  // namespace nanogpt::emulation
