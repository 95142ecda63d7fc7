// The fake cuBLASLt: descriptors, a heuristic that names one algorithm, and products as work of a stream. Refuses handles that
// it did not give, values of another size than their attribute's, layouts that do not fit together, an algorithm made for
// another product, less workspace or alignment than was promised, and to make or destroy anything while a stream is captured. The
// workspace an algorithm asks for is drawn from the seed, and overwritten. May include only ../cuda/{cublaslt,ptx}.h,
// machine.h, memory.h, product.h, stream_calls.h and the standard library.
#include "../cuda/cublaslt.h"
#include "../cuda/ptx.h"
#include "machine.h"
#include "memory.h"
#include "product.h"
#include "stream_calls.h"
#include <algorithm>
#include <cstring>
#include <vector>

namespace nanogpt::emulation {
namespace {

using cuda::LtStatus;
constexpr LtStatus kOk = cuda::kLtSuccess, kInvalid = cuda::kLtInvalidValue;
constexpr uint64_t kWorkspaceAlignment = 256;

struct LtDevice {
  int ordinal = 0;
};

struct Operation {
  int32_t transpose_a = cuda::kLtPlain, transpose_b = cuda::kLtPlain;
};

struct Layout {
  int type = 0;
  uint64_t rows = 0, columns = 0;  // column-major
  int64_t ld = 0;
  int32_t batch = 1;
  int64_t batch_stride = 0;

