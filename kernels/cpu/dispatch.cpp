// The exported ops, each calling its context's instruction set: generated from kernels/abi.h by `deno task symbols`; do
// not edit. Compiled once. Computes nothing: an exception that a kernel lets out ends here, as a status and an error
// text. May include only context.h and kernels.h.
#include "context.h"
#include <exception>
#include <new>
#define NANOGPT_ISA_NAMESPACE portable
#include "kernels.h"
#undef NANOGPT_ISA_NAMESPACE
#if defined(__x86_64__)
#define NANOGPT_ISA_NAMESPACE avx2
#include "kernels.h"
#undef NANOGPT_ISA_NAMESPACE
#define NANOGPT_ISA_NAMESPACE avx512
#include "kernels.h"
#undef NANOGPT_ISA_NAMESPACE
#define NANOGPT_ISA_NAMESPACE avx512bf16
#include "kernels.h"
#undef NANOGPT_ISA_NAMESPACE
#define NANOGPT_ISA_NAMESPACE amx
#include "kernels.h"
#undef NANOGPT_ISA_NAMESPACE
#endif

namespace nanogpt {
namespace {

struct Kernels {
  int32_t (*measure_peak)(uint64_t context, uint64_t out);
  int32_t (*fill)(uint64_t context, uint64_t y, uint32_t count, uint32_t dtype, double value);
  int32_t (*cast)(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype_y, uint32_t dtype_x);
  int32_t (*add)(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t count, uint32_t dtype);
  int32_t (*axpby)(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t count, uint32_t dtype, double alpha, double beta);
  int32_t (*affine)(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype, double alpha, double beta);
  int32_t (*scale)(uint64_t context, uint64_t y, uint64_t x, uint64_t s, uint32_t count, uint32_t size, uint32_t index, uint32_t dtype);
  int32_t (*scale_grad)(uint64_t context, uint64_t ds, uint64_t dy, uint64_t x, uint32_t count, uint32_t size, uint32_t index, uint32_t dtype);
  int32_t (*mix)(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t dtype);
  int32_t (*mix_grad)(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b, uint64_t s, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t dtype);
  int32_t (*mix_grad_add)(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b, uint64_t s, uint64_t r, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t into, uint32_t dtype);
  int32_t (*mix_grad_add_both)(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b, uint64_t s, uint64_t ra, uint64_t rb, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t dtype);
  int32_t (*relu_squared)(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype);
  int32_t (*relu_squared_grad)(uint64_t context, uint64_t dx, uint64_t y, uint64_t dy, uint32_t count, uint32_t dtype);
  int32_t (*softcap)(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype, double cap);
  int32_t (*softcap_grad)(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint32_t count, uint32_t dtype, double cap);
  int32_t (*mean)(uint64_t context, uint64_t y, uint64_t x, uint32_t count);
  int32_t (*broadcast)(uint64_t context, uint64_t y, uint64_t s, uint32_t count, double factor);
  int32_t (*embed)(uint64_t context, uint64_t y, uint64_t table, uint64_t tokens, uint32_t N, uint32_t C, uint32_t V, uint32_t dtype);
  int32_t (*embed_grad)(uint64_t context, uint64_t dtable, uint64_t dy, uint64_t tokens, uint32_t N, uint32_t C, uint32_t V, uint32_t accumulate, uint32_t dtype);
  int32_t (*select_row)(uint64_t context, uint64_t y, uint64_t x, uint64_t index, uint32_t N, uint32_t C, uint32_t dtype);
  int32_t (*rms_norm)(uint64_t context, uint64_t y, uint64_t x, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
  int32_t (*rms_norm_grad)(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
  int32_t (*rms_norm_grad_add)(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint64_t r, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
  int32_t (*mix_norm)(uint64_t context, uint64_t x, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
  int32_t (*mix_norm_grad_add_both)(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
  int32_t (*mix_norm_self_grad_add)(uint64_t context, uint64_t da, uint64_t ds, uint64_t dy, uint64_t dx, uint64_t a, uint64_t s, uint64_t r0, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
  int32_t (*skip_mix_norm)(uint64_t context, uint64_t x, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps);
  int32_t (*skip_mix_norm_grad)(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dskip, uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps);
  int32_t (*skip_mix_norm_grad_add_both)(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dskip, uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps);
  int32_t (*skip_mix_norm_self_grad_add_both)(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t w, uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps);
  int32_t (*rope_table)(uint64_t context, uint64_t table, uint32_t T, uint32_t D, double base);
  int32_t (*rope_table_at)(uint64_t context, uint64_t table, uint64_t position, uint32_t T, uint32_t D, double base);
  int32_t (*rope)(uint64_t context, uint64_t y, uint64_t x, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t inverse, uint32_t dtype);
  int32_t (*norm_rope)(uint64_t context, uint64_t y, uint64_t r, uint64_t x, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, double eps);
  int32_t (*norm_rope_grad)(uint64_t context, uint64_t dx, uint64_t dy, uint64_t y, uint64_t r, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype);
  int32_t (*matmul)(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint32_t m, uint32_t n, uint32_t k, uint32_t trans_a, uint32_t trans_b, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t accumulate, uint32_t form);
  int32_t (*matmul_add)(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint64_t r, uint32_t m, uint32_t n, uint32_t k, uint32_t trans_a, uint32_t trans_b, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t form);
  int32_t (*matmul_relu_squared)(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t m, uint32_t n, uint32_t k, uint32_t dtype_y, uint32_t dtype_a, uint32_t dtype_b, uint32_t form);
  int32_t (*matmul_relu_squared_grad)(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint64_t y, uint32_t m, uint32_t n, uint32_t k, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t form);
  int32_t (*matmul_norm_rope)(uint64_t context, uint64_t y, uint64_t r, uint64_t a, uint64_t b, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t C, uint32_t dtype, uint32_t dtype_b, uint32_t form, double eps);
  int32_t (*matmul_mix)(uint64_t context, uint64_t y, uint64_t own, uint64_t a, uint64_t b, uint64_t v1, uint64_t s, uint32_t m, uint32_t n, uint32_t k, uint32_t dtype, uint32_t dtype_b, uint32_t form);
  int32_t (*attention_start)(uint64_t context, uint64_t start, uint64_t tokens, uint32_t N, uint32_t T, uint32_t window, uint32_t eos);
  int32_t (*attention)(uint64_t context, uint64_t y, uint64_t lse, uint64_t q, uint64_t k, uint64_t v, uint64_t start, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, uint32_t form);
  int32_t (*attention_grad)(uint64_t context, uint64_t dq, uint64_t dk, uint64_t dv, uint64_t dy, uint64_t q, uint64_t k, uint64_t v, uint64_t y, uint64_t lse, uint64_t start, uint64_t workspace, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, uint32_t form);
  int32_t (*cache_rows)(uint64_t context, uint64_t cache, uint64_t x, uint64_t position, uint32_t N, uint32_t rows, uint32_t C, uint32_t dtype);
  int32_t (*attention_cached)(uint64_t context, uint64_t y, uint64_t q, uint64_t keys, uint64_t values, uint64_t start, uint64_t position, uint32_t N, uint32_t rows, uint32_t H, uint32_t D, uint32_t dtype);
  int32_t (*cross_entropy)(uint64_t context, uint64_t losses, uint64_t logits, uint64_t targets, uint32_t N, uint32_t V);
  int32_t (*cross_entropy_grad)(uint64_t context, uint64_t dlogits, uint64_t logits, uint64_t targets, uint64_t dlosses, uint32_t N, uint32_t V);
  int32_t (*head_loss)(uint64_t context, uint64_t losses, uint64_t x, uint64_t w, uint64_t targets, uint64_t workspace, uint32_t N, uint32_t C, uint32_t V, uint32_t chunk, uint32_t dtype, uint32_t form, double cap);
  int32_t (*head_loss_grad)(uint64_t context, uint64_t losses, uint64_t dx, uint64_t dw, uint64_t x, uint64_t w, uint64_t targets, uint64_t dlosses, uint64_t workspace, uint32_t N, uint32_t C, uint32_t V, uint32_t chunk, uint32_t accumulate, uint32_t dtype, uint32_t form, double cap);
  int32_t (*guard)(uint64_t context, uint64_t scalars, uint64_t loss);
  int32_t (*adam)(uint64_t context, uint64_t p, uint64_t m, uint64_t v, uint64_t flags, uint64_t g, uint64_t scalars, uint32_t count, uint32_t first, uint32_t index, double lr, double beta1, double beta2, double eps);
  int32_t (*nesterov)(uint64_t context, uint64_t m, uint64_t u, uint64_t flags, uint64_t g, uint64_t scalars, uint32_t count, uint32_t index, uint32_t slots, uint32_t slot);
  int32_t (*frobenius_normalise)(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype_y, uint32_t dtype_x, double eps);
  int32_t (*newton_schulz)(uint64_t context, uint64_t y, uint64_t x, uint64_t workspace, uint32_t batch, uint32_t rows, uint32_t cols, uint32_t steps, uint32_t dtype, uint32_t form);
  int32_t (*apply_update)(uint64_t context, uint64_t p, uint64_t u, uint64_t scalars, uint32_t count, uint32_t slots, uint32_t slot, double factor);
};

const Kernels portable_kernels = {portable::measure_peak, portable::fill, portable::cast, portable::add, portable::axpby, portable::affine, portable::scale, portable::scale_grad, portable::mix, portable::mix_grad, portable::mix_grad_add, portable::mix_grad_add_both, portable::relu_squared, portable::relu_squared_grad, portable::softcap, portable::softcap_grad, portable::mean, portable::broadcast, portable::embed, portable::embed_grad, portable::select_row, portable::rms_norm, portable::rms_norm_grad, portable::rms_norm_grad_add, portable::mix_norm, portable::mix_norm_grad_add_both, portable::mix_norm_self_grad_add, portable::skip_mix_norm, portable::skip_mix_norm_grad, portable::skip_mix_norm_grad_add_both, portable::skip_mix_norm_self_grad_add_both, portable::rope_table, portable::rope_table_at, portable::rope, portable::norm_rope, portable::norm_rope_grad, portable::matmul, portable::matmul_add, portable::matmul_relu_squared, portable::matmul_relu_squared_grad, portable::matmul_norm_rope, portable::matmul_mix, portable::attention_start, portable::attention, portable::attention_grad, portable::cache_rows, portable::attention_cached, portable::cross_entropy, portable::cross_entropy_grad, portable::head_loss, portable::head_loss_grad, portable::guard, portable::adam, portable::nesterov, portable::frobenius_normalise, portable::newton_schulz, portable::apply_update};
#if defined(__x86_64__)
const Kernels avx2_kernels = {avx2::measure_peak, avx2::fill, avx2::cast, avx2::add, avx2::axpby, avx2::affine, avx2::scale, avx2::scale_grad, avx2::mix, avx2::mix_grad, avx2::mix_grad_add, avx2::mix_grad_add_both, avx2::relu_squared, avx2::relu_squared_grad, avx2::softcap, avx2::softcap_grad, avx2::mean, avx2::broadcast, avx2::embed, avx2::embed_grad, avx2::select_row, avx2::rms_norm, avx2::rms_norm_grad, avx2::rms_norm_grad_add, avx2::mix_norm, avx2::mix_norm_grad_add_both, avx2::mix_norm_self_grad_add, avx2::skip_mix_norm, avx2::skip_mix_norm_grad, avx2::skip_mix_norm_grad_add_both, avx2::skip_mix_norm_self_grad_add_both, avx2::rope_table, avx2::rope_table_at, avx2::rope, avx2::norm_rope, avx2::norm_rope_grad, avx2::matmul, avx2::matmul_add, avx2::matmul_relu_squared, avx2::matmul_relu_squared_grad, avx2::matmul_norm_rope, avx2::matmul_mix, avx2::attention_start, avx2::attention, avx2::attention_grad, avx2::cache_rows, avx2::attention_cached, avx2::cross_entropy, avx2::cross_entropy_grad, avx2::head_loss, avx2::head_loss_grad, avx2::guard, avx2::adam, avx2::nesterov, avx2::frobenius_normalise, avx2::newton_schulz, avx2::apply_update};
const Kernels avx512_kernels = {avx512::measure_peak, avx512::fill, avx512::cast, avx512::add, avx512::axpby, avx512::affine, avx512::scale, avx512::scale_grad, avx512::mix, avx512::mix_grad, avx512::mix_grad_add, avx512::mix_grad_add_both, avx512::relu_squared, avx512::relu_squared_grad, avx512::softcap, avx512::softcap_grad, avx512::mean, avx512::broadcast, avx512::embed, avx512::embed_grad, avx512::select_row, avx512::rms_norm, avx512::rms_norm_grad, avx512::rms_norm_grad_add, avx512::mix_norm, avx512::mix_norm_grad_add_both, avx512::mix_norm_self_grad_add, avx512::skip_mix_norm, avx512::skip_mix_norm_grad, avx512::skip_mix_norm_grad_add_both, avx512::skip_mix_norm_self_grad_add_both, avx512::rope_table, avx512::rope_table_at, avx512::rope, avx512::norm_rope, avx512::norm_rope_grad, avx512::matmul, avx512::matmul_add, avx512::matmul_relu_squared, avx512::matmul_relu_squared_grad, avx512::matmul_norm_rope, avx512::matmul_mix, avx512::attention_start, avx512::attention, avx512::attention_grad, avx512::cache_rows, avx512::attention_cached, avx512::cross_entropy, avx512::cross_entropy_grad, avx512::head_loss, avx512::head_loss_grad, avx512::guard, avx512::adam, avx512::nesterov, avx512::frobenius_normalise, avx512::newton_schulz, avx512::apply_update};
const Kernels avx512bf16_kernels = {avx512bf16::measure_peak, avx512bf16::fill, avx512bf16::cast, avx512bf16::add, avx512bf16::axpby, avx512bf16::affine, avx512bf16::scale, avx512bf16::scale_grad, avx512bf16::mix, avx512bf16::mix_grad, avx512bf16::mix_grad_add, avx512bf16::mix_grad_add_both, avx512bf16::relu_squared, avx512bf16::relu_squared_grad, avx512bf16::softcap, avx512bf16::softcap_grad, avx512bf16::mean, avx512bf16::broadcast, avx512bf16::embed, avx512bf16::embed_grad, avx512bf16::select_row, avx512bf16::rms_norm, avx512bf16::rms_norm_grad, avx512bf16::rms_norm_grad_add, avx512bf16::mix_norm, avx512bf16::mix_norm_grad_add_both, avx512bf16::mix_norm_self_grad_add, avx512bf16::skip_mix_norm, avx512bf16::skip_mix_norm_grad, avx512bf16::skip_mix_norm_grad_add_both, avx512bf16::skip_mix_norm_self_grad_add_both, avx512bf16::rope_table, avx512bf16::rope_table_at, avx512bf16::rope, avx512bf16::norm_rope, avx512bf16::norm_rope_grad, avx512bf16::matmul, avx512bf16::matmul_add, avx512bf16::matmul_relu_squared, avx512bf16::matmul_relu_squared_grad, avx512bf16::matmul_norm_rope, avx512bf16::matmul_mix, avx512bf16::attention_start, avx512bf16::attention, avx512bf16::attention_grad, avx512bf16::cache_rows, avx512bf16::attention_cached, avx512bf16::cross_entropy, avx512bf16::cross_entropy_grad, avx512bf16::head_loss, avx512bf16::head_loss_grad, avx512bf16::guard, avx512bf16::adam, avx512bf16::nesterov, avx512bf16::frobenius_normalise, avx512bf16::newton_schulz, avx512bf16::apply_update};
const Kernels amx_kernels = {amx::measure_peak, amx::fill, amx::cast, amx::add, amx::axpby, amx::affine, amx::scale, amx::scale_grad, amx::mix, amx::mix_grad, amx::mix_grad_add, amx::mix_grad_add_both, amx::relu_squared, amx::relu_squared_grad, amx::softcap, amx::softcap_grad, amx::mean, amx::broadcast, amx::embed, amx::embed_grad, amx::select_row, amx::rms_norm, amx::rms_norm_grad, amx::rms_norm_grad_add, amx::mix_norm, amx::mix_norm_grad_add_both, amx::mix_norm_self_grad_add, amx::skip_mix_norm, amx::skip_mix_norm_grad, amx::skip_mix_norm_grad_add_both, amx::skip_mix_norm_self_grad_add_both, amx::rope_table, amx::rope_table_at, amx::rope, amx::norm_rope, amx::norm_rope_grad, amx::matmul, amx::matmul_add, amx::matmul_relu_squared, amx::matmul_relu_squared_grad, amx::matmul_norm_rope, amx::matmul_mix, amx::attention_start, amx::attention, amx::attention_grad, amx::cache_rows, amx::attention_cached, amx::cross_entropy, amx::cross_entropy_grad, amx::head_loss, amx::head_loss_grad, amx::guard, amx::adam, amx::nesterov, amx::frobenius_normalise, amx::newton_schulz, amx::apply_update};
const Kernels* const tables[] = {&portable_kernels, &avx2_kernels, &avx512_kernels, &avx512bf16_kernels, &amx_kernels};
#else
const Kernels* const tables[] = {&portable_kernels};
#endif

template <class... Parameters, class... Arguments>
int32_t run(uint64_t context, int32_t (*const Kernels::*op)(uint64_t, Parameters...), Arguments... arguments) {
  if (context == 0) return NANOGPT_INVALID;
  try {
    return (tables[context_at(context).isa() - NANOGPT_ISA_PORTABLE]->*op)(context, arguments...);
  } catch (const std::bad_alloc&) {
    return context_at(context).fail(NANOGPT_NO_MEMORY, "The system refused memory that a kernel needs");
  } catch (const std::exception& error) {
    return context_at(context).fail(NANOGPT_INTERNAL, "A kernel failed: %s", error.what());
  }
}

}  // namespace
}  // namespace nanogpt

using nanogpt::Kernels;
using nanogpt::run;

NANOGPT_EXPORT int32_t nanogpt_measure_peak(uint64_t context, uint64_t out) { return run(context, &Kernels::measure_peak, out); }
NANOGPT_EXPORT int32_t nanogpt_fill(uint64_t context, uint64_t y, uint32_t count, uint32_t dtype, double value) { return run(context, &Kernels::fill, y, count, dtype, value); }
NANOGPT_EXPORT int32_t nanogpt_cast(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype_y, uint32_t dtype_x) { return run(context, &Kernels::cast, y, x, count, dtype_y, dtype_x); }
NANOGPT_EXPORT int32_t nanogpt_add(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t count, uint32_t dtype) { return run(context, &Kernels::add, y, a, b, count, dtype); }
NANOGPT_EXPORT int32_t nanogpt_axpby(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t count, uint32_t dtype, double alpha, double beta) { return run(context, &Kernels::axpby, y, a, b, count, dtype, alpha, beta); }
NANOGPT_EXPORT int32_t nanogpt_affine(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype, double alpha, double beta) { return run(context, &Kernels::affine, y, x, count, dtype, alpha, beta); }
NANOGPT_EXPORT int32_t nanogpt_scale(uint64_t context, uint64_t y, uint64_t x, uint64_t s, uint32_t count, uint32_t size, uint32_t index, uint32_t dtype) { return run(context, &Kernels::scale, y, x, s, count, size, index, dtype); }
NANOGPT_EXPORT int32_t nanogpt_scale_grad(uint64_t context, uint64_t ds, uint64_t dy, uint64_t x, uint32_t count, uint32_t size, uint32_t index, uint32_t dtype) { return run(context, &Kernels::scale_grad, ds, dy, x, count, size, index, dtype); }
NANOGPT_EXPORT int32_t nanogpt_mix(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t dtype) { return run(context, &Kernels::mix, y, a, b, s, count, size, form, index, dtype); }
NANOGPT_EXPORT int32_t nanogpt_mix_grad(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b, uint64_t s, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t dtype) { return run(context, &Kernels::mix_grad, da, db, ds, dy, a, b, s, count, size, form, index, dtype); }
NANOGPT_EXPORT int32_t nanogpt_mix_grad_add(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b, uint64_t s, uint64_t r, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t into, uint32_t dtype) { return run(context, &Kernels::mix_grad_add, da, db, ds, dy, a, b, s, r, count, size, form, index, into, dtype); }
NANOGPT_EXPORT int32_t nanogpt_mix_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b, uint64_t s, uint64_t ra, uint64_t rb, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t dtype) { return run(context, &Kernels::mix_grad_add_both, da, db, ds, dy, a, b, s, ra, rb, count, size, form, index, dtype); }
NANOGPT_EXPORT int32_t nanogpt_relu_squared(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype) { return run(context, &Kernels::relu_squared, y, x, count, dtype); }
NANOGPT_EXPORT int32_t nanogpt_relu_squared_grad(uint64_t context, uint64_t dx, uint64_t y, uint64_t dy, uint32_t count, uint32_t dtype) { return run(context, &Kernels::relu_squared_grad, dx, y, dy, count, dtype); }
NANOGPT_EXPORT int32_t nanogpt_softcap(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype, double cap) { return run(context, &Kernels::softcap, y, x, count, dtype, cap); }
NANOGPT_EXPORT int32_t nanogpt_softcap_grad(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint32_t count, uint32_t dtype, double cap) { return run(context, &Kernels::softcap_grad, dx, x, dy, count, dtype, cap); }
NANOGPT_EXPORT int32_t nanogpt_mean(uint64_t context, uint64_t y, uint64_t x, uint32_t count) { return run(context, &Kernels::mean, y, x, count); }
NANOGPT_EXPORT int32_t nanogpt_broadcast(uint64_t context, uint64_t y, uint64_t s, uint32_t count, double factor) { return run(context, &Kernels::broadcast, y, s, count, factor); }
NANOGPT_EXPORT int32_t nanogpt_embed(uint64_t context, uint64_t y, uint64_t table, uint64_t tokens, uint32_t N, uint32_t C, uint32_t V, uint32_t dtype) { return run(context, &Kernels::embed, y, table, tokens, N, C, V, dtype); }
NANOGPT_EXPORT int32_t nanogpt_embed_grad(uint64_t context, uint64_t dtable, uint64_t dy, uint64_t tokens, uint32_t N, uint32_t C, uint32_t V, uint32_t accumulate, uint32_t dtype) { return run(context, &Kernels::embed_grad, dtable, dy, tokens, N, C, V, accumulate, dtype); }
NANOGPT_EXPORT int32_t nanogpt_select_row(uint64_t context, uint64_t y, uint64_t x, uint64_t index, uint32_t N, uint32_t C, uint32_t dtype) { return run(context, &Kernels::select_row, y, x, index, N, C, dtype); }
NANOGPT_EXPORT int32_t nanogpt_rms_norm(uint64_t context, uint64_t y, uint64_t x, uint32_t rows, uint32_t width, uint32_t dtype, double eps) { return run(context, &Kernels::rms_norm, y, x, rows, width, dtype, eps); }
NANOGPT_EXPORT int32_t nanogpt_rms_norm_grad(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint32_t rows, uint32_t width, uint32_t dtype, double eps) { return run(context, &Kernels::rms_norm_grad, dx, x, dy, rows, width, dtype, eps); }
NANOGPT_EXPORT int32_t nanogpt_rms_norm_grad_add(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint64_t r, uint32_t rows, uint32_t width, uint32_t dtype, double eps) { return run(context, &Kernels::rms_norm_grad_add, dx, x, dy, r, rows, width, dtype, eps); }
NANOGPT_EXPORT int32_t nanogpt_mix_norm(uint64_t context, uint64_t x, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint32_t rows, uint32_t width, uint32_t dtype, double eps) { return run(context, &Kernels::mix_norm, x, y, a, b, s, rows, width, dtype, eps); }
NANOGPT_EXPORT int32_t nanogpt_mix_norm_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width, uint32_t dtype, double eps) { return run(context, &Kernels::mix_norm_grad_add_both, da, db, ds, dy, dx, a, b, s, r0, r1, rows, width, dtype, eps); }
NANOGPT_EXPORT int32_t nanogpt_mix_norm_self_grad_add(uint64_t context, uint64_t da, uint64_t ds, uint64_t dy, uint64_t dx, uint64_t a, uint64_t s, uint64_t r0, uint32_t rows, uint32_t width, uint32_t dtype, double eps) { return run(context, &Kernels::mix_norm_self_grad_add, da, ds, dy, dx, a, s, r0, rows, width, dtype, eps); }
NANOGPT_EXPORT int32_t nanogpt_skip_mix_norm(uint64_t context, uint64_t x, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps) { return run(context, &Kernels::skip_mix_norm, x, y, a, b, s, skip, w, rows, width, size, index, dtype, eps); }
NANOGPT_EXPORT int32_t nanogpt_skip_mix_norm_grad(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dskip, uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps) { return run(context, &Kernels::skip_mix_norm_grad, da, db, ds, dskip, dw, dy, dx, a, b, s, skip, w, rows, width, size, index, dtype, eps); }
NANOGPT_EXPORT int32_t nanogpt_skip_mix_norm_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dskip, uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps) { return run(context, &Kernels::skip_mix_norm_grad_add_both, da, db, ds, dskip, dw, dy, dx, a, b, s, skip, w, r0, r1, rows, width, size, index, dtype, eps); }
NANOGPT_EXPORT int32_t nanogpt_skip_mix_norm_self_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t w, uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps) { return run(context, &Kernels::skip_mix_norm_self_grad_add_both, da, db, ds, dw, dy, dx, a, b, s, w, r0, r1, rows, width, size, index, dtype, eps); }
NANOGPT_EXPORT int32_t nanogpt_rope_table(uint64_t context, uint64_t table, uint32_t T, uint32_t D, double base) { return run(context, &Kernels::rope_table, table, T, D, base); }
NANOGPT_EXPORT int32_t nanogpt_rope_table_at(uint64_t context, uint64_t table, uint64_t position, uint32_t T, uint32_t D, double base) { return run(context, &Kernels::rope_table_at, table, position, T, D, base); }
NANOGPT_EXPORT int32_t nanogpt_rope(uint64_t context, uint64_t y, uint64_t x, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t inverse, uint32_t dtype) { return run(context, &Kernels::rope, y, x, table, N, T, H, D, inverse, dtype); }
NANOGPT_EXPORT int32_t nanogpt_norm_rope(uint64_t context, uint64_t y, uint64_t r, uint64_t x, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, double eps) { return run(context, &Kernels::norm_rope, y, r, x, table, N, T, H, D, dtype, eps); }
NANOGPT_EXPORT int32_t nanogpt_norm_rope_grad(uint64_t context, uint64_t dx, uint64_t dy, uint64_t y, uint64_t r, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype) { return run(context, &Kernels::norm_rope_grad, dx, dy, y, r, table, N, T, H, D, dtype); }
NANOGPT_EXPORT int32_t nanogpt_matmul(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint32_t m, uint32_t n, uint32_t k, uint32_t trans_a, uint32_t trans_b, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t accumulate, uint32_t form) { return run(context, &Kernels::matmul, c, a, b, m, n, k, trans_a, trans_b, dtype_c, dtype_a, dtype_b, accumulate, form); }
NANOGPT_EXPORT int32_t nanogpt_matmul_add(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint64_t r, uint32_t m, uint32_t n, uint32_t k, uint32_t trans_a, uint32_t trans_b, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t form) { return run(context, &Kernels::matmul_add, c, a, b, r, m, n, k, trans_a, trans_b, dtype_c, dtype_a, dtype_b, form); }
NANOGPT_EXPORT int32_t nanogpt_matmul_relu_squared(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t m, uint32_t n, uint32_t k, uint32_t dtype_y, uint32_t dtype_a, uint32_t dtype_b, uint32_t form) { return run(context, &Kernels::matmul_relu_squared, y, a, b, m, n, k, dtype_y, dtype_a, dtype_b, form); }
NANOGPT_EXPORT int32_t nanogpt_matmul_relu_squared_grad(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint64_t y, uint32_t m, uint32_t n, uint32_t k, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t form) { return run(context, &Kernels::matmul_relu_squared_grad, c, a, b, y, m, n, k, dtype_c, dtype_a, dtype_b, form); }
NANOGPT_EXPORT int32_t nanogpt_matmul_norm_rope(uint64_t context, uint64_t y, uint64_t r, uint64_t a, uint64_t b, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t C, uint32_t dtype, uint32_t dtype_b, uint32_t form, double eps) { return run(context, &Kernels::matmul_norm_rope, y, r, a, b, table, N, T, H, D, C, dtype, dtype_b, form, eps); }
NANOGPT_EXPORT int32_t nanogpt_matmul_mix(uint64_t context, uint64_t y, uint64_t own, uint64_t a, uint64_t b, uint64_t v1, uint64_t s, uint32_t m, uint32_t n, uint32_t k, uint32_t dtype, uint32_t dtype_b, uint32_t form) { return run(context, &Kernels::matmul_mix, y, own, a, b, v1, s, m, n, k, dtype, dtype_b, form); }
NANOGPT_EXPORT int32_t nanogpt_attention_start(uint64_t context, uint64_t start, uint64_t tokens, uint32_t N, uint32_t T, uint32_t window, uint32_t eos) { return run(context, &Kernels::attention_start, start, tokens, N, T, window, eos); }
NANOGPT_EXPORT int32_t nanogpt_attention(uint64_t context, uint64_t y, uint64_t lse, uint64_t q, uint64_t k, uint64_t v, uint64_t start, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, uint32_t form) { return run(context, &Kernels::attention, y, lse, q, k, v, start, N, T, H, D, dtype, form); }
NANOGPT_EXPORT int32_t nanogpt_attention_grad(uint64_t context, uint64_t dq, uint64_t dk, uint64_t dv, uint64_t dy, uint64_t q, uint64_t k, uint64_t v, uint64_t y, uint64_t lse, uint64_t start, uint64_t workspace, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, uint32_t form) { return run(context, &Kernels::attention_grad, dq, dk, dv, dy, q, k, v, y, lse, start, workspace, N, T, H, D, dtype, form); }
NANOGPT_EXPORT int32_t nanogpt_cache_rows(uint64_t context, uint64_t cache, uint64_t x, uint64_t position, uint32_t N, uint32_t rows, uint32_t C, uint32_t dtype) { return run(context, &Kernels::cache_rows, cache, x, position, N, rows, C, dtype); }
NANOGPT_EXPORT int32_t nanogpt_attention_cached(uint64_t context, uint64_t y, uint64_t q, uint64_t keys, uint64_t values, uint64_t start, uint64_t position, uint32_t N, uint32_t rows, uint32_t H, uint32_t D, uint32_t dtype) { return run(context, &Kernels::attention_cached, y, q, keys, values, start, position, N, rows, H, D, dtype); }
NANOGPT_EXPORT int32_t nanogpt_cross_entropy(uint64_t context, uint64_t losses, uint64_t logits, uint64_t targets, uint32_t N, uint32_t V) { return run(context, &Kernels::cross_entropy, losses, logits, targets, N, V); }
NANOGPT_EXPORT int32_t nanogpt_cross_entropy_grad(uint64_t context, uint64_t dlogits, uint64_t logits, uint64_t targets, uint64_t dlosses, uint32_t N, uint32_t V) { return run(context, &Kernels::cross_entropy_grad, dlogits, logits, targets, dlosses, N, V); }
NANOGPT_EXPORT int32_t nanogpt_head_loss(uint64_t context, uint64_t losses, uint64_t x, uint64_t w, uint64_t targets, uint64_t workspace, uint32_t N, uint32_t C, uint32_t V, uint32_t chunk, uint32_t dtype, uint32_t form, double cap) { return run(context, &Kernels::head_loss, losses, x, w, targets, workspace, N, C, V, chunk, dtype, form, cap); }
NANOGPT_EXPORT int32_t nanogpt_head_loss_grad(uint64_t context, uint64_t losses, uint64_t dx, uint64_t dw, uint64_t x, uint64_t w, uint64_t targets, uint64_t dlosses, uint64_t workspace, uint32_t N, uint32_t C, uint32_t V, uint32_t chunk, uint32_t accumulate, uint32_t dtype, uint32_t form, double cap) { return run(context, &Kernels::head_loss_grad, losses, dx, dw, x, w, targets, dlosses, workspace, N, C, V, chunk, accumulate, dtype, form, cap); }
NANOGPT_EXPORT int32_t nanogpt_guard(uint64_t context, uint64_t scalars, uint64_t loss) { return run(context, &Kernels::guard, scalars, loss); }
NANOGPT_EXPORT int32_t nanogpt_adam(uint64_t context, uint64_t p, uint64_t m, uint64_t v, uint64_t flags, uint64_t g, uint64_t scalars, uint32_t count, uint32_t first, uint32_t index, double lr, double beta1, double beta2, double eps) { return run(context, &Kernels::adam, p, m, v, flags, g, scalars, count, first, index, lr, beta1, beta2, eps); }
NANOGPT_EXPORT int32_t nanogpt_nesterov(uint64_t context, uint64_t m, uint64_t u, uint64_t flags, uint64_t g, uint64_t scalars, uint32_t count, uint32_t index, uint32_t slots, uint32_t slot) { return run(context, &Kernels::nesterov, m, u, flags, g, scalars, count, index, slots, slot); }
NANOGPT_EXPORT int32_t nanogpt_frobenius_normalise(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype_y, uint32_t dtype_x, double eps) { return run(context, &Kernels::frobenius_normalise, y, x, count, dtype_y, dtype_x, eps); }
NANOGPT_EXPORT int32_t nanogpt_newton_schulz(uint64_t context, uint64_t y, uint64_t x, uint64_t workspace, uint32_t batch, uint32_t rows, uint32_t cols, uint32_t steps, uint32_t dtype, uint32_t form) { return run(context, &Kernels::newton_schulz, y, x, workspace, batch, rows, cols, steps, dtype, form); }
NANOGPT_EXPORT int32_t nanogpt_apply_update(uint64_t context, uint64_t p, uint64_t u, uint64_t scalars, uint32_t count, uint32_t slots, uint32_t slot, double factor) { return run(context, &Kernels::apply_update, p, u, scalars, count, slots, slot, factor); }
