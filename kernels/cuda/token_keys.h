// Tokens as the kernels of the embedding's gradient see them: by position, and a token outside the vocabulary as the number
// V, which has no row. Reports nothing: the sort's first pass does.
// May include only ptx.h and token_sort.h.
#pragma once
#include "ptx.h"
#include "token_sort.h"

namespace nanogpt::cuda {

DEVICE uint32_t key_at(const TokenKeys& keys, uint32_t position) {
  const uint32_t token = static_cast<uint32_t>(keys.tokens[position]);
  return token < keys.V ? token : keys.V;
}

}  // namespace nanogpt::cuda
