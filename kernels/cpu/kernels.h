// Every op in the namespace of one instruction set: generated from kernels/abi.h by `deno task symbols`; do not edit.
// Included by the op files, which define these, and by dispatch.cpp, which includes it once per instruction set.
// The name is the exported one without `nanogpt_`. May include only the C++ standard library.
#include <cstdint>

namespace nanogpt::NANOGPT_ISA_NAMESPACE {

int32_t measure_peak(uint64_t context, uint64_t out);
int32_t fill(uint64_t context, uint64_t y, uint32_t count, uint32_t dtype, double value);
int32_t cast(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype_y, uint32_t dtype_x);
int32_t add(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t count, uint32_t dtype);
int32_t axpby(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t count, uint32_t dtype, double alpha, double beta);
int32_t affine(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype, double alpha, double beta);
int32_t scale(uint64_t context, uint64_t y, uint64_t x, uint64_t s, uint32_t count, uint32_t size, uint32_t index, uint32_t dtype);
int32_t scale_grad(uint64_t context, uint64_t ds, uint64_t dy, uint64_t x, uint32_t count, uint32_t size, uint32_t index, uint32_t dtype);
int32_t mix(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t dtype);
int32_t mix_grad(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b, uint64_t s, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t dtype);
int32_t mix_grad_add(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b, uint64_t s, uint64_t r, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t into, uint32_t dtype);
int32_t mix_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b, uint64_t s, uint64_t ra, uint64_t rb, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t dtype);
int32_t relu_squared(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype);
int32_t relu_squared_grad(uint64_t context, uint64_t dx, uint64_t y, uint64_t dy, uint32_t count, uint32_t dtype);
int32_t softcap(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype, double cap);
int32_t softcap_grad(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint32_t count, uint32_t dtype, double cap);
int32_t mean(uint64_t context, uint64_t y, uint64_t x, uint32_t count);
int32_t broadcast(uint64_t context, uint64_t y, uint64_t s, uint32_t count, double factor);
int32_t embed(uint64_t context, uint64_t y, uint64_t table, uint64_t tokens, uint32_t N, uint32_t C, uint32_t V, uint32_t dtype);
int32_t embed_grad(uint64_t context, uint64_t dtable, uint64_t dy, uint64_t tokens, uint32_t N, uint32_t C, uint32_t V, uint32_t accumulate, uint32_t dtype);
int32_t select_row(uint64_t context, uint64_t y, uint64_t x, uint64_t index, uint32_t N, uint32_t C, uint32_t dtype);
int32_t rms_norm(uint64_t context, uint64_t y, uint64_t x, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
int32_t rms_norm_grad(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
int32_t rms_norm_grad_add(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint64_t r, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
int32_t mix_norm(uint64_t context, uint64_t x, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
int32_t mix_norm_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
int32_t mix_norm_self_grad_add(uint64_t context, uint64_t da, uint64_t ds, uint64_t dy, uint64_t dx, uint64_t a, uint64_t s, uint64_t r0, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
int32_t skip_mix_norm(uint64_t context, uint64_t x, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps);
int32_t skip_mix_norm_grad(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dskip, uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps);
int32_t skip_mix_norm_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dskip, uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps);
int32_t skip_mix_norm_self_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t w, uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps);
int32_t rope_table(uint64_t context, uint64_t table, uint32_t T, uint32_t D, double base);
int32_t rope_table_at(uint64_t context, uint64_t table, uint64_t position, uint32_t T, uint32_t D, double base);
int32_t rope(uint64_t context, uint64_t y, uint64_t x, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t inverse, uint32_t dtype);
int32_t norm_rope(uint64_t context, uint64_t y, uint64_t r, uint64_t x, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, double eps);
int32_t norm_rope_grad(uint64_t context, uint64_t dx, uint64_t dy, uint64_t y, uint64_t r, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype);
int32_t matmul(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint32_t m, uint32_t n, uint32_t k, uint32_t trans_a, uint32_t trans_b, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t accumulate, uint32_t form);
int32_t matmul_add(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint64_t r, uint32_t m, uint32_t n, uint32_t k, uint32_t trans_a, uint32_t trans_b, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t form);
int32_t matmul_relu_squared(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t m, uint32_t n, uint32_t k, uint32_t dtype_y, uint32_t dtype_a, uint32_t dtype_b, uint32_t form);
int32_t matmul_relu_squared_grad(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint64_t y, uint32_t m, uint32_t n, uint32_t k, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t form);
int32_t matmul_norm_rope(uint64_t context, uint64_t y, uint64_t r, uint64_t a, uint64_t b, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t C, uint32_t dtype, uint32_t dtype_b, uint32_t form, double eps);
int32_t matmul_mix(uint64_t context, uint64_t y, uint64_t own, uint64_t a, uint64_t b, uint64_t v1, uint64_t s, uint32_t m, uint32_t n, uint32_t k, uint32_t dtype, uint32_t dtype_b, uint32_t form);
int32_t attention_start(uint64_t context, uint64_t start, uint64_t tokens, uint32_t N, uint32_t T, uint32_t window, uint32_t eos);
int32_t attention(uint64_t context, uint64_t y, uint64_t lse, uint64_t q, uint64_t k, uint64_t v, uint64_t start, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, uint32_t form);
int32_t attention_grad(uint64_t context, uint64_t dq, uint64_t dk, uint64_t dv, uint64_t dy, uint64_t q, uint64_t k, uint64_t v, uint64_t y, uint64_t lse, uint64_t start, uint64_t workspace, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, uint32_t form);
int32_t cache_rows(uint64_t context, uint64_t cache, uint64_t x, uint64_t position, uint32_t N, uint32_t rows, uint32_t C, uint32_t dtype);
int32_t attention_cached(uint64_t context, uint64_t y, uint64_t q, uint64_t keys, uint64_t values, uint64_t start, uint64_t position, uint32_t N, uint32_t rows, uint32_t H, uint32_t D, uint32_t dtype);
int32_t cross_entropy(uint64_t context, uint64_t losses, uint64_t logits, uint64_t targets, uint32_t N, uint32_t V);
int32_t cross_entropy_grad(uint64_t context, uint64_t dlogits, uint64_t logits, uint64_t targets, uint64_t dlosses, uint32_t N, uint32_t V);
int32_t head_loss(uint64_t context, uint64_t losses, uint64_t x, uint64_t w, uint64_t targets, uint64_t workspace, uint32_t N, uint32_t C, uint32_t V, uint32_t chunk, uint32_t dtype, uint32_t form, double cap);
int32_t head_loss_grad(uint64_t context, uint64_t losses, uint64_t dx, uint64_t dw, uint64_t x, uint64_t w, uint64_t targets, uint64_t dlosses, uint64_t workspace, uint32_t N, uint32_t C, uint32_t V, uint32_t chunk, uint32_t accumulate, uint32_t dtype, uint32_t form, double cap);
int32_t guard(uint64_t context, uint64_t scalars, uint64_t loss);
int32_t adam(uint64_t context, uint64_t p, uint64_t m, uint64_t v, uint64_t flags, uint64_t g, uint64_t scalars, uint32_t count, uint32_t first, uint32_t index, double lr, double beta1, double beta2, double eps);
int32_t nesterov(uint64_t context, uint64_t m, uint64_t u, uint64_t flags, uint64_t g, uint64_t scalars, uint32_t count, uint32_t index, uint32_t slots, uint32_t slot);
int32_t frobenius_normalise(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype_y, uint32_t dtype_x, double eps);
int32_t newton_schulz(uint64_t context, uint64_t y, uint64_t x, uint64_t workspace, uint32_t batch, uint32_t rows, uint32_t cols, uint32_t steps, uint32_t dtype, uint32_t form);
int32_t apply_update(uint64_t context, uint64_t p, uint64_t u, uint64_t scalars, uint32_t count, uint32_t slots, uint32_t slot, double factor);

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
