// The slots behind posts. A slot that is taken has its own memory and event, so that a collect waits for its copies alone.
// Reports what the driver says, knows no context and no kernel. May include only posts.h and the standard
// library.
#include "posts.h"

namespace nanogpt::cuda {
namespace {

constexpr unsigned kEventWithoutTiming = 2;  // CU_EVENT_DISABLE_TIMING
constexpr size_t kPageBytes = 4096;          // pinned memory comes in pages

}  // namespace

Posts::~Posts() {
  slots_.each([this](Slot& slot) {
    if (slot.copied != nullptr) {
      driver_.event_synchronize(slot.copied);
      driver_.event_destroy(slot.copied);
    }
    if (slot.memory != nullptr) driver_.host_free(slot.memory);
  });
}

Result Posts::make_room(Slot& slot, size_t bytes) {
  if (slot.copied == nullptr) {
    if (const Result result = driver_.event_create(&slot.copied, kEventWithoutTiming)) return result;
  }
  if (slot.capacity >= bytes) return 0;
  if (slot.memory != nullptr) {
    if (const Result result = driver_.host_free(slot.memory)) return result;
    slot.memory = nullptr;
    slot.capacity = 0;
  }
  const size_t capacity = (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  if (const Result result = driver_.host_allocate(&slot.memory, capacity, 0)) return result;
  slot.capacity = capacity;
  return 0;
}

Result Posts::copy(Slot& slot, Source first, Source second, Stream stream) {
  slot.bytes = first.bytes + second.bytes;
  if (const Result result = make_room(slot, slot.bytes)) return result;
  if (const Result result = driver_.copy_to_host(slot.memory, first.address, first.bytes, stream)) return result;
  char* const behind = static_cast<char*>(slot.memory) + first.bytes;
  if (const Result result = driver_.copy_to_host(behind, second.address, second.bytes, stream)) return result;
  return driver_.event_record(slot.copied, stream);
}

Result Posts::post(Source first, Source second, Stream stream, uint64_t* ticket) {
  *ticket = 0;
  uint64_t taken = 0;
  Slot* const slot = slots_.take(&taken);
  if (slot == nullptr) return 0;
  const Result result = copy(*slot, first, second, stream);
  if (result == 0) *ticket = taken;
  else slots_.give_back(taken);
  return result;
}

Result Posts::collect(uint64_t ticket, const char** copies, size_t* bytes) {
  Slot& slot = *slots_.find(ticket);
  slots_.give_back(ticket);
  *copies = static_cast<const char*>(slot.memory);
  *bytes = slot.bytes;
  return driver_.event_synchronize(slot.copied);
}

}  // namespace nanogpt::cuda
