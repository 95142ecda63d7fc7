// Checks of an ABI function's arguments. Each check names the op, the argument, what was expected and what was found;
// the first that fails writes the context's error text, the later ones are skipped. Computes nothing else.
// May include context.h, simd.h and the standard library.
#pragma once
#include "context.h"
#include "simd.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {

// Use: Check check(context, "rms_norm");
//      check.address("x", x).size("rows", rows);
//      if (check.failed()) return check.status();
class Check {
 public:
  Check(uint64_t context, const char* op) : context_(context_at(context)), op_(op) {}

  bool failed() const { return status_ != NANOGPT_OK; }
  int32_t status() const { return status_; }
  Context& context() const { return context_; }

  Check& address(const char* name, uint64_t value) {
    if (!failed() && value == 0)
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected an address for %s, found 0", op_, name);
    return *this;
  }

  Check& size(const char* name, uint32_t value) {
    if (!failed() && value == 0)
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s of at least 1, found 0", op_, name);
    return *this;
  }

  Check& dtype(const char* name, uint32_t value) {
    if (!failed() && value != NANOGPT_F32 && value != NANOGPT_BF16)
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s %d (float32) or %d (bf16), found %u", op_, name,
                              NANOGPT_F32, NANOGPT_BF16, value);
    return *this;
  }

  Check& flag(const char* name, uint32_t value) {
    if (!failed() && value > 1)
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s 0 or 1, found %u", op_, name, value);
    return *this;
  }

  // value < limit, both named.
  Check& below(const char* name, uint32_t value, const char* limit_name, uint32_t limit) {
    if (!failed() && value >= limit)
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s below %s %u, found %u", op_, name, limit_name,
                              limit, value);
    return *this;
  }

  Check& at_least(const char* name, uint32_t value, uint32_t minimum) {
    if (!failed() && value < minimum)
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s of at least %u, found %u", op_, name, minimum,
                              value);
    return *this;
  }

  Check& multiple(const char* name, uint32_t value, const char* of_name, uint32_t of) {
    if (!failed() && (of == 0 || value % of != 0))
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s a multiple of %s %u, found %u", op_, name,
                              of_name, of, value);
    return *this;
  }

  Check& even(const char* name, uint32_t value) {
    if (!failed() && value % 2 != 0)
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s even, found %u", op_, name, value);
    return *this;
  }

  // Finite and above 0.
  Check& positive(const char* name, double value) {
    if (!failed() && !(value > 0 && value <= 1.7976931348623157e308))
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s finite and above 0, found %g", op_, name,
                              value);
    return *this;
  }

  // Finite and at least 0.
  Check& not_negative(const char* name, double value) {
    if (!failed() && !(value >= 0 && value <= 1.7976931348623157e308))
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s finite and at least 0, found %g", op_, name,
                              value);
    return *this;
  }

  // Every one of the int32 values at an address in [0, limit); names the first that is not.
  Check& values(const char* name, uint64_t address, uint32_t count, const char* limit_name, uint32_t limit) {
    if (failed()) return *this;
    const int32_t* value = reinterpret_cast<const int32_t*>(address);
    uint32_t bad = 0;  // no early exit, so that the loop becomes vector code
    for (uint32_t i = 0; i < count; i++) bad |= value[i] < 0 || static_cast<uint32_t>(value[i]) >= limit;
    if (bad == 0) return *this;
    uint32_t at = 0;
    while (value[at] >= 0 && static_cast<uint32_t>(value[at]) < limit) at++;
    status_ = context_.fail(NANOGPT_INVALID,
                            "Kernel %s: expected every one of %s in 0..%s-1 with %s %u, found %d at position %u", op_,
                            name, limit_name, limit_name, limit, value[at], at);
    return *this;
  }

 private:
  Context& context_;
  const char* op_;
  int32_t status_ = NANOGPT_OK;
};

// The memory at an address of the ABI, as a T.
template <class T>
inline T* memory(uint64_t address) { return reinterpret_cast<T*>(address); }

// Calls body(T{}) with T the element type of a checked dtype.
template <class Body>
inline void by_type(uint32_t dtype, const Body& body) {
  if (dtype == NANOGPT_BF16) body(bf16{});
  else body(float{});
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
