// The boundary between the program and its kernels: the single statement of it. Every shared object (cpu, cuda,
// emulated) exports exactly these functions; ffi/symbols.ts is generated from this file by `deno task symbols`.
//
// Rules of every function
// - `context` first, then output addresses, input addresses, workspace, sizes (uint32_t), scalars (double).
// - An address is a uint64_t of memory that nanogpt_alloc gave (64-byte aligned); rows are contiguous (row-major).
// - The result is a status: 0, or an error whose text nanogpt_last_error gives (op, shapes, what was expected).
// - On a cpu calls are synchronous and the caller is thread 0 of the context's pool. On a GPU a call enqueues work on the
//   context's stream: what its arguments break is told at once, what the work itself finds (a token outside the
//   vocabulary, a failed kernel) by the next nanogpt_sync or nanogpt_download, or by nanogpt_collect of a later post. One
//   context is used by one thread at a time.
// - Outputs never overlap inputs unless the function's comment says "in place".
// - Results do not depend on the number of threads: work is cut by shape, sums have a fixed order.
// - Sums, norms, softmax and losses are float32 (double inside long reductions); NaN and infinity come through.
// - Before computing, every function rejects a zero size, a null address and any limit stated in its comment.
//
// Letters: N tokens (rows) in the microbatch, T tokens in a sequence (N is a multiple of T), C model width, H heads,
// D = C/H head width (even), V vocabulary. `act` is the activation type, given as `dtype`: one of the codes below.
// Every cap and base is finite and above 0, every eps finite and not below 0.
#ifndef NANOGPT_ABI_H
#define NANOGPT_ABI_H
#include <stdint.h>

#define NANOGPT_ABI_VERSION 4

#define NANOGPT_F32 0
#define NANOGPT_BF16 1

#define NANOGPT_OK 0
#define NANOGPT_INVALID 1     // an argument breaks a stated limit
#define NANOGPT_NO_MEMORY 2   // the system refused memory
#define NANOGPT_UNSUPPORTED 3 // this machine cannot do what was asked
#define NANOGPT_INTERNAL 4    // a bug: a kernel failed in a way it should not

// Room for the text that says why no context was made.
#define NANOGPT_CREATE_ERROR_BYTES 1024

// Instruction sets, in rising order; 0 lets the library choose the best that the machine has.
#define NANOGPT_ISA_AUTO 0
#define NANOGPT_ISA_PORTABLE 1
#define NANOGPT_ISA_AVX2 2
#define NANOGPT_ISA_AVX512 3
#define NANOGPT_ISA_AVX512BF16 4
#define NANOGPT_ISA_AMX 5
// Of GPUs, emulated ones too.
#define NANOGPT_ISA_SM80 6
#define NANOGPT_ISA_SM90A 7

// Forms of the kernels with matrix products.
#define NANOGPT_FORM_SIMPLE 0 // any shape and type
#define NANOGPT_FORM_MMA 1    // bf16 on mma.sync: sm_80 and later
#define NANOGPT_FORM_WGMMA 2  // bf16 on wgmma and TMA: sm_90a only
#define NANOGPT_FORM_CUBLASLT 3 // products by cuBLASLt, after nanogpt_open_cublaslt: rows of whole 16 bytes
#define NANOGPT_FORM_WGMMA_ADD 4 // as WGMMA, but blocks add to one sum in memory: fewer products, sums of no fixed order

// Bytes of what nanogpt_group_id makes.
#define NANOGPT_GROUP_ID_BYTES 128

// Operations of nanogpt_all_reduce.
#define NANOGPT_REDUCE_SUM 0
#define NANOGPT_REDUCE_MAX 1

// Forms of nanogpt_mix: the coefficients (ca, cb) of y = ca*a + cb*b made from the vector s.
#define NANOGPT_MIX_PAIR 0 // (s[0], s[1])                       residual mix
#define NANOGPT_MIX_LERP 1 // (1 - s[0], s[0])                   value mix
#define NANOGPT_MIX_SKIP 2 // (1, s[index])                      U-net skip

