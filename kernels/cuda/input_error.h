// How a kernel tells the host of an input that only it can see, such as a token outside the vocabulary: four words of device
// memory that the context clears, reads and turns into an error text. Only the first such input is told. May include only
// the standard library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda {

enum class InputLimit : uint32_t { none = 0, token = 1, target = 2, row = 3 };

struct InputError {
  uint32_t limit;  // an InputLimit
  uint32_t position;
  int32_t found;
  uint32_t below;
};

}  // namespace nanogpt::cuda
