// Attention of a few queries over rings of cached keys and values, forward only. Up to kFewRows queries of one head pass
// over their keys together, in blocks that are neighbours in memory, with the online softmax; keys and values are read once
// as they lie, which is all that such a product costs. Scores and exponentials stay float32 whatever the element type. May
// include only the headers of this folder.
#include "attention.h"
#include "few_rows.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {
namespace {

using Word = FloatWord<false>;
constexpr int64_t kKeys = kColumnsTogether;  // in a block

struct Cached {
  int64_t N, rows, H, D, position;
  void* y;
  const void *q, *keys, *values;
  const int32_t* start;

  int64_t width() const { return H * D; }
  float scale() const { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(D))); }
};

// Queries first..first + count - 1 of one head, and what is known of them so far.
struct Queries {
  int64_t first, count, head;
  float q[kFewRows * kMaxHeadWidth];
  float y[kFewRows * kMaxHeadWidth];  // sums of values times exponentials
  float maximum[kFewRows], sum[kFewRows];
};

// Turns a row's scores of the keys [low, high) of a block into exponentials, and those of the others into 0.
void softmax_row(float* p, const float* scores, int64_t keys, int32_t low, int32_t high, float scale, int64_t D, float& maximum,
                 float& sum, float* y) {
  vf most = splat(maximum);
  by_vectors(keys, [&](int64_t i, auto lanes) {
    const vf x = load(scores + i, lanes, -INFINITY) * scale;
    most = vmax(inside(i, low, high) ? x : splat(-INFINITY), most);
  });
  float top = maximum;
  for (int lane = 0; lane < kLanes; lane++) top = most[lane] > top ? most[lane] : top;
  const float shift = top == -INFINITY ? 0.0f : top;  // infinite: no key seen yet
  const float factor = std::exp(maximum - shift);
  vf total{};
  by_vectors(keys, [&](int64_t i, auto lanes) {
    const vf x = vexp(load(scores + i, lanes) * scale - shift);
    const vf seen = inside(i, low, high) ? x : vf{};
    store(p + i, seen, lanes);
    total += seen;
  });
  maximum = top;
  sum = sum * factor + lane_sum(total);
  by_vectors(D, [&](int64_t d, auto lanes) { store(y + d, load(y + d, lanes) * factor, lanes); });
}

// One block: `count` keys from row `key` of the text on, which are neighbours in the ring.
template <class T>
void visit(const Cached& c, int64_t key, int64_t count, Queries& queries) {
  const int64_t at = key % c.rows * c.width() + queries.head * c.D;
  float scores[kFewRows * kKeys], p[kFewRows * kKeys], sums[kFewRows * kColumnsTogether];
  sum_rows<Word>(queries.count, queries.q, c.D, static_cast<const T*>(c.keys) + at, c.width(), true, count, scores);
  for (int64_t i = 0; i < queries.count; i++) {
    const int64_t n = queries.first + i;
    const auto low = static_cast<int32_t>(std::max<int64_t>(0, c.start[n] - key));
    const auto high = static_cast<int32_t>(std::min(count, c.position + n + 1 - key));
    softmax_row(p + i * count, scores + i * kKeys, count, low, high, c.scale(), c.D, queries.maximum[i], queries.sum[i],
                queries.y + i * c.D);
  }
  for (int64_t d = 0; d < c.D; d += kColumnsTogether) {
    const int64_t columns = std::min(kColumnsTogether, c.D - d);
    sum_rows<Word>(queries.count, p, count, static_cast<const T*>(c.values) + at + d, c.width(), false, columns, sums);
    for (int64_t i = 0; i < queries.count; i++) {
      float* const y = queries.y + i * c.D + d;
      by_vectors(columns, [&](int64_t j, auto lanes) {
        store(y + j, load(y + j, lanes) + load(sums + i * kColumnsTogether + j, lanes), lanes);
      });
    }
  }
}

template <class T>
void attend(const Cached& c, int64_t first, int64_t count, int64_t head) {
  Queries queries{first, count, head, {}, {}, {}, {}};
  const int64_t at = first * c.width() + head * c.D;
  copy_rows<Word>(queries.q, static_cast<const T*>(c.q) + at, c.width(), false, count, c.D);
  std::fill_n(queries.maximum, kFewRows, -INFINITY);
  const int64_t end = c.position + first + count;
  for (int64_t key = c.start[first]; key < end;) {  // the first query sees furthest back
    const int64_t keys = std::min({kKeys, end - key, c.rows - key % c.rows});
    visit<T>(c, key, keys, queries);
    key += keys;
  }
  for (int64_t i = 0; i < count; i++) {
    T* const y = static_cast<T*>(c.y) + at + i * c.width();
    by_vectors(c.D, [&](int64_t d, auto lanes) {
      store(y + d, load(queries.y + i * c.D + d, lanes) / queries.sum[i], lanes);
    });
  }
}

// Rejects a mask that reaches further back than the ring, or moves back.
void check_start(Check& check, const Cached& c) {
  for (int64_t n = 0; n < c.N && !check.failed(); n++) {
    const int64_t least = n == 0 ? std::max<int64_t>(0, c.position + c.N - c.rows) : c.start[n - 1], most = c.position + n;
    if (c.start[n] < least || c.start[n] > most)
      check.failure(check.context().fail(NANOGPT_INVALID, "Kernel %s: expected start[%ld] in %ld..%ld, found %d", check.op(), n,
                                         least, most, c.start[n]));
  }
}

}  // namespace

int32_t attention_cached(uint64_t context, uint64_t y, uint64_t q, uint64_t keys, uint64_t values, uint64_t start,
                         uint64_t position, uint32_t N, uint32_t rows, uint32_t H, uint32_t D, uint32_t dtype) {
  Check check(context, "attention_cached");
  check.address("y", y).address("q", q).address("keys", keys).address("values", values).address("start", start);
  check.address("position", position).size("N", N).size("rows", rows).size("H", H).size("D", D).dtype("dtype", dtype);
  if (!check.failed() && D > kMaxHeadWidth)
    return check.context().fail(NANOGPT_INVALID, "Kernel attention_cached: expected D of at most %u, found %u", kMaxHeadWidth, D);
  check_ring(check, position, N, rows);
  if (check.failed()) return check.status();
  const Cached c{N, rows, H, D, *memory<const int32_t>(position), memory<void>(y), memory<const void>(q),
                 memory<const void>(keys), memory<const void>(values), memory<const int32_t>(start)};
  check_start(check, c);
  if (check.failed()) return check.status();
  const int64_t groups = (c.N + kFewRows - 1) / kFewRows;
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    check.context().parallel(groups * H, [&](int64_t task, int) {
      const int64_t first = task / H * kFewRows;
      attend<T>(c, first, std::min<int64_t>(kFewRows, c.N - first), task % H);
    });
  });
  return NANOGPT_OK;
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
