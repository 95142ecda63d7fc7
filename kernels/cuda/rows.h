// Parameters of the kernels that fetch or store rows by number, as host and device see them. Computes nothing; abi.h says what the
// numbers mean.
// May include only input_error.h and the standard library.
#pragma once
#include "input_error.h"
#include <cstdint>

namespace nanogpt::cuda {

// y: [count, C]; from: [below, C]; numbers: int32[count]. limit: what a number of from's rows is called.
struct RowsParams {
  void* y;
  const void* from;
  const int32_t* numbers;
  InputError* error;
  InputLimit limit;
  uint32_t count, C, below;
};

// cache: a ring of `rows` rows of C; x: [count, C], whose first row has number position[0].
struct CacheRowsParams {
  void* cache;
  const void* x;
  const int32_t* position;
  uint32_t count, rows, C;
};

}  // namespace nanogpt::cuda
