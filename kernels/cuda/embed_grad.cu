// Kernels of the embedding's gradient over sorted positions (embed_grad.h): a warp sums one chunk's runs over as many columns
// as it has lanes with a pack each; another kernel joins the runs that cross chunks, in order; a third clears the rows of
// tokens that do not occur. Each row is written by one of them, so no sum depends on the grid.
// May include only device.h, vectors.h, token_keys.h and embed_grad.h.
#include "embed_grad.h"
#include "device.h"
#include "token_keys.h"
#include "vectors.h"

namespace nanogpt::cuda {

constexpr uint32_t kAhead = 4;  // rows that are loaded before the first of them is added

DEVICE uint32_t sorted_key(const EmbedGradParams& p, uint32_t i) { return key_at(p.keys, p.order[i]); }

// Whether sorted position i has the same token as the one before it.
DEVICE bool continues(const EmbedGradParams& p, uint32_t i) { return i > 0 && sorted_key(p, i) == sorted_key(p, i - 1); }

DEVICE float* partial_row(const EmbedGradParams& p, uint32_t chunk, uint32_t which) {
  return p.partials + (uint64_t{chunk} * 2 + which) * p.C;
}

template <uint32_t W>
DEVICE Floats<W> sum_of(const Floats<W>& a, const Floats<W>& b) {
  return each<W>([](float x, float y) { return x + y; }, a, b);
}

template <uint32_t W>
DEVICE void write_row(const EmbedGradParams& p, uint32_t key, uint32_t column, const Floats<W>& sum) {
  if (key >= p.keys.V) return;
  float* const to = p.dtable + uint64_t{key} * p.C + column;
  store_floats<W>(to, p.accumulate == 1 ? sum_of(load_floats<W>(to), sum) : sum);
}

// Calls body(width, chunk, column) for every chunk and every 32 packs of columns, given out to warps; `column` is this lane's
// and may lie past the end. Packs where rows and addresses are made of them.
template <class T, class Body>
DEVICE void for_chunk_columns(const EmbedGradParams& p, Body body) {
  const auto with_width = [&](auto width) {
    constexpr uint32_t W = decltype(width)::value;
    const uint32_t slabs = (p.C + 32 * W - 1) / (32 * W);
    for_warps(uint64_t{p.chunks} * slabs, [&](uint64_t item) {
      body(width, static_cast<uint32_t>(item / slabs), (static_cast<uint32_t>(item % slabs) * 32 + lane_index()) * W);
    });
  };
  constexpr uint32_t kWide = kPack<T>;
  const bool packs = p.C % kWide == 0 && holds_packs<kWide>(static_cast<const T*>(p.dy)) && holds_packs<4>(p.dtable);
  if (packs) with_width(std::integral_constant<uint32_t, kWide>{});
  else with_width(std::integral_constant<uint32_t, 1>{});
}

// The sum of the run that passes by.
template <uint32_t W>
struct Run {
  Floats<W> sum;
  bool fresh;      // nothing added yet
  bool first;      // the chunk's first
  bool continued;  // it began in an earlier chunk

