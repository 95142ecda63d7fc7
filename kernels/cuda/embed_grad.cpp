// Launcher of the embedding's gradient: sorts the positions by token, then sums runs of equal tokens. All that lies in
// scratch memory is cut by the shapes alone. A token outside the vocabulary is found by the sort and told by the next sync or
// download; its rows are left out.
// May include only launches.h and embed_grad.h.
#include "embed_grad.h"
#include "launches.h"
#include <utility>

namespace nanogpt::cuda {
namespace {

constexpr uint32_t kMostRows = 6291456;  // N + V, as abi.h says
constexpr uint32_t kChunk = 32;          // sorted positions of a chunk, at least; a multiple of the lanes of a warp

// The scratch memory: positions before and after a pass, the sort's counts, which tokens occur, partial sums.
struct Layout {
  uint32_t* from;
  uint32_t* to;
  uint32_t* counts;
  uint32_t* present;
  float* partials;
  uint32_t tiles, chunk, chunks;
};

Layout layout_of(Context& context, uint32_t N, uint32_t C, uint32_t V) {
  Layout l{};
  l.tiles = blocks_for(N, kSortTile);
  l.from = memory<uint32_t>(context.scratch());
  l.to = l.from + N;
  l.counts = l.to + N;
  l.present = l.counts + uint64_t{kDigits} * l.tiles;
  const uint64_t words = (2 * uint64_t{N} + uint64_t{kDigits} * l.tiles + V + 3) / 4 * 4;  // whole packs of 16 bytes
  l.partials = memory<float>(context.scratch()) + words;
  const uint64_t rows = (kScratchBytes / sizeof(float) - words) / C;
  l.chunk = kChunk;
  while (l.chunk < N && uint64_t{blocks_for(N, l.chunk)} * 2 > rows) l.chunk *= 2;  // one chunk alone leaves no partial sum
  l.chunks = blocks_for(N, l.chunk);
  return l;
}

// Sorts the positions by token: stable, one pass for each eight bits of V. The result is layout.from.
int32_t sort_positions(Context& context, Layout& layout, const TokenKeys& keys) {
  for (uint32_t shift = 0; shift < 32 && keys.V >> shift != 0; shift += 8) {
    const TokenSortParams params{keys,          shift == 0 ? nullptr : layout.from, layout.to,
                                 layout.counts, memory<InputError>(context.input_error()), shift, layout.tiles};
    const LaunchShape count{{layout.tiles}, kSortThreads, kDigits * sizeof(uint32_t)};
    const LaunchShape places{{1}, kSortScanThreads, kDigits * sizeof(uint32_t)};
    const LaunchShape scatter{{layout.tiles}, kSortThreads, kSortThreads / 32 * kDigits * sizeof(uint32_t)};
    if (const int32_t status = launch(context, "token_sort_count", count, params)) return status;
    if (const int32_t status = launch(context, "token_sort_places", places, params)) return status;
    if (const int32_t status = launch(context, "token_sort_scatter", scatter, params)) return status;
    std::swap(layout.from, layout.to);
  }
  return NANOGPT_OK;
}

}  // namespace
}  // namespace nanogpt::cuda

using namespace nanogpt::cuda;

NANOGPT_EXPORT int32_t nanogpt_embed_grad(uint64_t context, uint64_t dtable, uint64_t dy, uint64_t tokens, uint32_t N, uint32_t C,
                                          uint32_t V, uint32_t accumulate, uint32_t dtype) {
  Check check(context, "embed_grad");
  check.address("dtable", dtable).address("dy", dy).address("tokens", tokens).size("N", N).size("C", C).size("V", V);
  check.flag("accumulate", accumulate).dtype("dtype", dtype);
  if (check.failed()) return check.status();
  Context& on = check.context();
  if (uint64_t{N} + V > kMostRows)
    return on.fail(NANOGPT_INVALID, "Kernel embed_grad: expected N + V of at most %u, found N %u, V %u", kMostRows, N, V);
  Layout layout = layout_of(on, N, C, V);
  const TokenKeys keys{memory<const int32_t>(tokens), N, V};
  if (const int32_t status = sort_positions(on, layout, keys)) return status;
  const bool clears = accumulate == 0;
  const EmbedGradParams params{memory<float>(dtable), memory<const void>(dy), keys, layout.from, layout.partials,
                               clears ? layout.present : nullptr, C, layout.chunk, layout.chunks, accumulate};
  if (clears) {
    if (const int32_t status = on.clear(reinterpret_cast<uint64_t>(layout.present), uint64_t{V} * sizeof(uint32_t))) return status;
  }
  // A warp for 32 packs of columns of a chunk.
  const uint64_t warps = uint64_t{layout.chunks} * blocks_for(C, 32 * (dtype == NANOGPT_BF16 ? 8 : 4));
  const LaunchShape shape = warp_shape(on, warps);
  const char* const sum = by_type(dtype, "embed_grad_sum_f32", "embed_grad_sum_bf16");
  if (const int32_t status = launch(on, sum, shape, params)) return status;
  if (layout.chunks > 1) {
    const char* const join = by_type(dtype, "embed_grad_join_f32", "embed_grad_join_bf16");
    if (const int32_t status = launch(on, join, shape, params)) return status;
  }
  return clears ? launch(on, "embed_grad_rest", warp_shape(on, V), params) : NANOGPT_OK;
}
