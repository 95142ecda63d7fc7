// The head: soft-capped logits x w^T, their cross-entropy, and its gradients, for a chunk of tokens at a time.
// The chunk's logits lie in the workspace piece by piece of the vocabulary (before the soft cap, in the activation
// type) and become their own gradient in place. The logits of a whole batch are never held.
// May include only the headers of this folder.
#include <algorithm>

#include "approx.h"
#include "check.h"
#include "gemm.h"
#include "kernels.h"
#include "reduce.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {
namespace {

constexpr int64_t kPiece = 2048;  // vocabulary entries of a piece: its logits are still in cache when they are summed
constexpr int64_t kTaskRows = 8;
// Up to this cap exp(logit - cap) of every capped logit is a normal float32, so the cap itself serves as the maximum.
constexpr double kBoundedCap = 40.0;

// What a row gathers while the pieces pass by; one cache line, so that no two threads write the same one.
struct alignas(64) RowState {
  double sum;      // of exp(capped logit - shift)
  float shift;     // the cap, or the row's running maximum where the cap is too large
  float log_sum;   // shift + log(sum)
  float target;    // the target's capped logit, never rounded to the activation type
};

struct Head {
  const void *x, *w;
  const int32_t* targets;
  float* losses;
  // Null without gradients.
  void* dx;
  float* dw;
  const float* dlosses;
  // The workspace.
  RowState* rows;
  float* dx_sum;  // [chunk, C]
  std::byte* z;   // logits, then their gradient: pieces [rows, piece] one after another
  int64_t N, C, V, chunk;
  uint32_t dtype;
  float cap;
  bool accumulate;

  size_t element() const { return dtype == NANOGPT_F32 ? 4 : 2; }
  Operand x_rows(int64_t first) const { return {at(x, first * C), C, false, dtype}; }
  Operand w_rows(int64_t first, bool transposed) const { return {at(w, first * C), C, transposed, dtype}; }
  std::byte* piece(int64_t count, int64_t first) const { return z + static_cast<size_t>(count * first) * element(); }
  const std::byte* at(const void* base, int64_t index) const {
    return static_cast<const std::byte*>(base) + static_cast<size_t>(index) * element();
  }
};

// The strict path takes the tanh of the other kernels, bf16 the cheaper one, far below its rounding.
template <class T>
inline vf tanh_of(vf x) {
  if constexpr (sizeof(T) == 4) return vtanh(x);
  else return tanh_rational(x);
}
template <class T>
inline vf softcap_of(vf z, float cap) { return cap * tanh_of<T>(z * (1.0f / cap)); }

// The lanes that exist, zero past the end of a row.
inline vf keep(vf x, Whole) { return x; }
inline vf keep(vf x, Part part) {
  for (int lane = part.lanes; lane < kLanes; lane++) x[lane] = 0.0f;
  return x;
}

// Raises the row's shift to the maximum of this piece.
template <class T>
void raise_shift(const T* z, int64_t width, float cap, RowState& row) {
  float top = -INFINITY;
  for (int64_t i = 0; i < width; i++) top = std::max(top, to_float(z[i]));
  const float shift = softcap_of<T>(splat(top), cap)[0];
  if (!(shift > row.shift)) return;
  row.sum *= std::exp(static_cast<double>(row.shift) - shift);
  row.shift = shift;
}

// target: its place in this piece; outside 0..width-1 it is in another. Its logit counts as it was before rounding.
template <class T>
void sum_exponentials(const T* z, int64_t width, int64_t target, float cap, RowState& row) {
  if (cap > kBoundedCap) raise_shift(z, width, cap, row);
  const auto exponential = [&](vf logit) { return exp_bounded(softcap_of<T>(logit, cap) - row.shift); };
  vf total{};
  by_vectors(width, [&](int64_t i, auto part) { total += keep(exponential(load(z + i, part)), part); });
  row.sum += lane_sum(total);
  if (target < 0 || target >= width) return;
  row.sum += exp_bounded(splat(row.target - row.shift))[0] - exponential(splat(to_float(z[target])))[0];
}

// Logits become factor * (softmax - [v = target]) * (1 - tanh^2) in place.
template <class T>
void logit_gradients(T* z, int64_t width, int64_t target, float cap, float factor, const RowState& row) {
  by_vectors(width, [&](int64_t i, auto part) {
    const vf t = tanh_of<T>(load(z + i, part) * (1.0f / cap));
    store(z + i, factor * (exp_bounded(cap * t - row.log_sum) * (1.0f - t * t)), part);
  });
  if (target < 0 || target >= width) return;
  const float t = row.target / cap;
  assign(z[target], factor * (std::exp(row.target - row.log_sum) - 1.0f) * (1.0f - t * t));
}

template <class T>
float dot(const T* a, const T* b, int64_t count) {
  vf sum{};
  by_vectors(count, [&](int64_t i, auto part) { sum += load(a + i, part) * load(b + i, part); });
  return lane_sum(sum);
}

// Runs body(row of the chunk) over `count` rows.
template <class Body>
void for_rows(Context& context, int64_t count, const Body& body) {
  for_chunks(context, count, kTaskRows, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) body(i);
  });
}

