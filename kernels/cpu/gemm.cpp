// General matrix products: see gemm.h. Compiled once per instruction set, over the engines of micro.h.
// The idea (Goto, van de Geijn, "Anatomy of high-performance matrix multiplication", 2008): one operand, the shared one,
// is packed whole by all threads; a task packs a block of the other, the local one, that stays in L2, and streams it past
// one strip of the shared operand at a time, which stays in L1. Sums run over k in pieces cut by (m, n, k) alone, so
// that threads and blocks change no result. It knows no instruction and no op.
#include "gemm.h"
#include "few_rows.h"
#include "micro.h"
#include "output.h"
#include <algorithm>

namespace nanogpt::NANOGPT_ISA_NAMESPACE {
namespace {

// Depth of one microkernel call, in bytes of packed k a row: a strip of the shared operand (16 to 32 rows) must leave
// room in an L1 of 32 to 48 KB for what streams past it.
constexpr int64_t kInnerBytes = 1024;
// Bytes of a local block: on AMX machines the tiles starve once the working set passes half a megabyte.
constexpr int64_t kLocalBytes = 384 << 10;
// Depth up to which a local block holds all of k, so that partial sums stay in L1.
constexpr int64_t kLocalDepthBytes = 2048;
// Depth that the shared operand is packed to at most when it does not fit whole.
constexpr int64_t kSharedDepth = 4096;
// Partial sums of a task, when its local block does not hold all of k.
constexpr int64_t kPartialBytes = 3 << 20;
// Below so many multiply-adds one thread is done before a second one is awake.
constexpr int64_t kSmallProduct = 1 << 19;
// Cost of packing one word of the local block, in multiply-adds of it: an estimate, enough to prefer few shared parts.
constexpr int64_t kPackCost = 32;

template <class Engine>
constexpr int64_t word_bytes_per_depth() {
  return 4 / Engine::Word::kDepth;
}

// How k is cut: microkernel calls of `inner`, local blocks of `local` (a multiple of it).
struct Depths {
  int64_t inner, local;
};

template <class Engine>
Depths cut_depth(int64_t k) {
  constexpr int64_t kInner = kInnerBytes / word_bytes_per_depth<Engine>();
  constexpr int64_t kLocal = kLocalDepthBytes / word_bytes_per_depth<Engine>();
  const int64_t pieces = (k + kInner - 1) / kInner;
  const int64_t inner = round_up((k + pieces - 1) / pieces, 32);
  return {inner, inner * std::max<int64_t>(1, kLocal / inner)};
}

template <class Engine>
int64_t words_of(int64_t depth) {
  return round_up(depth, Engine::kDepthUnit) / Engine::Word::kDepth;
}

// Packs rows [row, row + rows) of a, or columns of b, over [k, k + depth) as `padded` rows.
template <class Engine, bool kIsA>
void pack_part(float* out, const Operand& operand, int64_t row, int64_t rows, int64_t padded, int64_t k, int64_t depth) {
  using Layout = std::conditional_t<kIsA, typename Engine::LayoutA, typename Engine::LayoutB>;
  const bool columns = operand.transposed == kIsA;  // rows are neighbours in memory
  const int64_t first = columns ? k * operand.ld + row : row * operand.ld + k;
  const int64_t words = words_of<Engine>(depth);
  if (operand.dtype == NANOGPT_BF16) {
    const bf16* data = static_cast<const bf16*>(operand.data) + first;
    pack_block<Layout>(out, Block<bf16>{data, operand.ld, rows, depth}, columns, padded, words);
  } else {
    const float* data = static_cast<const float*>(operand.data) + first;
    pack_block<Layout>(out, Block<float>{data, operand.ld, rows, depth}, columns, padded, words);
  }
}

// ---- A product whose shared operand fits in shared scratch -----------------------------------------------------

struct Range {
  int64_t begin, end;
};

// Part `index` of `parts` nearly equal parts of [0, size), cut at multiples of `unit`.
Range part_of(int64_t size, int64_t unit, int64_t index, int64_t parts) {
  const int64_t units = (size + unit - 1) / unit;
  return {std::min(size, units * index / parts * unit), std::min(size, units * (index + 1) / parts * unit)};
}

// Tasks of a product: parts of the local operand's rows times parts of the shared operand's.
struct Grid {
  int64_t local, shared;
};

int64_t parts_of(int64_t size, int64_t part) { return (size + part - 1) / part; }

// The grid whose slowest thread has least to do, for `rows` of the local operand, `block` at most to a task, and `columns`
// of the shared one, `limit` at most to a task.
Grid choose_grid(int64_t rows, int64_t block, int64_t columns, int64_t limit, int threads) {
  const int64_t fewest_shared = parts_of(columns, limit);
  Grid best{1, fewest_shared};
  double best_cost = 0;
  for (int64_t s = fewest_shared; s < fewest_shared + 8 && (s == fewest_shared || columns / s >= 64); s++) {
    const int64_t fewest = parts_of(rows, block);
    int64_t even = fewest;  // the next number that keeps every thread equally busy
    while (even * s % threads != 0) even++;
    for (const int64_t l : {fewest, even}) {
      const double work = static_cast<double>(parts_of(columns, s) + kPackCost) * static_cast<double>(parts_of(rows, l));
      const int64_t rounds = parts_of(l * s, threads);
      const double cost = static_cast<double>(rounds) * work;
      if (best_cost == 0 || cost < best_cost) best = {l, s}, best_cost = cost;
    }
  }
  return best;
}

template <class Engine, bool kLocalIsA>
struct FittingProduct {
  static constexpr int64_t kLocalUnit = kLocalIsA ? Engine::kRows : Engine::kColumns;
  static constexpr int64_t kSharedUnit = kLocalIsA ? Engine::kColumns : Engine::kRows;
  static constexpr int64_t kTile = int64_t{Engine::kRows} * Engine::kColumns;

