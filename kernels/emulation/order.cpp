// The edges between lanes, as vectors of epochs: one vector a block, shared by those who know the same (after a barrier,
// all of the block), copied when one of them learns more. Knows no memory.
// May include only history.h and the standard library.
#include "history.h"

#if defined(NANOGPT_EMULATION_CHECKS)
#include <algorithm>
#include <cstring>

namespace nanogpt::emulation {

CheckedLaunch checked;

// The epochs of a block's timelines that are known.
class Vector {
 public:
  explicit Vector(size_t timelines) : epochs(timelines) {}
  uint32_t shares = 0;
  std::vector<uint32_t> epochs;
};

VectorShare::VectorShare(Vector* vector) : vector_(vector) {
  if (vector_ != nullptr) vector_->shares++;
}
VectorShare::VectorShare(const VectorShare& other) : VectorShare(other.vector_) {}
VectorShare& VectorShare::operator=(VectorShare other) noexcept {
  std::swap(vector_, other.vector_);
  return *this;
}
VectorShare::~VectorShare() {
  if (vector_ != nullptr && --vector_->shares == 0) delete vector_;
}

namespace {

// The share's vector, its own to change.
Vector& own(VectorShare& share) {
  if (share.get()->shares > 1) {
    Vector* const copy = new Vector(*share.get());
    copy->shares = 0;
    share = VectorShare(copy);
  }
  return *share.get();
}

// Four epochs at a time: most of a checked launch's work is here. As signed numbers, which every processor compares; no
// lane comes to 2^31 epochs.
using Epochs [[gnu::vector_size(16)]] = int32_t;
constexpr size_t kTogether = 4;

Epochs load(const uint32_t* from) {
  Epochs epochs;
  std::memcpy(&epochs, from, sizeof epochs);
  return epochs;
}

// True when nothing in `some` is later than in `all`.
bool holds(const Vector& all, const Vector& some) {
  const uint32_t *const a = all.epochs.data(), *const b = some.epochs.data();
  const size_t count = all.epochs.size(), whole = count / kTogether * kTogether;
  Epochs later{};
  for (size_t i = 0; i < whole; i += kTogether) later |= load(a + i) < load(b + i);
  bool found = (later[0] | later[1] | later[2] | later[3]) != 0;
  for (size_t i = whole; i < count; i++) found |= a[i] < b[i];
  return !found;
}

// The later of the two in each place.
void raise_to(Vector& all, const Vector& some) {
  uint32_t* const a = all.epochs.data();
  const uint32_t* const b = some.epochs.data();
  const size_t count = all.epochs.size(), whole = count / kTogether * kTogether;
  for (size_t i = 0; i < whole; i += kTogether) {
    const Epochs mine = load(a + i), theirs = load(b + i), later = mine < theirs;
    const Epochs latest = (theirs & later) | (mine & ~later);
    std::memcpy(a + i, &latest, sizeof latest);
  }
  for (size_t i = whole; i < count; i++) a[i] = std::max(a[i], b[i]);
}

History& history_of(Lane& lane) { return *lane.history; }

}  // namespace

Clock::Known* Clock::find(uint32_t timeline) {
  for (Known& known : known_)
    if (timeline - known.first < known.epochs.get()->epochs.size()) return &known;
  return nullptr;
}

void Clock::join(const Clock& other) {
  for (const Known& theirs : other.known_) {
    Known* const mine = find(theirs.first);
    if (mine == nullptr) {
      known_.push_back({theirs.first, theirs.epochs, theirs.epochs});
    } else if (mine->epochs.get() != theirs.epochs.get() && mine->joined.get() != theirs.epochs.get()) {
      mine->joined = theirs.epochs;
      if (holds(*theirs.epochs.get(), *mine->epochs.get())) {
        mine->epochs = theirs.epochs;
      } else {
        raise_to(own(mine->epochs), *theirs.epochs.get());
      }
    }
  }
}

void Clock::raise(uint32_t timeline, uint32_t epoch) {
  Known* known = find(timeline);
  if (known == nullptr) {
    const BlockRecord& block = block_of(timeline);
    known_.push_back({block.first, VectorShare(new Vector(size_t{2} * block.threads)), {}});
    known = &known_.back();
  }
  uint32_t& entry = own(known->epochs).epochs[timeline - known->first];
  entry = std::max(entry, epoch);
}

uint32_t Clock::epoch_of(uint32_t timeline) const {
  for (const Known& known : known_) {
    const auto& epochs = known.epochs.get()->epochs;
    if (timeline - known.first < epochs.size()) return epochs[timeline - known.first];
  }
  return 0;
}

BlockRecord& block_of(uint32_t timeline) {
  const auto after = std::upper_bound(checked.blocks.begin(), checked.blocks.end(), timeline,
                                      [](uint32_t t, const auto& block) { return t < block->first; });
  return **(after - 1);
}

bool fenced_between(uint32_t timeline, uint32_t epoch, uint32_t known_epoch) {
  const BlockRecord& block = block_of(timeline);
  if (block.proxy_fences.empty()) return false;
  const auto& fences = block.proxy_fences[(timeline - block.first) % block.threads];
  const auto next = std::upper_bound(fences.begin(), fences.end(), epoch);
  return next != fences.end() && *next <= known_epoch;
}

void publish(Lane& lane, Clock& clock) {
  History& history = history_of(lane);
  clock.join(history.known);
  clock.raise(history.timeline, history.epoch);
  history.epoch++;
}

void observe(Lane& lane, const Clock& clock) { history_of(lane).known.join(clock); }

void rendezvous(Lane* const* lanes, size_t count) {
  Clock all;
  for (size_t i = 0; i < count; i++) publish(*lanes[i], all);
  for (size_t i = 0; i < count; i++) history_of(*lanes[i]).known = all;
}

Flight begin_flight(Lane& issuer, Proxy proxy) {
  History& history = history_of(issuer);
  return {history.known, history.timeline, history.epoch++, history.flights, ++history.flight_epoch, proxy};
}

void finish_flight(const Flight& flight, Clock& clock) {
  clock.join(flight.known);
  clock.raise(flight.issuer, flight.issuer_epoch);
  clock.raise(flight.timeline, flight.epoch);
}

void observe(Lane& lane, const Flight& flight) { finish_flight(flight, history_of(lane).known); }

void fence_async_proxy(Lane& lane) {
  History& history = history_of(lane);
  history.epoch++;
  BlockRecord& block = block_of(history.timeline);
  block.proxy_fences.resize(block.threads);
  block.proxy_fences[history.timeline - block.first].push_back(history.epoch);
}

void fence_memory(Lane& lane) {
  History& history = history_of(lane);
  history.known.join(history.seen);
  history.seen = {};
  history.fenced = {};
  publish(lane, history.fenced);
  history.has_fenced = true;
}

void order_atomic(Lane& lane, uintptr_t address, Order order, bool writes) {
  History& history = history_of(lane);
  const bool acquires = order == Order::acquire || order == Order::acquire_release;
  const bool releases = order == Order::release || order == Order::acquire_release;
  Clock& word = checked.words[address];
  (acquires ? history.known : history.seen).join(word);
  if (writes && releases) {
    publish(lane, word);
  } else if (writes && history.has_fenced) {
    word.join(history.fenced);
  }
}

}  // namespace nanogpt::emulation

#endif
