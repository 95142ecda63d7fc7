// Attention forward: blocks of scores with the online softmax, so that no row of scores is ever whole in memory.
// Only blocks inside the interval mask are visited; only those on its edges are masked. Saves the log of the sums.
// One task serves a group of query blocks of one head, so each key block is packed once per group.
// May include only the headers of this folder.
#include "attention.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {
namespace {

// A row's reference maximum follows its true maximum only when that has grown by this much: until then exponentials
// are at most exp(8), which float32 holds with ease, and the sums need no rescaling.
constexpr float kMaximumSlack = 8.0f;

struct Forward {
  AttentionShape shape;
  void* y;
  float* lse;
  const void *q, *k, *v;
};

// State of one query block while its key blocks pass by.
struct QueryBlock {
  std::byte* q;    // packed operand [64, D]
  float* sum_v;    // sums of exponentials times values, [64, D] with width_stride
  float* maximum;  // reference maximum of each row's scaled scores
  float* sum;      // sum of each row's exponentials
  int64_t first_key_block;
};

// Turns one row of scores into exponentials in place and updates the row's maximum and sum; returns the factor by
// which the row's earlier sums must be multiplied.
template <bool masked>
float softmax_row(float* s, int32_t low, int32_t high, float scale, float& maximum, float& sum) {
  vf best = splat(-INFINITY);
  for (int64_t j = 0; j < kBlock; j += kLanes) {
    const vf x = load(s + j);
    best = vmax(masked ? (inside(j, low, high) ? x : splat(-INFINITY)) : x, best);
  }
  float top = best[0];
  for (int lane = 1; lane < kLanes; lane++) top = std::max(top, best[lane]);
  float factor = 1.0f;
  if (top * scale > maximum + kMaximumSlack) {
    factor = std::exp(maximum - top * scale);
    maximum = top * scale;
  }
  const float shift = maximum == -INFINITY ? 0.0f : maximum;  // no key seen yet
  vf total{};
  for (int64_t j = 0; j < kBlock; j += kLanes) {
    vf p = exp_bounded(load(s + j) * scale - shift);
    if (masked) p = inside(j, low, high) ? p : vf{};
    store(s + j, p);
    total += p;
  }
  sum = sum * factor + lane_sum(total);
  return factor;
}

template <bool masked>
void softmax_block(const AttentionShape& shape, const Rows& queries, const Rows& keys, float* scores, QueryBlock& block) {
  const float scale = shape.scale();
  const int64_t width = shape.width_stride();
  for (int64_t i = 0; i < queries.count; i++) {
    int32_t low = 0, high = kBlock;
    if (masked) shape.visible(queries.first + i, keys, low, high);
    const float factor = softmax_row<masked>(scores + i * shape.score_stride(), low, high, scale, block.maximum[i], block.sum[i]);
    if (factor == 1.0f) continue;
    float* row = block.sum_v + i * width;
    for (int64_t d = 0; d < width; d += kLanes) store(row + d, load(row + d) * factor);
  }
}

void start_block(const Forward& f, int64_t sequence, int64_t head, int64_t index, Scratch& scratch, QueryBlock& block) {
  const AttentionShape& shape = f.shape;
  const Rows rows = shape.rows(sequence, index);
  block.q = scratch.bytes(packed_a_bytes(kBlock, shape.D, shape.precise()));
  block.sum_v = scratch.floats(shape.width_floats());
  block.maximum = scratch.floats(kBlock);
  block.sum = scratch.floats(kBlock);
  block.first_key_block = shape.first_key_block(sequence, index);
  pack_a(block.q, shape.operand(f.q, rows, head, false), rows.count, shape.D, shape.precise());
  std::fill_n(block.sum_v, shape.width_floats(), 0.0f);
  std::fill_n(block.maximum, kBlock, -INFINITY);
  std::fill_n(block.sum, kBlock, 0.0f);
}

void finish_block(const Forward& f, int64_t sequence, int64_t head, int64_t index, const QueryBlock& block) {
  const Rows rows = f.shape.rows(sequence, index);
  for (int64_t i = 0; i < rows.count; i++) {
    const int64_t row = rows.first + i;
    store_row(f.shape, f.y, row, head, block.sum_v + i * f.shape.width_stride(), 1.0f / block.sum[i]);
    f.lse[row * f.shape.H + head] = block.maximum[i] + std::log(block.sum[i]);
  }
}

// All key blocks for the group's query blocks; keys outside, so that each is packed once.
void run_group(const Forward& f, int64_t sequence, int64_t head, int64_t group, std::byte* memory) {
  const AttentionShape& shape = f.shape;
  const bool precise = shape.precise();
  const int64_t first = group * kGroup, end = std::min(first + kGroup, shape.blocks());
  Scratch scratch(memory);
  QueryBlock blocks[kGroup];
  for (int64_t i = first; i < end; i++) start_block(f, sequence, head, i, scratch, blocks[i - first]);
  std::byte* packed_k = scratch.bytes(packed_b_bytes(shape.D, kBlock, precise));
  std::byte* packed_v = scratch.bytes(packed_b_bytes(kBlock, shape.D, precise));
  std::byte* packed_p = scratch.bytes(packed_a_bytes(kBlock, kBlock, precise));
  float* scores = scratch.floats(shape.score_floats());
  std::fill_n(scores, shape.score_floats(), 0.0f);
  const int64_t stride = shape.score_stride();

  for (int64_t j = blocks[0].first_key_block; j < end; j++) {
    const Rows keys = shape.rows(sequence, j);
    pack_b(packed_k, shape.operand(f.k, keys, head, true), shape.D, keys.count, precise);
    pack_b(packed_v, shape.operand(f.v, keys, head, false), keys.count, shape.D, precise);
    for (int64_t i = std::max(first, j); i < end && blocks[i - first].first_key_block <= j; i++) {
      QueryBlock& block = blocks[i - first];
      const Rows queries = shape.rows(sequence, i);
      multiply_packed(scores, stride, block.q, packed_k, queries.count, keys.count, shape.D, false, precise);
      if (shape.needs_mask(queries, keys)) softmax_block<true>(shape, queries, keys, scores, block);
      else softmax_block<false>(shape, queries, keys, scores, block);
      pack_a(packed_p, {scores, stride, false, NANOGPT_F32}, queries.count, keys.count, precise);
      multiply_packed(block.sum_v, shape.width_stride(), packed_p, packed_v, queries.count, shape.D, keys.count, true, precise);
    }
  }
  for (int64_t i = first; i < end; i++) finish_block(f, sequence, head, i, blocks[i - first]);
}

}  // namespace

int32_t attention(uint64_t context, uint64_t y, uint64_t lse, uint64_t q, uint64_t k, uint64_t v, uint64_t start, uint32_t N,
                  uint32_t T, uint32_t H, uint32_t D, uint32_t dtype) {
  Check check(context, "attention");
  check.address("y", y).address("lse", lse).address("q", q).address("k", k).address("v", v).address("start", start);
  const Forward f{{N, T, H, D, dtype, memory<const int32_t>(start)}, memory<void>(y), memory<float>(lse),
                  memory<const void>(q), memory<const void>(k), memory<const void>(v)};
  if (const int32_t status = check_attention(check, f.shape)) return status;
  Context& ctx = check.context();
  const int64_t groups = f.shape.groups();
  ctx.parallel(f.shape.sequences() * H * groups, [&](int64_t task, int thread) {
    run_group(f, task / (H * groups), task / groups % H, task % groups, ctx.thread_scratch(thread));
  });
  return NANOGPT_OK;
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
