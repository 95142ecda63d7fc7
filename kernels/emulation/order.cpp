// The edges between lanes as vectors of epochs: who has seen what of whom. Knows no memory: shadow and watch ask it whether
// one access comes before another. Compiled to nothing without checks. May include only order.h, watch.h and the standard
// library.
#include "watch.h"

namespace nanogpt::emulation {

#if defined(NANOGPT_EMULATION_CHECKS)

VectorShare::VectorShare(Vector* vector) : vector_(vector) {}
VectorShare::VectorShare(const VectorShare& other) : vector_(other.vector_) {}
VectorShare& VectorShare::operator=(VectorShare other) noexcept { vector_ = other.vector_; return *this; }
VectorShare::~VectorShare() {}
void Clock::join(const Clock&) {}
void launch_begins(const Launch&, const Schedule&) {}
void launch_ends() {}
void block_begins(Block&) {}
void block_ends(Block&) {}
void publish(Lane&, Clock&) {}
void observe(Lane&, const Clock&) {}
void rendezvous(Lane* const*, size_t) {}
Flight begin_flight(Lane&, Proxy) { return {}; }
void finish_flight(const Flight&, Clock&) {}
void observe(Lane&, const Flight&) {}
void fence_async_proxy(Lane&) {}
void fence_memory(Lane&) {}
void note_read(Lane&, const void*, size_t, Site) {}
void note_write(Lane&, void*, size_t, Site) {}
void note_read(const Flight&, const void*, size_t, Site) {}
void note_write(const Flight&, void*, size_t, Site) {}
void poison(const Flight&, void*, size_t, Site) {}
void note_atomic(Lane&, void*, size_t, Order, Site) {}
Unwatched::Unwatched() {}
Unwatched::~Unwatched() {}
void watch(const void*, size_t, Access, bool, const void*) {}
void watch_atomic(const void*, size_t, int, const void*) {}
void watch_fence(int) {}

#endif

}  // namespace nanogpt::emulation