// Logits of the chunk [first, first + count), row sums, losses.
template <class T>
void chunk_losses(Context& context, const Head& h, int64_t first, int64_t count) {
  for_rows(context, count, [&](int64_t i) {
    const T* x = static_cast<const T*>(h.x) + (first + i) * h.C;
    const T* w = static_cast<const T*>(h.w) + static_cast<int64_t>(h.targets[first + i]) * h.C;
    h.rows[i] = {0.0, h.cap > kBoundedCap ? -INFINITY : h.cap, 0.0f, softcap_of<T>(splat(dot(x, w, h.C)), h.cap)[0]};
  });
  for (int64_t v = 0; v < h.V; v += kPiece) {
    const int64_t width = std::min(kPiece, h.V - v);
    T* z = reinterpret_cast<T*>(h.piece(count, v));
    multiply(context, {count, width, h.C, h.x_rows(first), h.w_rows(v, true), z, width, h.dtype});
    for_rows(context, count, [&](int64_t i) { sum_exponentials(z + i * width, width, h.targets[first + i] - v, h.cap, h.rows[i]); });
  }
  for (int64_t i = 0; i < count; i++) {
    RowState& row = h.rows[i];
    const double log_sum = row.shift + std::log(row.sum);
    row.log_sum = static_cast<float>(log_sum);
    h.losses[first + i] = static_cast<float>(log_sum - row.target);
  }
}

// dw of all pieces and dx of the chunk whose losses have just been computed; the latest pieces, still warm, come first.
template <class T>
void chunk_gradients(Context& context, const Head& h, int64_t first, int64_t count) {
  const int64_t last = (h.V - 1) / kPiece * kPiece;
  for (int64_t v = last; v >= 0; v -= kPiece) {
    const int64_t width = std::min(kPiece, h.V - v);
    T* z = reinterpret_cast<T*>(h.piece(count, v));
    for_rows(context, count, [&](int64_t i) {
      logit_gradients(z + i * width, width, h.targets[first + i] - v, h.cap, h.dlosses[first + i], h.rows[i]);
    });
    multiply(context, {width, h.C, count, {z, width, true, h.dtype}, h.x_rows(first), h.dw + v * h.C, h.C, NANOGPT_F32,
                       h.accumulate || first > 0});
    multiply(context, {count, h.C, width, {z, width, false, h.dtype}, h.w_rows(v, false), h.dx_sum, h.C, NANOGPT_F32,
                       v != last});
  }
  for_rows(context, count, [&](int64_t i) {
    T* dx = static_cast<T*>(h.dx) + (first + i) * h.C;
    const float* sum = h.dx_sum + i * h.C;
    by_vectors(h.C, [&](int64_t c, auto part) { store(dx + c, load(sum + c, part), part); });
  });
}

