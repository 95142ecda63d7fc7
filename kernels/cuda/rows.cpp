// Launchers of the ops that fetch or store rows by number: embed, select_row and cache_rows. A number outside the rows is found by the kernel and
// told by the next sync or download.
// May include only launches.h and rows.h.
#include "rows.h"
#include "launches.h"

namespace nanogpt::cuda {
namespace {

RowsParams rows_params(Context& context, uint64_t y, uint64_t from, uint64_t numbers, InputLimit limit, uint32_t count,
                       uint32_t C, uint32_t below) {
  return {memory<void>(y), memory<const void>(from), memory<const int32_t>(numbers), memory<InputError>(context.input_error()),
          limit,           count,                    C,                              below};
}

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_embed(uint64_t context, uint64_t y, uint64_t table, uint64_t tokens, uint32_t N, uint32_t C,
                                     uint32_t V, uint32_t dtype) {
  Check check(context, "embed");
  check.address("y", y).address("table", table).address("tokens", tokens).size("N", N).size("C", C).size("V", V);
  check.dtype("dtype", dtype);
  if (check.failed()) return check.status();
  return launch(check.context(), by_type(dtype, "embed_f32", "embed_bf16"), warp_shape(check.context(), N),
                rows_params(check.context(), y, table, tokens, InputLimit::token, N, C, V));
}

NANOGPT_EXPORT int32_t nanogpt_select_row(uint64_t context, uint64_t y, uint64_t x, uint64_t index, uint32_t N, uint32_t C,
                                          uint32_t dtype) {
  Check check(context, "select_row");
  check.address("y", y).address("x", x).address("index", index).size("N", N).size("C", C).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  return launch(check.context(), by_type(dtype, "select_row_f32", "select_row_bf16"), warp_shape(check.context(), 1),
                rows_params(check.context(), y, x, index, InputLimit::row, 1, C, N));
}

NANOGPT_EXPORT int32_t nanogpt_cache_rows(uint64_t context, uint64_t cache, uint64_t x, uint64_t position, uint32_t N,
                                          uint32_t rows, uint32_t C, uint32_t dtype) {
  Check check(context, "cache_rows");
  check.address("cache", cache).address("x", x).address("position", position).size("N", N).size("rows", rows).size("C", C);
  check.dtype("dtype", dtype);
  if (check.failed()) return check.status();
  if (N > rows)
    return check.context().fail(NANOGPT_INVALID, "Kernel cache_rows: expected N of at most rows, found N %u, rows %u", N, rows);
  const CacheRowsParams params{memory<void>(cache), memory<const void>(x), memory<const int32_t>(position), N, rows, C};
  return launch(check.context(), by_type(dtype, "cache_rows_f32", "cache_rows_bf16"), warp_shape(check.context(), N), params);
}
