// Downloads through pinned memory that the host collects later: a slot each, with an event that says when its copies have
// ended. Slots are made as they are needed and used again, so that after its first steps a run makes none. Knows no op.
// May include only driver.h, ../tickets.h and the standard library.
#pragma once
#include "../tickets.h"
#include "driver.h"

namespace nanogpt::cuda {

// A range of device memory.
struct Source {
  DevicePointer address;
  size_t bytes;
};

class Posts {
 public:
  explicit Posts(const Driver& driver) : driver_(driver) {}
  ~Posts();
  Posts(const Posts&) = delete;
  Posts& operator=(const Posts&) = delete;

  // Enqueues the copy of both ranges, one behind the other. Ticket 0: as many are out as may be.
  Result post(Source first, Source second, Stream stream, uint64_t* ticket);
  // Whether the ticket is out.
  bool has(uint64_t ticket) { return slots_.find(ticket) != nullptr; }
  // Waits for the copies of a ticket that is out, which is then no more, and says where they lie until the next post.
  Result collect(uint64_t ticket, const char** copies, size_t* bytes);

 private:
  struct Slot {
    void* memory = nullptr;
    size_t capacity = 0;
    size_t bytes = 0;
    Event copied = nullptr;
  };
  Result make_room(Slot& slot, size_t bytes);
  Result copy(Slot& slot, Source first, Source second, Stream stream);

  const Driver& driver_;
  Tickets<Slot> slots_;
};

}  // namespace nanogpt::cuda