  Context& context;
  const Operand& local;
  const Operand& shared;
  const Output& output;
  int64_t local_rows, shared_begin, shared_rows, k_begin, k_end;  // of the operands as stored
  Depths depths;
  float* packed;

  int64_t padded_shared() const { return round_up(shared_rows, kSharedUnit); }
  int64_t depth() const { return k_end - k_begin; }
  int64_t local_block() const {
    const int64_t rows = kLocalBytes / (std::min(depths.local, round_up(depth(), 32)) * word_bytes_per_depth<Engine>());
    return std::max(kLocalUnit, rows / kLocalUnit * kLocalUnit);
  }

  void run() const {
    const bool small = local_rows * shared_rows * depth() <= kSmallProduct;
    pack_shared(small);
    const int64_t fitting = kPartialBytes / 4 / local_block() / kSharedUnit * kSharedUnit;
    const int64_t limit = depth() <= depths.local ? shared_rows : fitting;
    const Grid grid = small ? Grid{1, parts_of(shared_rows, limit)}
                            : choose_grid(local_rows, local_block(), shared_rows, limit, context.threads());
    const int64_t tasks = grid.local * grid.shared;
    const auto task = [&](int64_t index, int thread) {
      const typename Engine::Session session;
      const Range rows = part_of(local_rows, kLocalUnit, index / grid.shared, grid.local);
      const Range columns = part_of(shared_rows, kSharedUnit, index % grid.shared, grid.shared);
      auto* scratch = reinterpret_cast<float*>(context.thread_scratch(thread));
      for (int64_t row = rows.begin; row < rows.end; row += local_block())
        multiply_block({row, std::min(rows.end, row + local_block())}, columns, scratch);
    };
    if (small) {
      for (int64_t index = 0; index < tasks; index++) task(index, 0);
    } else {
      context.parallel(tasks, task);
    }
  }