  uint64_t element() const { return type == cuda::kLtBfloat16 ? 2 : 4; }
  // From the first element of a matrix to behind its last.
  uint64_t span() const { return (columns - 1) * static_cast<uint64_t>(ld) + rows; }
  uint64_t extent_bytes() const {
    return ((static_cast<uint64_t>(batch) - 1) * static_cast<uint64_t>(batch_stride) + span()) * element();
  }
};

struct Preference {
  uint64_t workspace = 0;
  uint32_t reductions = 7;
  uint32_t alignment[4] = {256, 256, 256, 256};  // a, b, c, d
};

// What the opaque bytes of an algorithm hold: the product that it is for, and what it was promised.
struct Algorithm {
  uint64_t product;
  uint64_t workspace;
  uint32_t alignment[4];
  uint64_t unused[4];
};
static_assert(sizeof(Algorithm) == sizeof(cuda::LtAlgorithm), "fits");

struct Library {
  std::set<LtDevice*> handles;
  std::set<Operation*> operations;
  std::set<Layout*> layouts;
  std::set<Preference*> preferences;
};

Library& library() {
  static Library one;
  return one;
}

LtStatus refuse_lt(LtStatus status, const std::string& why) {
  refuse(kUnknown, "cuBLASLt: " + why);
  return status;
}

// Making anything allocates, which no captured stream allows.
template <class T>
LtStatus make(std::set<T*>& all, void** out, const T& value) {
  const Locked locked;
  if (machine().capturing()) {
    invalidate_captures("");
    return refuse_lt(cuda::kLtNotInitialised, "allocates while a stream is captured");
  }
  T* const made = new T(value);
  all.insert(made);
  *out = made;
  return kOk;
}

template <class T>
LtStatus destroy(std::set<T*>& all, void* handle) {
  const Locked locked;
  T* const known = static_cast<T*>(handle);
  if (all.erase(known) == 0) return refuse_lt(kInvalid, "destroys what it did not make");
  delete known;
  return kOk;
}

// The object behind a handle, or null.
template <class T>
T* at(const std::set<T*>& all, void* handle) {
  T* const known = static_cast<T*>(handle);
  return all.count(known) == 0 ? nullptr : known;
}

template <class V>
LtStatus set(V& value, const void* given, size_t bytes) {
  if (given == nullptr || bytes != sizeof value)
    return refuse_lt(kInvalid, "an attribute of " + std::to_string(sizeof value) + " bytes is given " + std::to_string(bytes));
  std::memcpy(&value, given, bytes);
  return kOk;
}

LtStatus create_handle(cuda::LtHandle* out) {
  const Locked locked;
  FakeDevice* device = nullptr;
  if (current_device(&device) != 0) return cuda::kLtNotInitialised;
  return make(library().handles, out, LtDevice{device->ordinal});
}

LtStatus create_operation(cuda::LtOperation* out, int compute_type, int scale_type) {
  if (compute_type != cuda::kLtComputeFloat32 || scale_type != cuda::kLtFloat32)
    return refuse_lt(cuda::kLtNotSupported, "only sums and factors of float32 are emulated");
  return make(library().operations, out, Operation{});
}

LtStatus set_operation(cuda::LtOperation handle, int attribute, const void* value, size_t bytes) {
  const Locked locked;
  Operation* const operation = at(library().operations, handle);
  if (operation == nullptr) return refuse_lt(kInvalid, "no such operation");
  int32_t given = 0;
  if (const LtStatus status = set(given, value, bytes)) return status;
  if (given != cuda::kLtPlain && given != cuda::kLtTransposed) return refuse_lt(kInvalid, "no such transposition");
  if (attribute == cuda::kLtTransposeA) operation->transpose_a = given;
  else if (attribute == cuda::kLtTransposeB) operation->transpose_b = given;
  else return refuse_lt(kInvalid, "operation attribute " + std::to_string(attribute) + " is not emulated");
  return kOk;
}

LtStatus create_layout(cuda::LtLayout* out, int type, uint64_t rows, uint64_t columns, int64_t ld) {
  if (type != cuda::kLtFloat32 && type != cuda::kLtBfloat16) return refuse_lt(kInvalid, "type " + std::to_string(type) + " is not emulated");
  if (rows == 0 || columns == 0 || rows > INT32_MAX || columns > INT32_MAX || ld < static_cast<int64_t>(rows))
    return refuse_lt(kInvalid, "a column-major matrix of " + std::to_string(rows) + " x " + std::to_string(columns) + " with columns " +
                                   std::to_string(ld) + " apart");
  return make(library().layouts, out, Layout{type, rows, columns, ld});
}

LtStatus set_layout(cuda::LtLayout handle, int attribute, const void* value, size_t bytes) {
  const Locked locked;
  Layout* const layout = at(library().layouts, handle);
  if (layout == nullptr) return refuse_lt(kInvalid, "no such layout");
  if (attribute == cuda::kLtBatchStride) return set(layout->batch_stride, value, bytes);
  if (attribute != cuda::kLtBatchCount) return refuse_lt(kInvalid, "layout attribute " + std::to_string(attribute) + " is not emulated");
  if (const LtStatus status = set(layout->batch, value, bytes)) return status;
  return layout->batch > 0 ? kOk : refuse_lt(kInvalid, "a batch of none");
}

LtStatus set_preference(cuda::LtPreference handle, int attribute, const void* value, size_t bytes) {
  const Locked locked;
  Preference* const preference = at(library().preferences, handle);
  if (preference == nullptr) return refuse_lt(kInvalid, "no such preference");
  if (attribute == cuda::kLtMostWorkspace) return set(preference->workspace, value, bytes);
  if (attribute == cuda::kLtReductionMask) return set(preference->reductions, value, bytes);
  if (attribute < cuda::kLtAlignmentA || attribute > cuda::kLtAlignmentD)
    return refuse_lt(kInvalid, "preference attribute " + std::to_string(attribute) + " is not emulated");
  return set(preference->alignment[attribute - cuda::kLtAlignmentA], value, bytes);
}

// A product's descriptors, each known and all fitting together: d = op(a) op(b).
struct Described {
  Operation operation;
  Layout a, b, c, d;
  uint64_t inner = 0;