// Slots of the step's scalar buffer (float32[8]). The first four are written before `update` runs; HALT stays as it is from
// step to step, and begins as 0.
#define NANOGPT_SCALAR_RATE 0            // r(t), the rate multiplier
#define NANOGPT_SCALAR_MOMENTUM 1        // mu(t) of Muon
#define NANOGPT_SCALAR_BIAS1 2           // 1 / (1 - beta1^(t+1))
#define NANOGPT_SCALAR_BIAS2 3           // 1 / (1 - beta2^(t+1))
#define NANOGPT_SCALAR_HALT 4            // not 0: adam, nesterov and apply_update change nothing; nanogpt_guard sets it

#ifdef __cplusplus
extern "C" {
#endif

// ---- Context, memory, machine --------------------------------------------------------------------------------

// The ABI version the library was built with; compared on open.
uint32_t nanogpt_abi_version(void);

// How many GPUs there are, whose ordinals nanogpt_context_create takes; 1 on a cpu. out_count: uint64_t[1]; out_error:
// char[NANOGPT_CREATE_ERROR_BYTES], filled when the status is not 0: NANOGPT_UNSUPPORTED where there is no driver or no GPU.
int32_t nanogpt_device_count(uint64_t out_count, uint64_t out_error);

// Makes a context. out_context: uint64_t[1]; out_error: char[NANOGPT_CREATE_ERROR_BYTES], filled when the status is not 0.
// threads: 0 = all cores this process may use. isa: a NANOGPT_ISA code; one this machine lacks is an error.
// pin: 1 = bind thread i to the i-th allowed core. ordinal: which GPU, from 0; a cpu takes only 0.
int32_t nanogpt_context_create(uint64_t out_context, uint64_t out_error, uint32_t threads, uint32_t isa, uint32_t pin, uint32_t ordinal);

// Ends the pool's threads, leaves the group and frees the context; its memory from nanogpt_alloc must be freed before.
int32_t nanogpt_context_destroy(uint64_t context);

// Text of the last error of this context, NUL-terminated, cut to `capacity` bytes. out_text: char[capacity].
int32_t nanogpt_last_error(uint64_t context, uint64_t out_text, uint32_t capacity);

// One JSON object: {"isa","threads","available":[isa names],"machine","precisions":{"f32":isa,"bf16":isa}}: for each
// precision the instruction set whose matrix kernel runs. out_text: char[capacity].
int32_t nanogpt_describe(uint64_t context, uint64_t out_text, uint32_t capacity);

// Zeroed memory, 64-byte aligned, in huge pages where the system grants them, first touched by the pool's threads.
// out_address: uint64_t[1]; bytes: up to 2^53.
int32_t nanogpt_alloc(uint64_t context, uint64_t out_address, double bytes);
int32_t nanogpt_free(uint64_t context, uint64_t address, double bytes);

// Copies `bytes` from the caller's memory at `source` to the context's at `address`, or back. The caller's memory may be
// reused when the call returns; a download first waits for all work enqueued before it.
int32_t nanogpt_upload(uint64_t context, uint64_t address, uint64_t source, double bytes);
int32_t nanogpt_download(uint64_t context, uint64_t target, uint64_t address, double bytes);
// Waits for all enqueued work; the status and error text are those of the first that failed.
int32_t nanogpt_sync(uint64_t context);

// Begins a download that is collected later, so that the host need not wait meanwhile: a copy of the `bytes` (1 to 65536) at
// `address` as all work enqueued so far leaves them. out_ticket: uint64_t[1]. At most 65536 posts may wait for their collect.
int32_t nanogpt_post(uint64_t context, uint64_t out_ticket, uint64_t address, double bytes);
// Waits for that copy, not for what was enqueued after it, and puts its bytes into the caller's memory at `target`. Tells what
// went wrong in the work before the post. A ticket is good for one collect, whatever that finds.
int32_t nanogpt_collect(uint64_t context, uint64_t target, uint64_t ticket);

// Records the calls between begin and end instead of running them, and runs them all by one launch. Uploads, downloads, posts
// and syncs cannot be recorded. out_graph: uint64_t[1]. A cpu gives NANOGPT_UNSUPPORTED.
int32_t nanogpt_graph_begin(uint64_t context);
int32_t nanogpt_graph_end(uint64_t context, uint64_t out_graph);
int32_t nanogpt_graph_launch(uint64_t context, uint64_t graph);
int32_t nanogpt_graph_free(uint64_t context, uint64_t graph);

// Opens NVIDIA's cuBLASLt, so that NANOGPT_FORM_CUBLASLT may be used. NANOGPT_UNSUPPORTED where it is missing, and on a cpu.
int32_t nanogpt_open_cublaslt(uint64_t context);

// Emulated devices: how later launches are scheduled. seed 0: in order, asynchronous work done at once; any other seed: a
// random legal order drawn from it. processors: blocks that run at the same time, 1 to 132. Others: NANOGPT_UNSUPPORTED.
int32_t nanogpt_schedule(uint64_t context, uint32_t seed, uint32_t processors);

// Emulated devices: how many calls of the driver so far found work unfinished and waited for it (none under seed 0, which does
// all work at once). out_count: uint64_t[1]. Others: NANOGPT_UNSUPPORTED.
int32_t nanogpt_waits(uint64_t context, uint64_t out_count);

// Makes every asynchronous and matrix instruction work on random data and compares with what it is documented to do. A line
// for each: PASS or FAIL, name, cases, worst difference (wrong values, or shares of what is allowed). out_text:
// char[capacity], NUL-terminated, cut to the capacity. A cpu, and a GPU without sm_90a, gives NANOGPT_UNSUPPORTED.
int32_t nanogpt_selftest(uint64_t context, uint64_t out_text, uint32_t capacity);

// Measures the machine with all threads of the context: out: double[3] = peak float32 FLOP/s of the matrix kernel's
// instruction (register-only loop), peak bf16 FLOP/s likewise, memory bytes/s (read + write of a triad over 256 MB).
int32_t nanogpt_measure_peak(uint64_t context, uint64_t out);

// ---- Elementwise ---------------------------------------------------------------------------------------------

// y[i] = value. y: act[count].
int32_t nanogpt_fill(uint64_t context, uint64_t y, uint32_t count, uint32_t dtype, double value);
// y = x with another type, rounded to nearest even. y: dtype_y[count], x: dtype_x[count].
int32_t nanogpt_cast(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype_y, uint32_t dtype_x);
// y = a + b, all act[count]. In place: y may be a or b.
int32_t nanogpt_add(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t count, uint32_t dtype);
// y = alpha*a + beta*b, all act[count]. In place: y may be a or b.
int32_t nanogpt_axpby(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t count, uint32_t dtype, double alpha, double beta);
// y = alpha*x + beta, all act[count]. In place: y may be x.
int32_t nanogpt_affine(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype, double alpha, double beta);
// y = s[index]*x. x, y: act[count]; s: float32[size].
int32_t nanogpt_scale(uint64_t context, uint64_t y, uint64_t x, uint64_t s, uint32_t count, uint32_t size, uint32_t index, uint32_t dtype);
// ds[index] = sum(dy*x), the other elements 0. ds: float32[size]; dy, x: act[count].
int32_t nanogpt_scale_grad(uint64_t context, uint64_t ds, uint64_t dy, uint64_t x, uint32_t count, uint32_t size, uint32_t index, uint32_t dtype);
// y = ca*a + cb*b with the form's coefficients. a, b, y: act[count]; s: float32[size].
int32_t nanogpt_mix(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t dtype);
// da = ca*dy, db = cb*dy, ds = d(sum(dy*y))/ds, its untouched elements 0. ds: float32[size].
// In place: da may be dy.
int32_t nanogpt_mix_grad(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b, uint64_t s, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t dtype);
// The same with r added to output number `into`: 0 da or 1 db, r: act[count]; 2 ds, r: float32[size]. Before the one
// rounding. In place: da may be dy; output number `into` may be r.
int32_t nanogpt_mix_grad_add(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b, uint64_t s, uint64_t r, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t into, uint32_t dtype);
// The same with ra added to da and rb to db, act[count]. In place: da may be dy or ra, db may be rb.
int32_t nanogpt_mix_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b, uint64_t s, uint64_t ra, uint64_t rb, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t dtype);
// y = max(x, 0)^2, act[count].
int32_t nanogpt_relu_squared(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype);
// dx = 2 sqrt(y) dy, act[count], where y = max(x, 0)^2, so that sqrt(y) = max(x, 0). In place: dx may be dy.
int32_t nanogpt_relu_squared_grad(uint64_t context, uint64_t dx, uint64_t y, uint64_t dy, uint32_t count, uint32_t dtype);
// y = cap*tanh(x/cap), act[count].
int32_t nanogpt_softcap(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype, double cap);
// dx = (1 - tanh(x/cap)^2) dy, act[count].
int32_t nanogpt_softcap_grad(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint32_t count, uint32_t dtype, double cap);
// y[0] = mean of x. y: float32[1]; x: float32[count].
int32_t nanogpt_mean(uint64_t context, uint64_t y, uint64_t x, uint32_t count);
// y[i] = factor*s[0]. y: float32[count]; s: float32[1].
int32_t nanogpt_broadcast(uint64_t context, uint64_t y, uint64_t s, uint32_t count, double factor);