  void pack_shared(bool small) const {
    constexpr int64_t kRowsATask = 8 * kSharedUnit;
    const int64_t row_tasks = (shared_rows + kRowsATask - 1) / kRowsATask;
    const int64_t depth_tasks = (depth() + depths.inner - 1) / depths.inner;
    const auto task = [&](int64_t index, int) {
      const int64_t row = index % row_tasks * kRowsATask, k = index / row_tasks * depths.inner;
      const int64_t piece = std::min(depths.inner, depth() - k), words = words_of<Engine>(piece);
      const int64_t rows = std::min(kRowsATask, shared_rows - row);
      float* out = packed + padded_shared() * (k / Engine::Word::kDepth) + row * words;
      pack_part<Engine, !kLocalIsA>(out, shared, shared_begin + row, rows, round_up(rows, kSharedUnit), k_begin + k, piece);
    };
    if (small) {
      for (int64_t index = 0; index < row_tasks * depth_tasks; index++) task(index, 0);
    } else {
      context.parallel(row_tasks * depth_tasks, task);
    }
  }

  // Rows of the local operand times columns of the shared one. Scratch: the packed block, then partial sums as tiles:
  // of one strip of the shared operand when the block holds all of k, of all its strips otherwise.
  void multiply_block(const Range& rows, const Range& columns, float* scratch) const {
    const int64_t count = rows.end - rows.begin, padded = round_up(count, kLocalUnit), tiles = padded / kLocalUnit;
    const bool whole = depth() <= depths.local;
    float* const partial = scratch + kLocalBytes / 4;
    for (int64_t k = 0; k < depth(); k += depths.local) {
      const int64_t k_stop = std::min(depth(), k + depths.local);
      for (int64_t piece = k; piece < k_stop; piece += depths.inner)
        pack_part<Engine, kLocalIsA>(scratch + padded * ((piece - k) / Engine::Word::kDepth), local, rows.begin, count, padded,
                                     k_begin + piece, std::min(depths.inner, k_stop - piece));
      for (int64_t column = columns.begin; column < columns.end; column += kSharedUnit) {
        float* const sums = whole ? partial : partial + (column - columns.begin) / kSharedUnit * tiles * kTile;
        for (int64_t piece = k; piece < k_stop; piece += depths.inner)
          multiply_strip(scratch + padded * ((piece - k) / Engine::Word::kDepth), column, tiles, piece,
                         std::min(depths.inner, k_stop - piece), count, sums);
        if (k_stop == depth()) finish_strip(sums, rows, column, columns.end);
      }
    }
  }

  // One strip of the shared operand, in L1, against every tile of the local block; fetches the next strip meanwhile.
  void multiply_strip(const float* block, int64_t column, int64_t tiles, int64_t k, int64_t piece, int64_t count,
                      float* sums) const {
    const int64_t words = words_of<Engine>(piece);
    const float* const strip = packed + padded_shared() * (k / Engine::Word::kDepth) + column * words;
    const int64_t lines = kSharedUnit * words / 16, lines_a_tile = lines / tiles + 1;
    const float* next = strip + kSharedUnit * words;
    for (int64_t tile = 0; tile < tiles; tile++) {
      for (int64_t line = 0; line < lines_a_tile; line++, next += 16) __builtin_prefetch(next, 0, 2);
      const float* const other = block + tile * kLocalUnit * words;
      const int64_t rows = kLocalIsA ? count - tile * kLocalUnit : shared_rows - column;
      Engine::multiply(words, kLocalIsA ? other : strip, words, kLocalIsA ? strip : other, sums + tile * kTile,
                       Engine::kColumns, k > 0, rows);
    }
  }

