// Attention forward: blocks of scores with the online softmax, so that no row of scores is ever whole in memory.
// Scores are held as [keys, queries]: the lanes of a vector are queries, so that maxima and sums take no step across
// lanes, and exponentials are the right operand of [D, queries] += values^T exponentials as they lie. Only keys inside
// the interval mask are visited; only blocks on its edges are masked. Saves the log of the sums. One task serves a group
// of query blocks of one head, so each key block is packed once a group. May include only the headers of this folder.
#include "attention.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {
namespace {

// A query's reference maximum follows its true maximum only when that has grown by this much: until then exponentials
// are at most exp(8), which float32 holds with ease, and the sums need no rescaling.
constexpr float kMaximumSlack = 8.0f;
constexpr int64_t kQueryGroup = 8;  // query blocks of a task
constexpr int64_t kMostKeys = 128;  // in a key block

struct Forward {
  AttentionShape shape;
  void* y;
  float* lse;
  const void *q, *k, *v;

  // Keys of a key block: whole strips of a left operand, so that no product computes rows that do not exist.
  int64_t key_rows() const {
    const int64_t strip = padded_rows(1, shape.precise());
    return kMostKeys / strip * strip;
  }
  int64_t score_floats() const { return padded_rows(kMostKeys, shape.precise()) * shape.score_stride(); }
  int64_t sum_floats() const { return padded_rows(shape.D, shape.precise()) * shape.score_stride(); }
};

// State of one query block while its key blocks pass by.
struct QueryBlock {
  Rows rows;
  std::byte* q;          // packed right operand [D, 64]
  float* sum_v;          // sums of values times exponentials, [D, 64] with score_stride
  float* maximum;        // reference maximum of each query's scaled scores
  float* sum;            // sum of each query's exponentials
  int32_t *start, *end;  // rows that each query sees: start..end - 1
  int64_t first_key_block;
};

// Masks scores of key `row` where the lanes' queries do not see it.
template <bool masked>
struct Mask {
  vi start{}, end{};
  Mask(const QueryBlock& block, int64_t column) {
    if (!masked) return;
    std::memcpy(&start, block.start + column, sizeof start);
    std::memcpy(&end, block.end + column, sizeof end);
  }
  vf apply(vf x, int64_t row, float hidden) const {
    if (!masked) return x;
    const int32_t key = static_cast<int32_t>(row);
    return ((start <= key) & (end > key)) ? x : splat(hidden);
  }
};

// Largest of the visible scores of kLanes queries, over the keys.
template <bool masked>
vf largest(const float* scores, int64_t stride, const Rows& keys, const Mask<masked>& mask) {
  constexpr int kChains = 4;  // hide a maximum's latency
  vf best[kChains];
  for (vf& chain : best) chain = splat(-INFINITY);
  int64_t i = 0;
  for (; i + kChains <= keys.count; i += kChains)
#pragma GCC unroll 4
    for (int c = 0; c < kChains; c++)
      best[c] = vmax(mask.apply(load(scores + (i + c) * stride), keys.first + i + c, -INFINITY), best[c]);
  for (; i < keys.count; i++) best[0] = vmax(mask.apply(load(scores + i * stride), keys.first + i, -INFINITY), best[0]);
  return vmax(vmax(best[0], best[1]), vmax(best[2], best[3]));
}

// Raises the reference maximum of kLanes queries where a score exceeds it by far, and scales what was summed.
void raise_maximum(const AttentionShape& shape, vf top, int64_t column, QueryBlock& block) {
  const vf maximum = load(block.maximum + column);
  const vi grown = top > maximum + kMaximumSlack;
  int32_t flags[kLanes], any = 0;
  std::memcpy(flags, &grown, sizeof flags);
  for (const int32_t flag : flags) any |= flag;
  if (any == 0) return;
  const vf factor = grown ? vexp(maximum - top) : splat(1.0f);
  store(block.maximum + column, grown ? top : maximum);
  store(block.sum + column, load(block.sum + column) * factor);
  for (int64_t d = 0; d < shape.D; d++) {
    float* const sums = block.sum_v + d * shape.score_stride() + column;
    store(sums, load(sums) * factor);
  }
}

// Turns scores into exponentials in place and adds them up.
template <bool masked>
void softmax_block(const AttentionShape& shape, const Rows& keys, float* scores, QueryBlock& block) {
  const int64_t stride = shape.score_stride();
  const float scale = shape.scale(), scale2 = scale * kLog2E;
  for (int64_t column = 0; column < block.rows.count; column += kLanes) {
    const Mask<masked> mask(block, column);
    raise_maximum(shape, largest(scores + column, stride, keys, mask) * scale, column, block);
    const vf maximum = load(block.maximum + column);
    const vf shift = (maximum == splat(-INFINITY) ? vf{} : maximum) * kLog2E;  // infinite: no key seen yet
    vf total{};
    for (int64_t i = 0; i < keys.count; i++) {
      float* const x = scores + i * stride + column;
      const vf p = mask.apply(exp2_bounded(load(x) * scale2 - shift), keys.first + i, 0.0f);
      store(x, p);
      total += p;
    }
    store(block.sum + column, load(block.sum + column) + total);
  }
}

void start_block(const Forward& f, int64_t sequence, int64_t head, int64_t index, Scratch& scratch, QueryBlock& block) {
  const AttentionShape& shape = f.shape;
  block.rows = shape.rows(sequence, index);
  block.q = scratch.bytes(packed_b_bytes(shape.D, kBlock, shape.precise()));
  block.sum_v = scratch.floats(f.sum_floats());
  block.maximum = scratch.floats(kBlock);
  block.sum = scratch.floats(kBlock);
  block.start = reinterpret_cast<int32_t*>(scratch.floats(kBlock));
  block.end = reinterpret_cast<int32_t*>(scratch.floats(kBlock));
  block.first_key_block = (shape.start[block.rows.first] - sequence * shape.T) / f.key_rows();
  pack_b(block.q, shape.operand(f.q, block.rows, head, true), shape.D, block.rows.count, shape.precise());
  std::fill_n(block.sum_v, f.sum_floats(), 0.0f);
  std::fill_n(block.maximum, kBlock, -INFINITY);
  std::fill_n(block.sum, kBlock, 0.0f);
  for (int64_t i = 0; i < kBlock; i++) {
    const int64_t row = std::min(block.rows.first + i, block.rows.last());
    block.start[i] = shape.start[row];
    block.end[i] = static_cast<int32_t>(row + 1);
  }
}

void finish_block(const Forward& f, int64_t head, QueryBlock& block) {
  for (int64_t i = 0; i < block.rows.count; i++) {
    f.lse[(block.rows.first + i) * f.shape.H + head] = block.maximum[i] + std::log(block.sum[i]);
    block.sum[i] = 1.0f / block.sum[i];
  }
  store_columns(f.shape, f.y, block.rows, head, block.sum_v, block.sum);
}

// What a key block needs of the group's query blocks: packed operands and scores, used by one after the other.
struct KeyBlock {
  std::byte *k, *v, *exponentials;
  float* scores;
};

void visit(const Forward& f, const Rows& keys, const KeyBlock& key, QueryBlock& block) {
  const AttentionShape& shape = f.shape;
  const bool precise = shape.precise();
  const int64_t stride = shape.score_stride(), queries = block.rows.count;
  const Rows seen{keys.first, std::min(keys.count, block.rows.last() + 1 - keys.first)};
  multiply_packed(key.scores, stride, key.k, shape.D, block.q, seen.count, queries, shape.D, false, precise);
  if (shape.needs_mask(block.rows, seen)) softmax_block<true>(shape, seen, key.scores, block);
  else softmax_block<false>(shape, seen, key.scores, block);
  pack_b(key.exponentials, {key.scores, stride, false, NANOGPT_F32}, seen.count, queries, precise);
  multiply_packed(block.sum_v, stride, key.v, keys.count, key.exponentials, shape.D, queries, seen.count, true, precise);
}

// All key blocks for the group's query blocks; keys outside, so that each is packed once.
void run_group(const Forward& f, int64_t sequence, int64_t head, int64_t group, std::byte* memory) {
  const AttentionShape& shape = f.shape;
  const bool precise = shape.precise();
  const int64_t first = group * kQueryGroup, count = std::min(kQueryGroup, shape.blocks() - first);
  Scratch scratch(memory);
  QueryBlock blocks[kQueryGroup];
  for (int64_t i = 0; i < count; i++) start_block(f, sequence, head, first + i, scratch, blocks[i]);
  const KeyBlock key{scratch.bytes(packed_a_bytes(kMostKeys, shape.D, precise)),
                     scratch.bytes(packed_a_bytes(shape.D, kMostKeys, precise)),
                     scratch.bytes(packed_b_bytes(kMostKeys, kBlock, precise)), scratch.floats(f.score_floats())};
  const int64_t end = blocks[count - 1].rows.last() + 1, begin = sequence * shape.T;
  for (int64_t j = blocks[0].first_key_block; begin + j * f.key_rows() < end; j++) {
    const int64_t row = begin + j * f.key_rows();
    const Rows keys{row, std::min(f.key_rows(), end - row)};
    pack_a(key.k, shape.operand(f.k, keys, head, false), keys.count, shape.D, precise);
    pack_a(key.v, shape.operand(f.v, keys, head, true), shape.D, keys.count, precise);
    for (int64_t i = 0; i < count; i++)
      if (blocks[i].first_key_block <= j && row <= blocks[i].rows.last()) visit(f, keys, key, blocks[i]);
  }
  for (int64_t i = 0; i < count; i++) finish_block(f, head, blocks[i]);
}

}  // namespace

int32_t attention(uint64_t context, uint64_t y, uint64_t lse, uint64_t q, uint64_t k, uint64_t v, uint64_t start, uint32_t N,
                  uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, uint32_t form) {
  Check check(context, "attention");
  check_form(check, form);
  check.address("y", y).address("lse", lse).address("q", q).address("k", k).address("v", v).address("start", start);
  const Forward f{{N, T, H, D, dtype, memory<const int32_t>(start)}, memory<void>(y), memory<float>(lse),
                  memory<const void>(q), memory<const void>(k), memory<const void>(v)};
  if (const int32_t status = check_attention(check, f.shape)) return status;
  Context& ctx = check.context();
  const int64_t groups = (f.shape.blocks() + kQueryGroup - 1) / kQueryGroup;
  ctx.parallel(f.shape.sequences() * H * groups, [&](int64_t task, int thread) {
    run_group(f, task / (H * groups), task / groups % H, task % groups, ctx.thread_scratch(thread));
  });
  return NANOGPT_OK;
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