template <class T>
void run(Context& context, const Head& h) {
  for (int64_t first = 0; first < h.N; first += h.chunk) {
    const int64_t count = std::min(h.chunk, h.N - first);
    chunk_losses<T>(context, h, first, count);
    if (h.dlosses) chunk_gradients<T>(context, h, first, count);
  }
}

void check_shapes(Check& check, const Head& h, double cap) {
  check.size("N", static_cast<uint32_t>(h.N)).size("C", static_cast<uint32_t>(h.C)).size("V", static_cast<uint32_t>(h.V));
  check.size("chunk", static_cast<uint32_t>(h.chunk)).dtype("dtype", h.dtype).positive("cap", cap);
  check_values(check, "targets", reinterpret_cast<uint64_t>(h.targets), static_cast<uint32_t>(h.N), "V", static_cast<uint32_t>(h.V));
}

// Cuts the workspace: row states and float32 sums first, as they need the stricter alignment.
void use_workspace(Head& h, uint64_t workspace) {
  const size_t rows = static_cast<size_t>(std::min(h.chunk, h.N));
  h.rows = reinterpret_cast<RowState*>(workspace);
  h.dx_sum = reinterpret_cast<float*>(h.rows + rows);
  h.z = reinterpret_cast<std::byte*>(h.dx_sum + rows * static_cast<size_t>(h.C));
}

int32_t check_and_run(Check& check, Head& h, uint64_t workspace, double cap) {
  if (!check.failed()) check_shapes(check, h, cap);
  if (check.failed()) return check.status();
  use_workspace(h, workspace);
  by_type(h.dtype, [&](auto type) { run<decltype(type)>(check.context(), h); });
  return NANOGPT_OK;
}

}  // namespace

int32_t head_loss(uint64_t context, uint64_t losses, uint64_t x, uint64_t w, uint64_t targets, uint64_t workspace, uint32_t N,
                  uint32_t C, uint32_t V, uint32_t chunk, uint32_t dtype, uint32_t form, double cap) {
  Check check(context, "head_loss");
  check_form(check, form);
  check.address("losses", losses).address("x", x).address("w", w).address("targets", targets).address("workspace", workspace);
  Head h{};
  h.losses = memory<float>(losses);
  h.x = memory<const void>(x);
  h.w = memory<const void>(w);
  h.targets = memory<const int32_t>(targets);
  h.N = N, h.C = C, h.V = V, h.chunk = chunk, h.dtype = dtype, h.cap = static_cast<float>(cap);
  return check_and_run(check, h, workspace, cap);
}

int32_t head_loss_grad(uint64_t context, uint64_t losses, uint64_t dx, uint64_t dw, uint64_t x, uint64_t w, uint64_t targets,
                       uint64_t dlosses, uint64_t workspace, uint32_t N, uint32_t C, uint32_t V, uint32_t chunk,
                       uint32_t accumulate, uint32_t dtype, uint32_t form, double cap) {
  Check check(context, "head_loss_grad");
  check_form(check, form);
  check.address("losses", losses).address("dx", dx).address("dw", dw).address("x", x).address("w", w).address("targets", targets);
  check.address("dlosses", dlosses).address("workspace", workspace).flag("accumulate", accumulate);
  Head h{};
  h.losses = memory<float>(losses);
  h.dx = memory<void>(dx);
  h.dw = memory<float>(dw);
  h.x = memory<const void>(x);
  h.w = memory<const void>(w);
  h.targets = memory<const int32_t>(targets);
  h.dlosses = memory<const float>(dlosses);
  h.N = N, h.C = C, h.V = V, h.chunk = chunk, h.dtype = dtype, h.cap = static_cast<float>(cap);
  h.accumulate = accumulate != 0;
  return check_and_run(check, h, workspace, cap);
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