  void finish_strip(const float* sums, const Range& rows, int64_t column, int64_t column_end) const {
    const int64_t width = std::min(kSharedUnit, column_end - column);
    for (int64_t row = rows.begin; row < rows.end; row += kLocalUnit, sums += kTile) {
      const int64_t height = std::min(kLocalUnit, rows.end - row);
      if (kLocalIsA) {
        finish(output, sums, Engine::kColumns, row, shared_begin + column, height, width);
      } else {
        finish(output, sums, Engine::kColumns, shared_begin + column, row, width, height);
      }
    }
  }
};

// ---- Any product -----------------------------------------------------------------------------------------------

template <class Engine, bool kLocalIsA>
void multiply_parts(Context& context, const Product& p, float* packed, size_t packed_bytes) {
  using Fitting = FittingProduct<Engine, kLocalIsA>;
  const int64_t capacity = static_cast<int64_t>(packed_bytes) / word_bytes_per_depth<Engine>();  // elements
  const int64_t local_rows = kLocalIsA ? p.m : p.n, shared_rows = kLocalIsA ? p.n : p.m;
  const Depths depths = cut_depth<Engine>(p.k);
  const bool fits = round_up(shared_rows, Fitting::kSharedUnit) * round_up(p.k, 32) <= capacity;
  const int64_t shared_depth = fits || p.k <= kSharedDepth ? p.k : kSharedDepth / depths.local * depths.local;
  const int64_t most = capacity / round_up(shared_depth, 32) / Fitting::kSharedUnit * Fitting::kSharedUnit;
  for (int64_t row = 0; row < shared_rows; row += most) {
    for (int64_t k = 0; k < p.k; k += shared_depth) {
      const Output output{p.c, p.ldc, p.dtype_c, p.accumulate || k > 0, k > 0 ? nullptr : p.residual, p.finish};
      const Fitting part{context, kLocalIsA ? p.a : p.b, kLocalIsA ? p.b : p.a, output, local_rows, row,
                         std::min(most, shared_rows - row), k, std::min(p.k, k + shared_depth), depths, packed};
      part.run();
    }
  }
}

template <class Engine>
void multiply_with(Context& context, const Product& p, float* packed, size_t packed_bytes) {
  if (p.m >= p.n) {
    multiply_parts<Engine, true>(context, p, packed, packed_bytes);
  } else {
    multiply_parts<Engine, false>(context, p, packed, packed_bytes);
  }
}

// An operand from element (row, column) on.
Operand from(const Operand& x, int64_t row, int64_t column) {
  const int64_t at = x.transposed ? column * x.ld + row : row * x.ld + column;
  return {static_cast<const std::byte*>(x.data) + at * (x.dtype == NANOGPT_BF16 ? 2 : 4), x.ld, x.transposed, x.dtype};
}

// A result that is more than sums in float32, whose operands do not fit for all of k: sums are float32 in scratch until they
// are whole.
template <class Engine>
void multiply_through_sums(Context& context, const Product& p) {
  constexpr int64_t kSide = 1024;  // of the float32 block of sums: 4 MB of the scratch
  constexpr int64_t kSumBytes = kSide * kSide * 4;
  auto* const sums = reinterpret_cast<float*>(context.shared_scratch());
  for (int64_t row = 0; row < p.m; row += kSide) {
    for (int64_t column = 0; column < p.n; column += kSide) {
      const int64_t rows = std::min(kSide, p.m - row), columns = std::min(kSide, p.n - column);
      const Product part{rows, columns, p.k, from(p.a, row, 0), from(p.b, 0, column), sums, columns, NANOGPT_F32};
      multiply_with<Engine>(context, part, sums + kSumBytes / 4, kSharedScratchBytes - kSumBytes);
      const Output output{p.c, p.ldc, p.dtype_c, p.accumulate, p.residual, p.finish};
      context.parallel(rows, [&](int64_t i, int) { finish(output, sums + i * columns, columns, row + i, column, 1, columns); });
    }
  }
}

template <class Engine>
void multiply_any(Context& context, const Product& p) {
  const int64_t narrow = std::min(p.m, p.n) + std::max(Engine::kRows, Engine::kColumns);
  const int64_t bytes = narrow * round_up(p.k, 32) * word_bytes_per_depth<Engine>();
  const bool sums = p.dtype_c == NANOGPT_F32 && p.finish == Finish::added;
  if (!sums && p.k > kSharedDepth && bytes > static_cast<int64_t>(kSharedScratchBytes)) {
    multiply_through_sums<Engine>(context, p);
  } else {
    multiply_with<Engine>(context, p, reinterpret_cast<float*>(context.shared_scratch()), kSharedScratchBytes);
  }
}

// ---- Blocks inside one task ------------------------------------------------------------------------------------

template <class Engine>
size_t packed_bytes(int64_t rows, int64_t unit, int64_t k) {
  return static_cast<size_t>(round_up(rows, unit) * words_of<Engine>(k)) * 4;
}

template <class Engine>
void multiply_blocks(float* c, int64_t ldc, const float* a, int64_t depth, const float* b, int64_t m, int64_t n, int64_t k,
                     bool accumulate) {
  const typename Engine::Session session;
  const int64_t words = words_of<Engine>(k), a_words = words_of<Engine>(depth);
  for (int64_t column = 0; column < n; column += Engine::kColumns)
    for (int64_t row = 0; row < m; row += Engine::kRows)
      Engine::multiply(words, a + row * a_words, a_words, b + column * words, c + row * ldc + column, ldc, accumulate, m - row);
}

}  // namespace

void multiply(Context& context, const Product& product) {
  const bool precise = product.a.dtype == NANOGPT_F32 && product.b.dtype == NANOGPT_F32;
  if (has_few_rows(product)) {
    if (precise) multiply_few_rows<FloatWord<false>>(context, product);
    else multiply_few_rows<FloatWord<true>>(context, product);
  } else if (precise) {
    multiply_any<FloatEngine>(context, product);
  } else {
    multiply_any<Bf16Engine>(context, product);
  }
}

size_t packed_a_bytes(int64_t m, int64_t k, bool precise) {
  return precise ? packed_bytes<FloatEngine>(m, FloatEngine::kRows, k) : packed_bytes<Bf16Engine>(m, Bf16Engine::kRows, k);
}

size_t packed_b_bytes(int64_t k, int64_t n, bool precise) {
  return precise ? packed_bytes<FloatEngine>(n, FloatEngine::kColumns, k)
                 : packed_bytes<Bf16Engine>(n, Bf16Engine::kColumns, k);
}

void pack_a(void* packed, const Operand& a, int64_t m, int64_t k, bool precise) {
  auto* const out = static_cast<float*>(packed);
  if (precise) {
    pack_part<FloatEngine, true>(out, a, 0, m, padded_rows(m, true), 0, k);
  } else {
    pack_part<Bf16Engine, true>(out, a, 0, m, padded_rows(m, false), 0, k);
  }
}

void pack_b(void* packed, const Operand& b, int64_t k, int64_t n, bool precise) {
  auto* const out = static_cast<float*>(packed);
  if (precise) {
    pack_part<FloatEngine, false>(out, b, 0, n, padded_cols(n, true), 0, k);
  } else {
    pack_part<Bf16Engine, false>(out, b, 0, n, padded_cols(n, false), 0, k);
  }
}

int64_t padded_rows(int64_t m, bool precise) { return round_up(m, precise ? FloatEngine::kRows : Bf16Engine::kRows); }
int64_t padded_cols(int64_t n, bool precise) { return round_up(n, precise ? FloatEngine::kColumns : Bf16Engine::kColumns); }

void multiply_packed(float* c, int64_t ldc, const void* packed_a, int64_t depth, const void* packed_b, int64_t m, int64_t n,
                     int64_t k, bool accumulate, bool precise) {
  const auto* const a = static_cast<const float*>(packed_a);
  const auto* const b = static_cast<const float*>(packed_b);
  if (precise) {
    multiply_blocks<FloatEngine>(c, ldc, a, depth, b, m, n, k, accumulate);
  } else {
    multiply_blocks<Bf16Engine>(c, ldc, a, depth, b, m, n, k, accumulate);
  }
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