  // The same for equal products only, but for luck.
  uint64_t number() const {
    uint64_t hash = 14695981039346656037u;
    const auto mix = [&](uint64_t x) { hash = (hash ^ x) * 1099511628211u; };
    mix(static_cast<uint64_t>(operation.transpose_a * 2 + operation.transpose_b));
    for (const Layout& l : {a, b, c, d})
      for (const uint64_t x : {static_cast<uint64_t>(l.type), l.rows, l.columns, static_cast<uint64_t>(l.ld),
                               static_cast<uint64_t>(l.batch), static_cast<uint64_t>(l.batch_stride)})
        mix(x);
    return hash;
  }
};

LtStatus describe(Described& out, cuda::LtHandle handle, cuda::LtOperation operation, cuda::LtLayout a, cuda::LtLayout b,
                  cuda::LtLayout c, cuda::LtLayout d) {
  const Library& l = library();
  if (at(l.handles, handle) == nullptr) return refuse_lt(cuda::kLtNotInitialised, "no such handle");
  if (at(l.operations, operation) == nullptr || at(l.layouts, a) == nullptr || at(l.layouts, b) == nullptr ||
      at(l.layouts, c) == nullptr || at(l.layouts, d) == nullptr)
    return refuse_lt(kInvalid, "a descriptor that it did not make");
  out = {*at(l.operations, operation), *at(l.layouts, a), *at(l.layouts, b), *at(l.layouts, c), *at(l.layouts, d)};
  const bool turned_a = out.operation.transpose_a != 0, turned_b = out.operation.transpose_b != 0;
  out.inner = turned_a ? out.a.rows : out.a.columns;
  const bool fits = (turned_a ? out.a.columns : out.a.rows) == out.d.rows && (turned_b ? out.b.rows : out.b.columns) == out.d.columns &&
                    (turned_b ? out.b.columns : out.b.rows) == out.inner && out.c.rows == out.d.rows && out.c.columns == out.d.columns;
  if (!fits) return refuse_lt(kInvalid, "sizes of a, b, c and d that do not fit together");
  if (out.a.batch != out.d.batch || out.b.batch != out.d.batch || out.c.batch != out.d.batch)
    return refuse_lt(kInvalid, "batches of different lengths");
  // The table of types at cublasLtMatmul(), as far as nanogpt knows them.
  if (out.a.type != out.b.type || out.c.type != out.d.type || (out.a.type == cuda::kLtFloat32 && out.d.type != cuda::kLtFloat32))
    return refuse_lt(cuda::kLtNotSupported, "types that no kernel multiplies");
  return kOk;
}

LtStatus choose(cuda::LtHandle handle, cuda::LtOperation operation, cuda::LtLayout a, cuda::LtLayout b, cuda::LtLayout c,
                cuda::LtLayout d, cuda::LtPreference preference_handle, int wanted, cuda::LtHeuristic* results, int* found) {
  const Locked locked;
  Described product;
  if (const LtStatus status = describe(product, handle, operation, a, b, c, d)) return status;
  const Preference* const preference = at(library().preferences, preference_handle);
  if (preference == nullptr || wanted < 1) return refuse_lt(kInvalid, "no preference, or no algorithm wanted");
  if (machine().capturing()) {
    invalidate_captures("");
    return refuse_lt(cuda::kLtNotInitialised, "chooses an algorithm while a stream is captured");
  }
  Algorithm chosen{};
  chosen.product = product.number();
  // At most 64 KB: overwriting it costs little.
  chosen.workspace = std::min<uint64_t>(preference->workspace, machine().draw(257) * kWorkspaceAlignment);
  std::memcpy(chosen.alignment, preference->alignment, sizeof chosen.alignment);
  cuda::LtHeuristic& result = results[0];
  result = {};
  std::memcpy(&result.algorithm, &chosen, sizeof chosen);
  result.workspace_bytes = chosen.workspace;
  result.status = kOk;
  result.waves = 1.0f;
  *found = 1;
  return kOk;
}

// One product with everything that its work needs.
struct Call {
  Described product;
  const char *a, *b, *c;
  char* d;
  float alpha, beta;
  char* workspace;
  size_t workspace_bytes;
};

float load(const char* address, int type) {
  if (type == cuda::kLtFloat32) {
    float x;
    std::memcpy(&x, address, sizeof x);
    return x;
  }
  cuda::bf16 x;
  std::memcpy(&x, address, sizeof x);
  return cuda::to_float(x);
}

void store(char* address, int type, float x) {
  const cuda::bf16 narrow = cuda::to_bf16(x);
  if (type == cuda::kLtFloat32) std::memcpy(address, &x, sizeof x);
  else std::memcpy(address, &narrow, sizeof narrow);
}

// Element (row, column) of one matrix of the batch.
const char* element(const char* data, const Layout& l, int32_t batch, uint64_t row, uint64_t column) {
  const uint64_t index = static_cast<uint64_t>(batch) * static_cast<uint64_t>(l.batch_stride) + column * static_cast<uint64_t>(l.ld) + row;
  return data + index * l.element();
}

// A column of d: its sums over op(a)'s columns, which `spread_a` holds one after another.
std::string write_column(const Call& call, int32_t batch, uint64_t column, const std::vector<float>& spread_a, std::vector<float>& sums) {
  const Described& p = call.product;
  std::fill(sums.begin(), sums.end(), 0.0f);
  for (uint64_t k = 0; k < p.inner; k++) {
    const bool turned = p.operation.transpose_b != 0;
    const float x = load(element(call.b, p.b, batch, turned ? column : k, turned ? k : column), p.b.type);
    add_scaled(sums.data(), &spread_a[k * p.d.rows], x, p.d.rows);
  }
  const char* const before = element(call.c, p.c, batch, 0, column);
  char* const after = const_cast<char*>(element(call.d, p.d, batch, 0, column));
  for (uint64_t row = 0; row < p.d.rows; row++) {
    // Without a factor c is not read, as in every BLAS.
    const float added = call.beta == 0.0f ? 0.0f : call.beta * load(before + row * p.c.element(), p.c.type);
    sums[row] = call.alpha * sums[row] + added;
  }
  if (std::string why = host_writes(after, p.d.rows * p.d.element()); !why.empty()) return why;
  for (uint64_t row = 0; row < p.d.rows; row++) store(after + row * p.d.element(), p.d.type, sums[row]);
  return "";
}

std::string run(const Call& call) {
  const Described& p = call.product;
  if (call.workspace_bytes > 0) std::memset(call.workspace, 0xff, call.workspace_bytes);
  std::vector<float> spread_a(p.d.rows * p.inner), sums(p.d.rows);
  for (int32_t batch = 0; batch < p.d.batch; batch++) {
    for (uint64_t k = 0; k < p.inner; k++)
      for (uint64_t row = 0; row < p.d.rows; row++) {
        const bool turned = p.operation.transpose_a != 0;
        spread_a[k * p.d.rows + row] = load(element(call.a, p.a, batch, turned ? k : row, turned ? row : k), p.a.type);
      }
    for (uint64_t column = 0; column < p.d.columns; column++)
      if (std::string why = write_column(call, batch, column, spread_a, sums); !why.empty()) return why;
  }
  return "";
}

bool overlap(const char* x, uint64_t x_bytes, const char* y, uint64_t y_bytes) { return x < y + y_bytes && y < x + x_bytes; }

// What is wrong with the addresses of a call: empty where nothing is.
std::string wrong_addresses(const Call& call, const Algorithm& algorithm, int device) {
  const Described& p = call.product;
  const struct {
    const char* name;
    const char* data;
    const Layout& layout;
    uint32_t alignment;
  } matrices[] = {{"a", call.a, p.a, algorithm.alignment[0]},
                  {"b", call.b, p.b, algorithm.alignment[1]},
                  {"c", call.c, p.c, algorithm.alignment[2]},
                  {"d", call.d, p.d, algorithm.alignment[3]}};
  for (const auto& [name, data, layout, alignment] : matrices) {
    if (machine().device_of(reinterpret_cast<uint64_t>(data), layout.extent_bytes()) != device)
      return std::string(name) + " lies outside the memory of the handle's GPU";
    const uint64_t stride = layout.batch > 1 ? static_cast<uint64_t>(layout.batch_stride) : 0;
    if (reinterpret_cast<uint64_t>(data) % alignment != 0 || static_cast<uint64_t>(layout.ld) * layout.element() % alignment != 0 ||
        stride * layout.element() % alignment != 0)
      return std::string(name) + " is not aligned to the " + std::to_string(alignment) + " bytes that were promised";
  }
  if (p.d.batch > 1 && static_cast<uint64_t>(p.d.batch_stride) < p.d.span()) return "the matrices of d overlap each other";
  const uint64_t bytes = p.d.extent_bytes();
  if (overlap(call.d, bytes, call.a, p.a.extent_bytes()) || overlap(call.d, bytes, call.b, p.b.extent_bytes()))
    return "d overlaps an operand";
  if (call.c != call.d && overlap(call.d, bytes, call.c, p.c.extent_bytes())) return "d overlaps c without being it";
  if (call.c == call.d && (p.c.ld != p.d.ld || p.c.batch_stride != p.d.batch_stride)) return "in place with another layout";
  if (call.workspace_bytes == 0) return "";
  if (reinterpret_cast<uint64_t>(call.workspace) % kWorkspaceAlignment != 0) return "the workspace begins at no multiple of 256";
  if (machine().device_of(reinterpret_cast<uint64_t>(call.workspace), call.workspace_bytes) != device)
    return "the workspace lies outside the memory of the handle's GPU";
  return "";
}

LtStatus multiply(cuda::LtHandle handle, cuda::LtOperation operation, const void* alpha, const void* a, cuda::LtLayout layout_a,
                  const void* b, cuda::LtLayout layout_b, const void* beta, const void* c, cuda::LtLayout layout_c, void* d,
                  cuda::LtLayout layout_d, const cuda::LtAlgorithm* algorithm, void* workspace, size_t workspace_bytes,
                  cuda::Stream stream_handle) {
  const Locked locked;
  Call call{};
  if (const LtStatus status = describe(call.product, handle, operation, layout_a, layout_b, layout_c, layout_d)) return status;
  if (alpha == nullptr || beta == nullptr || algorithm == nullptr) return refuse_lt(kInvalid, "no factors, or no algorithm");
  Algorithm chosen;
  std::memcpy(&chosen, algorithm, sizeof chosen);
  if (chosen.product != call.product.number()) return refuse_lt(kInvalid, "an algorithm that was chosen for another product");
  if (chosen.workspace > workspace_bytes)
    return refuse_lt(kInvalid, std::to_string(workspace_bytes) + " bytes of workspace, the algorithm takes " + std::to_string(chosen.workspace));
  FakeStream* stream = nullptr;
  if (stream_at(stream_handle, &stream) != 0) return cuda::kLtExecutionFailed;
  const int device = at(library().handles, handle)->ordinal;
  if (stream->device != device) return refuse_lt(kInvalid, "a stream of another GPU than the handle's");
  std::memcpy(&call.alpha, alpha, sizeof call.alpha);
  std::memcpy(&call.beta, beta, sizeof call.beta);
  call.a = static_cast<const char*>(a), call.b = static_cast<const char*>(b), call.c = static_cast<const char*>(c);
  call.d = static_cast<char*>(d);
  call.workspace = static_cast<char*>(workspace), call.workspace_bytes = chosen.workspace;
  const auto wrong = [call, chosen, device] { return wrong_addresses(call, chosen, device); };
  if (const std::string why = wrong(); !why.empty()) return refuse_lt(kInvalid, why);
  const int code = machine().enqueue(*stream, {[call, wrong] {
                                                 const std::string why = wrong();
                                                 return why.empty() ? run(call) : "cuBLASLt: " + why;
                                               },
                                               nullptr});
  return code == 0 ? kOk : cuda::kLtExecutionFailed;
}

const char* status_name(LtStatus status) {
  const char* text = nullptr;
  if (status == kOk) return "CUBLAS_STATUS_SUCCESS";
  cuda::open_driver().driver->get_error_string(kUnknown, &text);
  return text;
}

cuda::CublasLt make_table() {
  cuda::CublasLt c{};
  c.get_version = [] { return size_t{130000}; };
  c.get_status_name = status_name;
  c.create = create_handle;
  c.destroy = [](cuda::LtHandle handle) { return destroy(library().handles, handle); };
  c.operation_create = create_operation;
  c.operation_destroy = [](cuda::LtOperation operation) { return destroy(library().operations, operation); };
  c.operation_set = set_operation;
  c.layout_create = create_layout;
  c.layout_destroy = [](cuda::LtLayout layout) { return destroy(library().layouts, layout); };
  c.layout_set = set_layout;
  c.preference_create = [](cuda::LtPreference* out) { return make(library().preferences, out, Preference{}); };
  c.preference_destroy = [](cuda::LtPreference preference) { return destroy(library().preferences, preference); };
  c.preference_set = set_preference;
  c.heuristic = choose;
  c.multiply = multiply;
  return c;
}

}  // namespace
}  // namespace nanogpt::emulation

namespace nanogpt::cuda {

OpenedCublasLt open_cublaslt() {
  static const CublasLt table = emulation::make_table();
  return {&table, ""};
}

}  // namespace nanogpt::cuda