  DEVICE void add(const Floats<W>& row) {
    sum = fresh ? row : sum_of(sum, row);
    fresh = false;
  }
};

// The run with token `key` ends, or its part in this chunk does: writes it where it belongs.
template <uint32_t W>
DEVICE void finish_run(const EmbedGradParams& p, Run<W>& run, uint32_t chunk, uint32_t column, uint32_t key, bool ended) {
  if (column < p.C) {
    if (!run.continued && ended) write_row(p, key, column, run.sum);
    else store_floats<W>(partial_row(p, chunk, run.first ? 0 : 1) + column, run.sum);
  }
  if (p.present != nullptr && !run.continued && column == 0 && key < p.keys.V) p.present[key] = 1;
  run.fresh = true;
  run.first = run.continued = false;
}

// Sums the runs of one chunk over this lane's columns. The lanes hold 32 positions at a time and pass them around.
template <class T, uint32_t W>
DEVICE void sum_chunk(const EmbedGradParams& p, uint32_t chunk, uint32_t column) {
  const uint32_t N = p.keys.N, begin = chunk * p.chunk, end = N - begin < p.chunk ? N : begin + p.chunk;
  const T* const dy = static_cast<const T*>(p.dy) + (column < p.C ? column : 0);
  Run<W> run{{}, true, true, continues(p, begin)};
  for (uint32_t first = begin; first < end; first += 32) {
    const uint32_t mine = first + lane_index();
    const uint32_t position = mine < end ? p.order[mine] : 0;
    const uint32_t key = mine < end ? key_at(p.keys, position) : 0;
    const uint32_t ends = ballot(mine < end && !(mine + 1 < N && continues(p, mine + 1)));
    const uint32_t count = end - first < 32 ? end - first : 32;
    for (uint32_t j = 0; j < count; j += kAhead) {
      Pack<T, W> rows[kAhead];
      UNROLL
      for (uint32_t k = 0; k < kAhead; k++) {
        const uint32_t row = shuffle(position, j + k);
        if (j + k < count) rows[k] = load_pack<W>(dy + uint64_t{row} * p.C);
      }
      UNROLL
      for (uint32_t k = 0; k < kAhead; k++) {
        const uint32_t of = shuffle(key, j + k);
        if (j + k >= count) continue;
        run.add(unpack(rows[k]));
        const bool ended = (ends >> (j + k) & 1) != 0;
        if (ended || first + j + k + 1 == end) finish_run(p, run, chunk, column, of, ended);
      }
    }
  }
}

template <class T>
DEVICE void embed_grad_sum(const EmbedGradParams& p) {
  for_chunk_columns<T>(p, [&](auto width, uint32_t chunk, uint32_t column) {
    sum_chunk<T, decltype(width)::value>(p, chunk, column);
  });
}
KERNELS_BY_TYPE(embed_grad_sum, EmbedGradParams, 256)

// Of the chunks from `from` on, up to 32: how many begin with a run that began before and has this token.
DEVICE uint32_t chunks_reached(const EmbedGradParams& p, uint32_t from, uint32_t key) {
  const uint64_t begin = (uint64_t{from} + lane_index()) * p.chunk;
  const uint32_t others = ~ballot(begin < p.keys.N && sorted_key(p, static_cast<uint32_t>(begin)) == key);
  return others == 0 ? 32 : count_bits((others & (0u - others)) - 1);
}

// Sums the parts of the run that begins in this chunk and goes on in the next, if there is one.
template <uint32_t W>
DEVICE void join_run(const EmbedGradParams& p, uint32_t chunk, uint32_t column) {
  const uint32_t begin = chunk * p.chunk;
  if (p.keys.N - begin <= p.chunk || !continues(p, begin + p.chunk)) return;
  const uint32_t key = sorted_key(p, begin + p.chunk);
  const bool whole = sorted_key(p, begin) == key;  // the chunk's first run is also its last
  if (whole && continues(p, begin)) return;
  const uint32_t from = column < p.C ? column : 0;
  Floats<W> sum = load_floats<W>(partial_row(p, chunk, whole ? 0 : 1) + from);
  for (uint32_t next = chunk + 1;;) {
    const uint32_t reached = chunks_reached(p, next, key);
    for (uint32_t j = 0; j < reached; j++) sum = sum_of(sum, load_floats<W>(partial_row(p, next + j, 0) + from));
    if (reached < 32) break;
    next += 32;
  }
  if (column < p.C) write_row(p, key, column, sum);
}

template <class T>
DEVICE void embed_grad_join(const EmbedGradParams& p) {
  for_chunk_columns<T>(p, [&](auto width, uint32_t chunk, uint32_t column) {
    join_run<decltype(width)::value>(p, chunk, column);
  });
}
KERNELS_BY_TYPE(embed_grad_join, EmbedGradParams, 256)

// Rows of tokens that do not occur become 0.
KERNEL(embed_grad_rest, EmbedGradParams, 256) {
  const EmbedGradParams& p = params;
  const bool packs = p.C % 4 == 0 && holds_packs<4>(p.dtable);
  for_warps(p.keys.V, [&](uint64_t v) {
    if (p.present[v] != 0) return;
    float* const row = p.dtable + v * p.C;
    if (packs) {
      for (uint32_t i = lane_index() * 4; i < p.C; i += 32 * 4) store_floats<4>(row + i, Floats<4>{});
    } else {
      for (uint32_t i = lane_index(); i < p.C; i += 32) row[i] = 0.0f;
    }
  });
}

}  // namespace nanogpt::cuda
