// Cross-entropy of float32 logits and its gradient, one row per token. The logits are taken as they are: no softcap and
// no product with the head here (head_loss does both). Exponentials are float32, their sums double.
// May include the other headers of this directory and the standard library.
#include "check.h"
#include "kernels.h"
#include "reduce.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {
namespace {

// Largest of a row. A NaN need not be the result: it comes through the exponentials.
float row_max(const float* x, int64_t n) {
  vf most = splat(-INFINITY);
  by_vectors(n, [&](int64_t i, auto lanes) { most = vmax(load(x + i, lanes, -INFINITY), most); });
  float largest = most[0];
  for (int i = 1; i < kLanes; i++) largest = most[i] > largest ? most[i] : largest;
  return largest;
}

float row_loss(const float* logits, int64_t target, int64_t V) {
  const float most = row_max(logits, V);
  WideSum sum;
  by_vectors(V, [&](int64_t i, auto lanes) { sum.add(vexp(load(logits + i, lanes, -INFINITY) - most)); });
  return static_cast<float>(std::log(sum.total()) + (static_cast<double>(most) - static_cast<double>(logits[target])));
}

void row_grad(float* dlogits, const float* logits, int64_t target, float dloss, int64_t V) {
  const float most = row_max(logits, V);
  WideSum sum;
  by_vectors(V, [&](int64_t i, auto lanes) {
    const vf e = vexp(load(logits + i, lanes, -INFINITY) - most);
    sum.add(e);
    store(dlogits + i, e, lanes);  // the row is scaled while it is in the cache
  });
  const double total = sum.total();
  const double at_target = static_cast<double>(dlogits[target]) / total;
  const float factor = static_cast<float>(static_cast<double>(dloss) / total);
  by_vectors(V, [&](int64_t i, auto lanes) { store(dlogits + i, load(dlogits + i, lanes) * factor, lanes); });
  dlogits[target] = static_cast<float>(static_cast<double>(dloss) * (at_target - 1.0));
}

}  // namespace

int32_t cross_entropy(uint64_t context, uint64_t losses, uint64_t logits, uint64_t targets, uint32_t N, uint32_t V) {
  Check check(context, "cross_entropy");
  check.address("losses", losses).address("logits", logits).address("targets", targets).size("N", N).size("V", V);
  check_values(check, "targets", targets, N, "V", V);
  if (check.failed()) return check.status();
  for_chunks(check.context(), N, rows_per_chunk(V), [=](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++)
      memory<float>(losses)[n] = row_loss(memory<const float>(logits) + n * V, memory<const int32_t>(targets)[n], V);
  });
  return NANOGPT_OK;
}

int32_t cross_entropy_grad(uint64_t context, uint64_t dlogits, uint64_t logits, uint64_t targets, uint64_t dlosses,
                           uint32_t N, uint32_t V) {
  Check check(context, "cross_entropy_grad");
  check.address("dlogits", dlogits).address("logits", logits).address("targets", targets).address("dlosses", dlosses);
  check.size("N", N).size("V", V);
  check_values(check, "targets", targets, N, "V", V);
  if (check.failed()) return check.status();
  for_chunks(check.context(), N, rows_per_chunk(V), [=](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++)
      row_grad(memory<float>(dlogits) + n * V, memory<const float>(logits) + n * V, memory<const int32_t>(targets)[n],
               memory<const float>(dlosses)[n], V);
  });
  return NANOGPT_OK;
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
