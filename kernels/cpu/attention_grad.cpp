// Attention backward: probabilities recomputed from the saved log of the sums, block by block, as in the forward.
// A task owns a segment of one sequence and head: dk and dv of its keys from every query that sees them, dq of its
// queries. Pairs of blocks inside a segment take five products; pairs that cross into one take seven, as the segment of
// the keys and that of the queries each recompute them. Segments depend on shapes alone, so threads change no result.
// May include only the headers of this folder.
#include "attention.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {
namespace {

constexpr int64_t kGroup = 4;           // blocks whose operands and sums a task keeps in its cache
constexpr int64_t kTasks = 16;           // heads are cut into segments until there are so many tasks,
constexpr int64_t kSegmentBlocks = 64;   // and so that a long sequence keeps many cores busy

struct Backward {
  AttentionShape shape;
  void *dq, *dk, *dv;
  const void *dy, *q, *k, *v, *y;
  const float* lse;
  float* delta;  // [N,H]: sum over D of dy*y
};

// The packed forms of one query block and the row constants of its probabilities.
struct Queries {
  Rows rows;
  std::byte *q_left, *dy_left;    // [64, D] as left operands: scores and their gradients
  std::byte *q_right, *dy_right;  // [64, D] as right operands: dk and dv
  float *lse2, *delta;            // lse in powers of 2
};

struct Keys {
  Rows rows;
  std::byte *k_transposed, *v_transposed;  // [D, 64] as right operands
  std::byte* k_right;                      // [64, D] as right operand: dq
  float *dk, *dv;                          // sums, [64, D] with width_stride
};

// Two blocks [query, key]: scores, which become probabilities; gradients of probabilities, which become dscores/scale.
struct Pair {
  float *probabilities, *gradients;
  std::byte* packed;  // one of them as left operand
};

void take(const AttentionShape& s, Scratch& scratch, Queries& block) {
  const bool precise = s.precise();
  block.q_left = scratch.bytes(packed_a_bytes(kBlock, s.D, precise));
  block.dy_left = scratch.bytes(packed_a_bytes(kBlock, s.D, precise));
  block.q_right = scratch.bytes(packed_b_bytes(kBlock, s.D, precise));
  block.dy_right = scratch.bytes(packed_b_bytes(kBlock, s.D, precise));
  block.lse2 = scratch.floats(kBlock);
  block.delta = scratch.floats(kBlock);
}

void take(const AttentionShape& s, Scratch& scratch, Keys& block) {
  const bool precise = s.precise();
  block.k_transposed = scratch.bytes(packed_b_bytes(s.D, kBlock, precise));
  block.v_transposed = scratch.bytes(packed_b_bytes(s.D, kBlock, precise));
  block.k_right = scratch.bytes(packed_b_bytes(kBlock, s.D, precise));
  block.dk = scratch.floats(s.width_floats());
  block.dv = scratch.floats(s.width_floats());
}

void take(const AttentionShape& s, Scratch& scratch, Pair& pair) {
  pair.probabilities = scratch.floats(s.score_floats());
  pair.gradients = scratch.floats(s.score_floats());
  pair.packed = scratch.bytes(packed_a_bytes(kBlock, kBlock, s.precise()));
}

void clear(const AttentionShape& s, Pair& pair) {
  std::fill_n(pair.probabilities, s.score_floats(), 0.0f);
  std::fill_n(pair.gradients, s.score_floats(), 0.0f);
}

void load_queries(const Backward& b, int64_t sequence, int64_t head, int64_t index, bool right, Queries& block) {
  const AttentionShape& s = b.shape;
  block.rows = s.rows(sequence, index);
  const Operand q = s.operand(b.q, block.rows, head, false), dy = s.operand(b.dy, block.rows, head, false);
  pack_a(block.q_left, q, block.rows.count, s.D, s.precise());
  pack_a(block.dy_left, dy, block.rows.count, s.D, s.precise());
  if (right) {
    pack_b(block.q_right, q, block.rows.count, s.D, s.precise());
    pack_b(block.dy_right, dy, block.rows.count, s.D, s.precise());
  }
  for (int64_t i = 0; i < block.rows.count; i++) {
    block.lse2[i] = b.lse[(block.rows.first + i) * s.H + head] * kLog2E;
    block.delta[i] = b.delta[(block.rows.first + i) * s.H + head];
  }
}

void load_keys(const Backward& b, int64_t sequence, int64_t head, int64_t index, Keys& block) {
  const AttentionShape& s = b.shape;
  block.rows = s.rows(sequence, index);
  pack_b(block.k_transposed, s.operand(b.k, block.rows, head, true), s.D, block.rows.count, s.precise());
  pack_b(block.v_transposed, s.operand(b.v, block.rows, head, true), s.D, block.rows.count, s.precise());
  pack_b(block.k_right, s.operand(b.k, block.rows, head, false), block.rows.count, s.D, s.precise());
}

template <bool masked>
void softmax_grad(const AttentionShape& s, const Queries& queries, const Keys& keys, Pair& pair) {
  const float scale2 = s.scale() * kLog2E;
  for (int64_t i = 0; i < queries.rows.count; i++) {
    float* p = pair.probabilities + i * s.score_stride();
    float* g = pair.gradients + i * s.score_stride();
    int32_t low = 0, high = kBlock;
    if (masked) s.visible(queries.rows.first + i, keys.rows, low, high);
    for (int64_t j = 0; j < kBlock; j += kLanes) {
      vf x = exp2_bounded(load(p + j) * scale2 - queries.lse2[i]);
      vf dx = x * (load(g + j) - queries.delta[i]);
      if (masked) {
        const vi seen = inside(j, low, high);
        x = seen ? x : vf{};
        dx = seen ? dx : vf{};
      }
      store(p + j, x);
      store(g + j, dx);
    }
  }
}

// Probabilities and their gradients for one pair of blocks.
void recompute(const AttentionShape& s, const Queries& queries, const Keys& keys, Pair& pair) {
  const int64_t m = queries.rows.count, n = keys.rows.count, stride = s.score_stride();
  multiply_packed(pair.probabilities, stride, queries.q_left, s.D, keys.k_transposed, m, n, s.D, false, s.precise());
  multiply_packed(pair.gradients, stride, queries.dy_left, s.D, keys.v_transposed, m, n, s.D, false, s.precise());
  if (s.needs_mask(queries.rows, keys.rows)) softmax_grad<true>(s, queries, keys, pair);
  else softmax_grad<false>(s, queries, keys, pair);
}

// dv += P^T dy and dk += dS^T q for one pair of blocks.
void add_key_gradients(const AttentionShape& s, const Queries& queries, const Keys& keys, const Pair& pair) {
  const int64_t m = queries.rows.count, n = keys.rows.count, width = s.width_stride();
  pack_a(pair.packed, {pair.probabilities, s.score_stride(), true, NANOGPT_F32}, n, m, s.precise());
  multiply_packed(keys.dv, width, pair.packed, m, queries.dy_right, n, s.D, m, true, s.precise());
  pack_a(pair.packed, {pair.gradients, s.score_stride(), true, NANOGPT_F32}, n, m, s.precise());
  multiply_packed(keys.dk, width, pair.packed, m, queries.q_right, n, s.D, m, true, s.precise());
}

// dq += dS k for one pair of blocks.
void add_query_gradient(const AttentionShape& s, const Queries& queries, const Keys& keys, const Pair& pair, float* dq) {
  const int64_t m = queries.rows.count, n = keys.rows.count;
  pack_a(pair.packed, {pair.gradients, s.score_stride(), false, NANOGPT_F32}, m, n, s.precise());
  multiply_packed(dq, s.width_stride(), pair.packed, n, keys.k_right, m, s.D, n, true, s.precise());
}

void write_block(const AttentionShape& s, void* out, const Rows& rows, int64_t head, const float* x, float factor) {
  for (int64_t i = 0; i < rows.count; i++) store_row(s, out, rows.first + i, head, x + i * s.width_stride(), factor);
}

// Blocks [first, end) of one sequence and head, with the sums of their dq.
struct Segment {
  int64_t sequence, head, first, end;
  float* dq;  // [end - first] blocks of [64, D] with width_stride
  float* dq_of(const AttentionShape& s, int64_t index) const { return dq + (index - first) * s.width_floats(); }
};

// dq of the group of query blocks from `first` on, as far as it comes from keys before the segment.
void add_earlier_keys(const Backward& b, const Segment& segment, int64_t first, Scratch scratch) {
  const AttentionShape& s = b.shape;
  const int64_t end = std::min(first + kGroup, segment.end);
  const int64_t first_key = s.first_key_block(segment.sequence, first);
  if (first_key >= segment.first) return;
  Queries queries[kGroup];
  Keys keys;
  Pair pair;
  take(s, scratch, keys);
  take(s, scratch, pair);
  clear(s, pair);
  for (int64_t i = first; i < end; i++) {
    take(s, scratch, queries[i - first]);
    load_queries(b, segment.sequence, segment.head, i, false, queries[i - first]);
  }
  for (int64_t j = first_key; j < segment.first; j++) {
    load_keys(b, segment.sequence, segment.head, j, keys);
    for (int64_t i = first; i < end && s.first_key_block(segment.sequence, i) <= j; i++) {
      recompute(s, queries[i - first], keys, pair);
      add_query_gradient(s, queries[i - first], keys, pair, segment.dq_of(s, i));
    }
  }
}

// dk and dv of the group of key blocks from `first` on, and what the group gives to dq of the segment's queries. The
// group is the last that its own queries see, so their dq is whole and is written.
void run_key_group(const Backward& b, const Segment& segment, int64_t first, Scratch scratch) {
  const AttentionShape& s = b.shape;
  const int64_t end = std::min(first + kGroup, segment.end);
  Keys keys[kGroup];
  Queries queries;
  Pair pair;
  take(s, scratch, queries);
  take(s, scratch, pair);
  clear(s, pair);
  for (int64_t j = first; j < end; j++) {
    Keys& block = keys[j - first];
    take(s, scratch, block);
    load_keys(b, segment.sequence, segment.head, j, block);
    std::fill_n(block.dk, s.width_floats(), 0.0f);
    std::fill_n(block.dv, s.width_floats(), 0.0f);
  }
  for (int64_t i = first; i < s.blocks(); i++) {
    const int64_t first_key = s.first_key_block(segment.sequence, i);
    if (first_key >= end) break;
    load_queries(b, segment.sequence, segment.head, i, true, queries);
    for (int64_t j = std::max(first, first_key); j < end && j <= i; j++) {
      recompute(s, queries, keys[j - first], pair);
      add_key_gradients(s, queries, keys[j - first], pair);
      if (i < segment.end) add_query_gradient(s, queries, keys[j - first], pair, segment.dq_of(s, i));
    }
    if (i < end) write_block(s, b.dq, queries.rows, segment.head, segment.dq_of(s, i), s.scale());
  }
  for (int64_t j = first; j < end; j++) {
    write_block(s, b.dk, keys[j - first].rows, segment.head, keys[j - first].dk, s.scale());
    write_block(s, b.dv, keys[j - first].rows, segment.head, keys[j - first].dv, 1.0f);
  }
}

void run_segment(const Backward& b, Segment segment, Scratch scratch) {
  const int64_t floats = (segment.end - segment.first) * b.shape.width_floats();
  segment.dq = scratch.floats(floats);
  std::fill_n(segment.dq, floats, 0.0f);
  for (int64_t i = segment.first; i < segment.end; i += kGroup) add_earlier_keys(b, segment, i, scratch);
  for (int64_t j = segment.first; j < segment.end; j += kGroup) run_key_group(b, segment, j, scratch);
}

template <class T>
void delta_of_row(const Backward& b, int64_t row) {
  const AttentionShape& s = b.shape;
  for (int64_t head = 0; head < s.H; head++) {
    const T* dy = static_cast<const T*>(b.dy) + (row * s.H + head) * s.D;
    const T* y = static_cast<const T*>(b.y) + (row * s.H + head) * s.D;
    vf sum{};
    by_vectors(s.D, [&](int64_t d, auto part) { sum += load(dy + d, part) * load(y + d, part); });
    b.delta[row * s.H + head] = lane_sum(sum);
  }
}

void compute_delta(Context& context, const Backward& b) {
  context.parallel((b.shape.N + kBlock - 1) / kBlock, [&](int64_t task, int) {
    for (int64_t row = task * kBlock; row < std::min(b.shape.N, (task + 1) * kBlock); row++) {
      if (b.shape.precise()) delta_of_row<float>(b, row);
      else delta_of_row<bf16>(b, row);
    }
  });
}

// Scratch that a segment needs beside its sums of dq.
size_t group_bytes(const AttentionShape& s) {
  Scratch scratch(nullptr);
  Queries queries;
  Pair pair;
  Keys keys;
  take(s, scratch, pair);
  for (int64_t j = 0; j < kGroup; j++) {
    take(s, scratch, queries);
    take(s, scratch, keys);
  }
  return scratch.used();
}

// Blocks of a segment: whole groups, their sums of dq within a thread's scratch.
int64_t segment_blocks(const AttentionShape& s) {
  const int64_t heads = s.sequences() * s.H;
  const int64_t cuts = heads >= kTasks ? 1 : (kTasks + heads - 1) / heads;
  const int64_t room = static_cast<int64_t>(kThreadScratchBytes - group_bytes(s)) / (s.width_floats() * 4);
  const int64_t wanted = std::min(kSegmentBlocks, round_up((s.blocks() + cuts - 1) / cuts, kGroup));
  return std::min(wanted, room / kGroup * kGroup);
}

void run_all(Context& context, const Backward& b) {
  const AttentionShape& s = b.shape;
  const int64_t length = segment_blocks(s), segments = (s.blocks() + length - 1) / length;
  context.parallel(s.sequences() * s.H * segments, [&](int64_t task, int thread) {
    const int64_t first = task % segments * length;
    const Segment segment{task / (s.H * segments), task / segments % s.H, first, std::min(first + length, s.blocks()), nullptr};
    run_segment(b, segment, Scratch(context.thread_scratch(thread)));
  });
}

}  // namespace

int32_t attention_grad(uint64_t context, uint64_t dq, uint64_t dk, uint64_t dv, uint64_t dy, uint64_t q, uint64_t k, uint64_t v,
                       uint64_t y, uint64_t lse, uint64_t start, uint64_t workspace, uint32_t N, uint32_t T, uint32_t H,
                       uint32_t D, uint32_t dtype, uint32_t form) {
  Check check(context, "attention_grad");
  check_form(check, form);
  check.address("dq", dq).address("dk", dk).address("dv", dv).address("dy", dy).address("q", q).address("k", k).address("v", v);
  check.address("y", y).address("lse", lse).address("start", start).address("workspace", workspace);
  const Backward b{{N, T, H, D, dtype, memory<const int32_t>(start)},
                   memory<void>(dq), memory<void>(dk), memory<void>(dv), memory<const void>(dy), memory<const void>(q),
                   memory<const void>(k), memory<const void>(v), memory<const void>(y), memory<const float>(lse),
                   memory<float>(workspace)};
  const AttentionShape& s = b.shape;
  if (const int32_t status = check_attention(check, s)) return status;
  Context& ctx = check.context();
  compute_delta(ctx, b);
  run_all(ctx, b);
  return NANOGPT_OK;
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