// ---- Rows ----------------------------------------------------------------------------------------------------

// y[n] = table[tokens[n]]. y: act[N,C]; table: float32[V,C]; tokens: int32[N]. A token outside 0..V-1 is an error.
int32_t nanogpt_embed(uint64_t context, uint64_t y, uint64_t table, uint64_t tokens, uint32_t N, uint32_t C, uint32_t V, uint32_t dtype);
// dtable[v] = sum over n with tokens[n] = v of dy[n], in token order; accumulate 1 adds to dtable. dtable: float32[V,C].
// N + V at most 6291456.
int32_t nanogpt_embed_grad(uint64_t context, uint64_t dtable, uint64_t dy, uint64_t tokens, uint32_t N, uint32_t C, uint32_t V, uint32_t accumulate, uint32_t dtype);
// y[0] = x[index[0]]. y: act[1,C]; x: act[N,C]; index: int32[1], 0 <= index < N.
int32_t nanogpt_select_row(uint64_t context, uint64_t y, uint64_t x, uint64_t index, uint32_t N, uint32_t C, uint32_t dtype);
// y = x / sqrt(mean(x^2) + eps) over each row of `width`. x, y: act[rows,width].
int32_t nanogpt_rms_norm(uint64_t context, uint64_t y, uint64_t x, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
// With r = 1/sqrt(mean(x^2)+eps): dx = r*dy - x * r^3 * mean(x*dy). All act[rows,width]. In place: dx may be dy.
int32_t nanogpt_rms_norm_grad(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
// dx = r + that gradient, r: act[rows,width], added before the one rounding. In place: dx may be dy or r.
int32_t nanogpt_rms_norm_grad_add(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint64_t r, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
// x = s[0]*a + s[1]*b and y = x / sqrt(mean(x^2) + eps) over each row, in one pass, x rounded only where it is stored.
// a, b, x, y: act[rows,width]; s: float32[2]. rows*width at most 4294967295, here and below.
int32_t nanogpt_mix_norm(uint64_t context, uint64_t x, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
// From the gradients dy of y and dx of x: with r = 1/sqrt(mean(x^2)+eps) and g = dx + r*dy - x * r^3 * mean(x*dy), da = r0 +
// s[0]*g, db = r1 + s[1]*g, ds = (sum(g*a), sum(g*b)). x is made again and not rounded. dy, dx, a, b, r0, r1, da, db:
// act[rows,width]; s, ds: float32[2]. In place: da may be dy, dx or r0.
int32_t nanogpt_mix_norm_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
// The same where b is a: da = r0 + (s[0] + s[1])*g, both elements of ds are sum(g*a). In place: da may be dy, dx or r0.
int32_t nanogpt_mix_norm_self_grad_add(uint64_t context, uint64_t da, uint64_t ds, uint64_t dy, uint64_t dx, uint64_t a, uint64_t s, uint64_t r0, uint32_t rows, uint32_t width, uint32_t dtype, double eps);
// The mix and norm with a + w[index]*skip in a's place. skip: act[rows,width]; w: float32[size].
int32_t nanogpt_skip_mix_norm(uint64_t context, uint64_t x, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps);
// Its gradient: da = s[0]*g, db = s[1]*g, dskip = s[0]*w[index]*g, ds = (sum(g*(a + w[index]*skip)), sum(g*b)), dw[index] =
// s[0]*sum(g*skip), the other elements of dw 0. dskip: act[rows,width]; dw: float32[size]. In place: da may be dy or dx.
int32_t nanogpt_skip_mix_norm_grad(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dskip, uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps);
// The same with r0 added to db, act[rows,width], and r1 to dw, float32[size].
int32_t nanogpt_skip_mix_norm_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dskip, uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps);
// That where skip is a: da = s[0]*(1 + w[index])*g.
int32_t nanogpt_skip_mix_norm_self_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t w, uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps);
// table[t] = cos(t*base^(-2j/D)) for j < D/2, then the sines. table: float32[T,D]. Angles in double.
int32_t nanogpt_rope_table(uint64_t context, uint64_t table, uint32_t T, uint32_t D, double base);
// The same for the positions position[0] + t. position: int32[1], not negative.
int32_t nanogpt_rope_table_at(uint64_t context, uint64_t table, uint64_t position, uint32_t T, uint32_t D, double base);
// Halves (a, b) of each head become (a cos + b sin, b cos - a sin); inverse 1 negates the sines.
// x, y: act[N,H,D]; table: float32[T,D]; row n has position n mod T.
int32_t nanogpt_rope(uint64_t context, uint64_t y, uint64_t x, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t inverse, uint32_t dtype);
// y = rope(r x) with r = 1/sqrt(mean(x^2)+eps) of each head, in one pass, without rounding in between. x, y: act[N,H,D];
// r: float32[N,H]. In place: y may be x.
int32_t nanogpt_norm_rope(uint64_t context, uint64_t y, uint64_t r, uint64_t x, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, double eps);
// dx of nanogpt_norm_rope from what it made: with g = dy and z = y rotated back, dx = r*(g - z*mean(dy*y)). In place: dx may be dy.
int32_t nanogpt_norm_rope_grad(uint64_t context, uint64_t dx, uint64_t dy, uint64_t y, uint64_t r, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype);

// ---- Matrices ------------------------------------------------------------------------------------------------

// c = op(a) op(b), with op(a): [m,k] and op(b): [k,n]; trans_a 1: a is stored [k,m]; trans_b 1: b is stored [n,k].
// accumulate 1: c += (c float32 only). Each of a, b, c is float32 or bf16 by its code; if a or b is bf16 both are
// rounded to bf16 before multiplying (float32 accumulation), else everything is float32.
int32_t nanogpt_matmul(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint32_t m, uint32_t n, uint32_t k, uint32_t trans_a, uint32_t trans_b, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t accumulate, uint32_t form);
// c = r + op(a) op(b), r: [m,n] of c's type, added before the one rounding to c's type. In place: c may be r.
int32_t nanogpt_matmul_add(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint64_t r, uint32_t m, uint32_t n, uint32_t k, uint32_t trans_a, uint32_t trans_b, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t form);
// y = max(a b^T, 0)^2, rounded once; a: [m,k], b: [n,k]. Types as those of nanogpt_matmul, y's as c's there.
int32_t nanogpt_matmul_relu_squared(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t m, uint32_t n, uint32_t k, uint32_t dtype_y, uint32_t dtype_a, uint32_t dtype_b, uint32_t form);
// c = 2 sqrt(y) (a b), rounded once: the gradient through y = max(x, 0)^2 of a product a b that is the gradient of y;
// a: [m,k], b: [k,n], y: [m,n] of c's type. Types as those of nanogpt_matmul. In place: c may be y.
int32_t nanogpt_matmul_relu_squared_grad(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint64_t y, uint32_t m, uint32_t n, uint32_t k, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t form);

// y, r = norm_rope(a b^T). a: act[N,C]; b: [H*D,C] of type dtype_b; y: act[N,H,D]; r: float32[N,H]. Types of a and b as for
// matmul. NANOGPT_FORM_WGMMA takes D = 128 and rounds once, to y; the other forms round the product to act before.
int32_t nanogpt_matmul_norm_rope(uint64_t context, uint64_t y, uint64_t r, uint64_t a, uint64_t b, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t C, uint32_t dtype, uint32_t dtype_b, uint32_t form, double eps);
// own = a b^T, y = (1 - s[0])*own + s[0]*v1. a: act[m,k]; b: [n,k] of type dtype_b; y, own, v1: act[m,n]; s: float32[1].
// Types and rounding as for matmul_norm_rope.
int32_t nanogpt_matmul_mix(uint64_t context, uint64_t y, uint64_t own, uint64_t a, uint64_t b, uint64_t v1, uint64_t s, uint32_t m, uint32_t n, uint32_t k, uint32_t dtype, uint32_t dtype_b, uint32_t form);

// ---- Attention -----------------------------------------------------------------------------------------------

// start[n] = first row of the whole [N] that row n may see: the latest of its sequence's first row, the last eos at or
// before it in its sequence, and n - window + 1. start, tokens: int32[N].
int32_t nanogpt_attention_start(uint64_t context, uint64_t start, uint64_t tokens, uint32_t N, uint32_t T, uint32_t window, uint32_t eos);
// y[n,h] = sum over s in start[n]..n of softmax_s(q[n,h].k[s,h]/sqrt(D)) v[s,h]; lse[n,h] = log of the sum of exponentials.
// y, q, k, v: act[N,H,D]; lse: float32[N,H]. D at most 256; start never moves back within a sequence.
int32_t nanogpt_attention(uint64_t context, uint64_t y, uint64_t lse, uint64_t q, uint64_t k, uint64_t v, uint64_t start, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, uint32_t form);
// Gradients from the saved lse, probabilities recomputed. workspace: at least N*H*4 bytes; in NANOGPT_FORM_WGMMA_ADD, which adds
// up dq there, N/T*ceil(T/64)*64*H*D*4 more, at a multiple of 16.
int32_t nanogpt_attention_grad(uint64_t context, uint64_t dq, uint64_t dk, uint64_t dv, uint64_t dy, uint64_t q, uint64_t k, uint64_t v, uint64_t y, uint64_t lse, uint64_t start, uint64_t workspace, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, uint32_t form);

// cache[(position[0] + n) mod rows] = x[n]: a ring of the last rows of a text. cache: act[rows,C], in place; x: act[N,C], N at
// most rows; position: int32[1], not negative.
int32_t nanogpt_cache_rows(uint64_t context, uint64_t cache, uint64_t x, uint64_t position, uint32_t N, uint32_t rows, uint32_t C, uint32_t dtype);
// Attention of the rows p + n, p = position[0], over rings of keys and values that have them already: y[n,h] = sum over s in
// start[n]..p+n of softmax_s(q[n,h].keys[s mod rows,h]/sqrt(D)) values[s mod rows,h]. y, q: act[N,H,D]; keys, values:
// act[rows,H,D]; start: int32[N]. D at most 256; start never moves back, and never further than the ring reaches:
// start[0] > p + N - 1 - rows.
int32_t nanogpt_attention_cached(uint64_t context, uint64_t y, uint64_t q, uint64_t keys, uint64_t values, uint64_t start, uint64_t position, uint32_t N, uint32_t rows, uint32_t H, uint32_t D, uint32_t dtype);

// ---- Loss ----------------------------------------------------------------------------------------------------

// losses[n] = log(sum_v exp(logits[n,v])) - logits[n,targets[n]]. losses: float32[N]; logits: float32[N,V]; targets: int32[N].
int32_t nanogpt_cross_entropy(uint64_t context, uint64_t losses, uint64_t logits, uint64_t targets, uint32_t N, uint32_t V);
// dlogits[n,v] = dlosses[n]*(softmax(logits[n])[v] - [v = targets[n]]). dlogits: float32[N,V]; dlosses: float32[N].
int32_t nanogpt_cross_entropy_grad(uint64_t context, uint64_t dlogits, uint64_t logits, uint64_t targets, uint64_t dlosses, uint32_t N, uint32_t V);
// losses = cross_entropy(softcap(x w^T)) without ever holding more logits than `chunk` rows of them.
// x: act[N,C]; w: act[V,C]; workspace: at least chunk*V*sizeof(act) + chunk*max(C, ceil(V/256))*4 + chunk*64 bytes.
int32_t nanogpt_head_loss(uint64_t context, uint64_t losses, uint64_t x, uint64_t w, uint64_t targets, uint64_t workspace, uint32_t N, uint32_t C, uint32_t V, uint32_t chunk, uint32_t dtype, uint32_t form, double cap);
// The same and, while the logits are warm, dx (act[N,C]) and dw (float32[V,C]; accumulate 1 adds to it), both for the
// gradient dlosses (float32[N]) of the losses. Same workspace.
int32_t nanogpt_head_loss_grad(uint64_t context, uint64_t losses, uint64_t dx, uint64_t dw, uint64_t x, uint64_t w, uint64_t targets, uint64_t dlosses, uint64_t workspace, uint32_t N, uint32_t C, uint32_t V, uint32_t chunk, uint32_t accumulate, uint32_t dtype, uint32_t form, double cap);

// ---- Optimisers ----------------------------------------------------------------------------------------------

// scalars[HALT] = 1 where the loss is not finite, so that no update follows it; all else stays. loss: float32[1].
int32_t nanogpt_guard(uint64_t context, uint64_t scalars, uint64_t loss);
// Adam in place: m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; p -= lr*RATE*(m*BIAS1)/(sqrt(v*BIAS2) + eps).
// m, v: float32[count]; p, g: float32 of at least first + count elements, of which those from `first` on are m's and v's and
// the others are left alone. scalars: the step's scalar buffer; flags[index] = number of non-finite elements of g among those
// (float32).
int32_t nanogpt_adam(uint64_t context, uint64_t p, uint64_t m, uint64_t v, uint64_t flags, uint64_t g, uint64_t scalars, uint32_t count, uint32_t first, uint32_t index, double lr, double beta1, double beta2, double eps);
// Momentum of Muon in place: m = MOMENTUM*m + g; u[slot] = g + MOMENTUM*m. m, g: float32[count]; u: float32[slots,count],
// whose other slots stay as they are; flags as for adam.
int32_t nanogpt_nesterov(uint64_t context, uint64_t m, uint64_t u, uint64_t flags, uint64_t g, uint64_t scalars, uint32_t count, uint32_t index, uint32_t slots, uint32_t slot);
// y = x / (||x||_F + eps). x: dtype_x[count]; y: dtype_y[count].
int32_t nanogpt_frobenius_normalise(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype_y, uint32_t dtype_x, double eps);
// The quintic Newton-Schulz iteration (Muon: a, b, c = 3.4445, -4.7750, 2.0315), `steps` times after
// x/(||x||_F + 1e-7), products in `dtype` with float32 accumulation, of each matrix of a batch: the same bits as one by one.
// x, y: float32[batch,rows,cols]. batch at most 65535, batch*rows*cols at most 4294967295. With s = min(rows, cols),
// l = max(rows, cols): workspace at least batch*(2*l*s + 2*s*s)*4 bytes.
int32_t nanogpt_newton_schulz(uint64_t context, uint64_t y, uint64_t x, uint64_t workspace, uint32_t batch, uint32_t rows, uint32_t cols, uint32_t steps, uint32_t dtype, uint32_t form);
// p -= factor*RATE*u[slot]. p: float32[count]; u: float32[slots,count].
int32_t nanogpt_apply_update(uint64_t context, uint64_t p, uint64_t u, uint64_t scalars, uint32_t count, uint32_t slots, uint32_t slot, double factor);

// ---- Ranks ---------------------------------------------------------------------------------------------------
//
// A group is 2 to 1024 contexts of this process, its ranks, each driven by its own thread. A collective is called by all of
// them with the same arguments but for the tensor, in the same order; `tensor` is float32 memory of the context, worked on in
// place, `count` its elements. Where ranks differ each of them gets an error that says how. A rank that waits for one that never
// comes (on GPUs, or whose own call was refused) waits until the process ends: a program ends when one of its ranks fails.
// A context without a group is refused. On a cpu sums are made in the order of the ranks, the same bits in every run and
// with any number of threads; on GPUs by NCCL, in its order: there a collective is enqueued behind what was enqueued before
// it, and goes on beside what is enqueued after it, which must leave its tensor alone until a nanogpt_group_wait.

// Makes what the ranks of a group join it by. id: NANOGPT_GROUP_ID_BYTES bytes of the caller's memory, good for one group in
// this process. Made by one rank and handed to all; its context must live until all have joined. What was never joined is
// freed with it. NANOGPT_UNSUPPORTED, with what to install, where NCCL is missing.
int32_t nanogpt_group_id(uint64_t context, uint64_t id, uint32_t ranks);
// Makes the context rank `rank` of the group; returns when all have joined. A context joins once. id: as nanogpt_group_id
// made it, for as many ranks. On GPUs each rank has one of its own.
int32_t nanogpt_group_join(uint64_t context, uint64_t id, uint32_t rank, uint32_t ranks);
// Each tensor becomes the sum, or the maximum, of all ranks' tensors. op: NANOGPT_REDUCE_SUM or _MAX. A maximum with a NaN is
// NaN on a cpu; on GPUs NCCL may let numbers win: sums tell.
int32_t nanogpt_all_reduce(uint64_t context, uint64_t tensor, uint32_t count, uint32_t op);
// The root's tensor becomes the sum of all; the others stay as they are.
int32_t nanogpt_reduce(uint64_t context, uint64_t tensor, uint32_t count, uint32_t root);
// With n = count / ranks, elements r*n to r*n + n-1 of rank r's tensor become the sum of all ranks' there; the others stay as
// they are. count is a multiple of the ranks.
int32_t nanogpt_reduce_scatter(uint64_t context, uint64_t tensor, uint32_t count);
// The reverse: those elements of rank r's tensor are copied into all ranks' tensors.
int32_t nanogpt_all_gather(uint64_t context, uint64_t tensor, uint32_t count);
// Each tensor becomes a copy of the root's.
int32_t nanogpt_share(uint64_t context, uint64_t tensor, uint32_t count, uint32_t root);
// Lets what is enqueued next begin when this context's collectives are done. On a cpu they are when they return.
int32_t nanogpt_group_wait(uint64_t context);

#ifdef __cplusplus
}
#endif
#endif
