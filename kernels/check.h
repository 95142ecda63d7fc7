// Checks of an ABI function's arguments, the same for every library. Each check names the op, the argument, what was
// expected and what was found; the first that fails writes the context's error text, the later ones are skipped. Knows no
// device: a context is anything that can say fail(status, format, ...). Computes nothing else and reads no tensor. May
// include only abi.h and the standard library.
#pragma once
#include "abi.h"
#include <cstdint>

namespace nanogpt {

// Use: Check check(context, "rms_norm");
//      check.address("x", x).size("rows", rows);
//      if (check.failed()) return check.status();
template <class ContextType>
class ArgumentCheck {
 public:
  ArgumentCheck(uint64_t context, const char* op) : context_(*reinterpret_cast<ContextType*>(context)), op_(op) {}

  bool failed() const { return status_ != NANOGPT_OK; }
  int32_t status() const { return status_; }
  ContextType& context() const { return context_; }

  ArgumentCheck& address(const char* name, uint64_t value) {
    if (!failed() && value == 0)
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected an address for %s, found 0", op_, name);
    return *this;
  }

  ArgumentCheck& size(const char* name, uint32_t value) {
    if (!failed() && value == 0)
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s of at least 1, found 0", op_, name);
    return *this;
  }

  ArgumentCheck& dtype(const char* name, uint32_t value) {
    if (!failed() && value != NANOGPT_F32 && value != NANOGPT_BF16)
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s %d (float32) or %d (bf16), found %u", op_, name,
                              NANOGPT_F32, NANOGPT_BF16, value);
    return *this;
  }

  ArgumentCheck& flag(const char* name, uint32_t value) {
    if (!failed() && value > 1)
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s 0 or 1, found %u", op_, name, value);
    return *this;
  }

  // value < limit, both named.
  ArgumentCheck& below(const char* name, uint32_t value, const char* limit_name, uint32_t limit) {
    if (!failed() && value >= limit)
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s below %s %u, found %u", op_, name, limit_name,
                              limit, value);
    return *this;
  }

  ArgumentCheck& at_least(const char* name, uint32_t value, uint32_t minimum) {
    if (!failed() && value < minimum)
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s of at least %u, found %u", op_, name, minimum,
                              value);
    return *this;
  }

  ArgumentCheck& multiple(const char* name, uint32_t value, const char* of_name, uint32_t of) {
    if (!failed() && (of == 0 || value % of != 0))
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s a multiple of %s %u, found %u", op_, name,
                              of_name, of, value);
    return *this;
  }

  // Ranks of a group: at least two, and no more than anyone has.
  ArgumentCheck& ranks(uint32_t value) {
    constexpr uint32_t kMostRanks = 1024;
    if (!failed() && (value < 2 || value > kMostRanks))
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected ranks from 2 to %u, found %u", op_, kMostRanks, value);
    return *this;
  }

  // A batch of matrices of rows x cols: none of the three 0, as many as a grid is deep, and their elements are 32 bits' worth.
  ArgumentCheck& matrices(uint32_t batch, uint32_t rows, uint32_t cols) {
    constexpr uint32_t kMostMatrices = 65535;
    size("batch", batch).size("rows", rows).size("cols", cols);
    const bool fits = uint64_t{rows} * cols <= UINT32_MAX && uint64_t{rows} * cols * batch <= UINT32_MAX;
    if (!failed() && (batch > kMostMatrices || !fits))
      status_ = context_.fail(NANOGPT_INVALID,
                              "Kernel %s: expected batch of at most %u and batch*rows*cols of at most %u, found %u*%u*%u", op_,
                              kMostMatrices, UINT32_MAX, batch, rows, cols);
    return *this;
  }

  ArgumentCheck& even(const char* name, uint32_t value) {
    if (!failed() && value % 2 != 0)
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s even, found %u", op_, name, value);
    return *this;
  }

  // Finite and above 0.
  ArgumentCheck& positive(const char* name, double value) {
    if (!failed() && !(value > 0 && value <= 1.7976931348623157e308))
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s finite and above 0, found %g", op_, name,
                              value);
    return *this;
  }

  // Finite and at least 0.
  ArgumentCheck& not_negative(const char* name, double value) {
    if (!failed() && !(value >= 0 && value <= 1.7976931348623157e308))
      status_ = context_.fail(NANOGPT_INVALID, "Kernel %s: expected %s finite and at least 0, found %g", op_, name,
                              value);
    return *this;
  }

  // Records a failure found by someone else; the first stands.
  ArgumentCheck& failure(int32_t status) {
    if (!failed()) status_ = status;
    return *this;
  }

  const char* op() const { return op_; }

 private:
  ContextType& context_;
  const char* op_;
  int32_t status_ = NANOGPT_OK;
};

}  // namespace nanogpt
