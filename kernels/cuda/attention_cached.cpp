// Launcher of attention over cached keys and values: checks arguments; a block for each query of each head. Neither mask nor
// position is checked here: they are in the GPU's memory, and whatever they are, the kernel reads no key outside the rings.
// May include only attention.h, attention_cached.h, launches.h and the standard library.
#include "attention_cached.h"
#include "attention.h"
#include "launches.h"
#include <cmath>

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_attention_cached(uint64_t context, uint64_t y, uint64_t q, uint64_t keys, uint64_t values,
                                                uint64_t start, uint64_t position, uint32_t N, uint32_t rows, uint32_t H,
                                                uint32_t D, uint32_t dtype) {
  Check check(context, "attention_cached");
  check.address("y", y).address("q", q).address("keys", keys).address("values", values).address("start", start);
  check.address("position", position).size("N", N).size("rows", rows).size("H", H).size("D", D).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  Context& on = check.context();
  if (N > rows)
    return on.fail(NANOGPT_INVALID, "Kernel attention_cached: expected N of at most rows, found N %u, rows %u", N, rows);
  if (D > kMostHeadWidth)
    return on.fail(NANOGPT_INVALID, "Kernel attention_cached: expected D of at most %u, found %u", kMostHeadWidth, D);
  if (uint64_t{N} * H > INT32_MAX)
    return on.fail(NANOGPT_INVALID, "Kernel attention_cached: expected N*H of at most %d, found %llu", INT32_MAX,
                   static_cast<unsigned long long>(uint64_t{N} * H));
  const CachedAttentionParams params{memory<void>(y),
                                     memory<const void>(q),
                                     memory<const void>(keys),
                                     memory<const void>(values),
                                     memory<const int32_t>(start),
                                     memory<const int32_t>(position),
                                     N,
                                     rows,
                                     H,
                                     D,
                                     static_cast<float>(1.0 / std::sqrt(static_cast<double>(D)))};
  return launch(on, by_type(dtype, "attention_cached_f32", "attention_cached_bf16"),
                {{N * H}, kCachedKeys, cached_attention_floats(D) * 4}, params);
}
