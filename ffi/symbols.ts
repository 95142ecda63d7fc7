// The C boundary as Deno.dlopen wants it: generated from kernels/abi.h by `deno task symbols`; do not edit.
// Above each function its C prototype; beside each parameter its C name. Addresses (u64) are BigInts, sizes (u32) and
// scalars (f64) are numbers. What each function does, and its limits, is stated in the header. Imports nothing.
// deno-fmt-ignore-file

export const NANOGPT_ABI_VERSION = 4;
export const NANOGPT_F32 = 0;
export const NANOGPT_BF16 = 1;
export const NANOGPT_OK = 0;
export const NANOGPT_INVALID = 1; // an argument breaks a stated limit
export const NANOGPT_NO_MEMORY = 2; // the system refused memory
export const NANOGPT_UNSUPPORTED = 3; // this machine cannot do what was asked
export const NANOGPT_INTERNAL = 4; // a bug: a kernel failed in a way it should not
export const NANOGPT_CREATE_ERROR_BYTES = 1024;
export const NANOGPT_ISA_AUTO = 0;
export const NANOGPT_ISA_PORTABLE = 1;
export const NANOGPT_ISA_AVX2 = 2;
export const NANOGPT_ISA_AVX512 = 3;
export const NANOGPT_ISA_AVX512BF16 = 4;
export const NANOGPT_ISA_AMX = 5;
export const NANOGPT_ISA_SM80 = 6;
export const NANOGPT_ISA_SM90A = 7;
export const NANOGPT_FORM_SIMPLE = 0; // any shape and type
export const NANOGPT_FORM_MMA = 1; // bf16 on mma.sync: sm_80 and later
export const NANOGPT_FORM_WGMMA = 2; // bf16 on wgmma and TMA: sm_90a only
export const NANOGPT_FORM_CUBLASLT = 3; // products by cuBLASLt, after nanogpt_open_cublaslt: rows of whole 16 bytes
export const NANOGPT_FORM_WGMMA_ADD = 4; // as WGMMA, but blocks add to one sum in memory: fewer products, sums of no fixed order
export const NANOGPT_GROUP_ID_BYTES = 128;
export const NANOGPT_REDUCE_SUM = 0;
export const NANOGPT_REDUCE_MAX = 1;
export const NANOGPT_MIX_PAIR = 0; // (s[0], s[1]) residual mix
export const NANOGPT_MIX_LERP = 1; // (1 - s[0], s[0]) value mix
export const NANOGPT_MIX_SKIP = 2; // (1, s[index]) U-net skip
export const NANOGPT_SCALAR_RATE = 0; // r(t), the rate multiplier
export const NANOGPT_SCALAR_MOMENTUM = 1; // mu(t) of Muon
export const NANOGPT_SCALAR_BIAS1 = 2; // 1 / (1 - beta1^(t+1))
export const NANOGPT_SCALAR_BIAS2 = 3; // 1 / (1 - beta2^(t+1))
export const NANOGPT_SCALAR_HALT = 4; // not 0: adam, nesterov and apply_update change nothing; nanogpt_guard sets it

export const SYMBOLS = {
  // uint32_t nanogpt_abi_version(void)
  nanogpt_abi_version: { parameters: [], result: "u32" },
  // int32_t nanogpt_device_count(uint64_t out_count, uint64_t out_error)
  nanogpt_device_count: { parameters: ["u64" /* out_count */, "u64" /* out_error */], result: "i32" },
  // int32_t nanogpt_context_create(uint64_t out_context, uint64_t out_error, uint32_t threads, uint32_t isa, uint32_t pin, uint32_t ordinal)
  nanogpt_context_create: { parameters: ["u64" /* out_context */, "u64" /* out_error */, "u32" /* threads */, "u32" /* isa */, "u32" /* pin */, "u32" /* ordinal */], result: "i32" },
  // int32_t nanogpt_context_destroy(uint64_t context)
  nanogpt_context_destroy: { parameters: ["u64" /* context */], result: "i32" },
  // int32_t nanogpt_last_error(uint64_t context, uint64_t out_text, uint32_t capacity)
  nanogpt_last_error: { parameters: ["u64" /* context */, "u64" /* out_text */, "u32" /* capacity */], result: "i32" },
  // int32_t nanogpt_describe(uint64_t context, uint64_t out_text, uint32_t capacity)
  nanogpt_describe: { parameters: ["u64" /* context */, "u64" /* out_text */, "u32" /* capacity */], result: "i32" },
  // int32_t nanogpt_alloc(uint64_t context, uint64_t out_address, double bytes)
  nanogpt_alloc: { parameters: ["u64" /* context */, "u64" /* out_address */, "f64" /* bytes */], result: "i32" },
  // int32_t nanogpt_free(uint64_t context, uint64_t address, double bytes)
  nanogpt_free: { parameters: ["u64" /* context */, "u64" /* address */, "f64" /* bytes */], result: "i32" },
  // int32_t nanogpt_upload(uint64_t context, uint64_t address, uint64_t source, double bytes)
  nanogpt_upload: { parameters: ["u64" /* context */, "u64" /* address */, "u64" /* source */, "f64" /* bytes */], result: "i32" },
  // int32_t nanogpt_download(uint64_t context, uint64_t target, uint64_t address, double bytes)
  nanogpt_download: { parameters: ["u64" /* context */, "u64" /* target */, "u64" /* address */, "f64" /* bytes */], result: "i32" },
  // int32_t nanogpt_sync(uint64_t context)
  nanogpt_sync: { parameters: ["u64" /* context */], result: "i32" },
  // int32_t nanogpt_post(uint64_t context, uint64_t out_ticket, uint64_t address, double bytes)
  nanogpt_post: { parameters: ["u64" /* context */, "u64" /* out_ticket */, "u64" /* address */, "f64" /* bytes */], result: "i32" },
  // int32_t nanogpt_collect(uint64_t context, uint64_t target, uint64_t ticket)
  nanogpt_collect: { parameters: ["u64" /* context */, "u64" /* target */, "u64" /* ticket */], result: "i32" },
  // int32_t nanogpt_graph_begin(uint64_t context)
  nanogpt_graph_begin: { parameters: ["u64" /* context */], result: "i32" },
  // int32_t nanogpt_graph_end(uint64_t context, uint64_t out_graph)
  nanogpt_graph_end: { parameters: ["u64" /* context */, "u64" /* out_graph */], result: "i32" },
  // int32_t nanogpt_graph_launch(uint64_t context, uint64_t graph)
  nanogpt_graph_launch: { parameters: ["u64" /* context */, "u64" /* graph */], result: "i32" },
  // int32_t nanogpt_graph_free(uint64_t context, uint64_t graph)
  nanogpt_graph_free: { parameters: ["u64" /* context */, "u64" /* graph */], result: "i32" },
  // int32_t nanogpt_open_cublaslt(uint64_t context)
  nanogpt_open_cublaslt: { parameters: ["u64" /* context */], result: "i32" },
  // int32_t nanogpt_schedule(uint64_t context, uint32_t seed, uint32_t processors)
  nanogpt_schedule: { parameters: ["u64" /* context */, "u32" /* seed */, "u32" /* processors */], result: "i32" },
  // int32_t nanogpt_waits(uint64_t context, uint64_t out_count)
  nanogpt_waits: { parameters: ["u64" /* context */, "u64" /* out_count */], result: "i32" },
  // int32_t nanogpt_selftest(uint64_t context, uint64_t out_text, uint32_t capacity)
  nanogpt_selftest: { parameters: ["u64" /* context */, "u64" /* out_text */, "u32" /* capacity */], result: "i32" },
  // int32_t nanogpt_measure_peak(uint64_t context, uint64_t out)
  nanogpt_measure_peak: { parameters: ["u64" /* context */, "u64" /* out */], result: "i32" },
  // int32_t nanogpt_fill(uint64_t context, uint64_t y, uint32_t count, uint32_t dtype, double value)
  nanogpt_fill: { parameters: ["u64" /* context */, "u64" /* y */, "u32" /* count */, "u32" /* dtype */, "f64" /* value */], result: "i32" },
  // int32_t nanogpt_cast(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype_y, uint32_t dtype_x)
  nanogpt_cast: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* x */, "u32" /* count */, "u32" /* dtype_y */, "u32" /* dtype_x */], result: "i32" },
  // int32_t nanogpt_add(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t count, uint32_t dtype)
  nanogpt_add: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* a */, "u64" /* b */, "u32" /* count */, "u32" /* dtype */], result: "i32" },
  // int32_t nanogpt_axpby(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t count, uint32_t dtype, double alpha, double beta)
  nanogpt_axpby: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* a */, "u64" /* b */, "u32" /* count */, "u32" /* dtype */, "f64" /* alpha */, "f64" /* beta */], result: "i32" },
  // int32_t nanogpt_affine(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype, double alpha, double beta)
  nanogpt_affine: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* x */, "u32" /* count */, "u32" /* dtype */, "f64" /* alpha */, "f64" /* beta */], result: "i32" },
  // int32_t nanogpt_scale(uint64_t context, uint64_t y, uint64_t x, uint64_t s, uint32_t count, uint32_t size, uint32_t index, uint32_t dtype)
  nanogpt_scale: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* x */, "u64" /* s */, "u32" /* count */, "u32" /* size */, "u32" /* index */, "u32" /* dtype */], result: "i32" },
  // int32_t nanogpt_scale_grad(uint64_t context, uint64_t ds, uint64_t dy, uint64_t x, uint32_t count, uint32_t size, uint32_t index, uint32_t dtype)
  nanogpt_scale_grad: { parameters: ["u64" /* context */, "u64" /* ds */, "u64" /* dy */, "u64" /* x */, "u32" /* count */, "u32" /* size */, "u32" /* index */, "u32" /* dtype */], result: "i32" },
  // int32_t nanogpt_mix(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t dtype)
  nanogpt_mix: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* a */, "u64" /* b */, "u64" /* s */, "u32" /* count */, "u32" /* size */, "u32" /* form */, "u32" /* index */, "u32" /* dtype */], result: "i32" },
  // int32_t nanogpt_mix_grad(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b, uint64_t s, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t dtype)
  nanogpt_mix_grad: { parameters: ["u64" /* context */, "u64" /* da */, "u64" /* db */, "u64" /* ds */, "u64" /* dy */, "u64" /* a */, "u64" /* b */, "u64" /* s */, "u32" /* count */, "u32" /* size */, "u32" /* form */, "u32" /* index */, "u32" /* dtype */], result: "i32" },
  // int32_t nanogpt_mix_grad_add(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b, uint64_t s, uint64_t r, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t into, uint32_t dtype)
  nanogpt_mix_grad_add: { parameters: ["u64" /* context */, "u64" /* da */, "u64" /* db */, "u64" /* ds */, "u64" /* dy */, "u64" /* a */, "u64" /* b */, "u64" /* s */, "u64" /* r */, "u32" /* count */, "u32" /* size */, "u32" /* form */, "u32" /* index */, "u32" /* into */, "u32" /* dtype */], result: "i32" },
  // int32_t nanogpt_mix_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t a, uint64_t b, uint64_t s, uint64_t ra, uint64_t rb, uint32_t count, uint32_t size, uint32_t form, uint32_t index, uint32_t dtype)
  nanogpt_mix_grad_add_both: { parameters: ["u64" /* context */, "u64" /* da */, "u64" /* db */, "u64" /* ds */, "u64" /* dy */, "u64" /* a */, "u64" /* b */, "u64" /* s */, "u64" /* ra */, "u64" /* rb */, "u32" /* count */, "u32" /* size */, "u32" /* form */, "u32" /* index */, "u32" /* dtype */], result: "i32" },
  // int32_t nanogpt_relu_squared(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype)
  nanogpt_relu_squared: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* x */, "u32" /* count */, "u32" /* dtype */], result: "i32" },
  // int32_t nanogpt_relu_squared_grad(uint64_t context, uint64_t dx, uint64_t y, uint64_t dy, uint32_t count, uint32_t dtype)
  nanogpt_relu_squared_grad: { parameters: ["u64" /* context */, "u64" /* dx */, "u64" /* y */, "u64" /* dy */, "u32" /* count */, "u32" /* dtype */], result: "i32" },
  // int32_t nanogpt_softcap(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype, double cap)
  nanogpt_softcap: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* x */, "u32" /* count */, "u32" /* dtype */, "f64" /* cap */], result: "i32" },
  // int32_t nanogpt_softcap_grad(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint32_t count, uint32_t dtype, double cap)
  nanogpt_softcap_grad: { parameters: ["u64" /* context */, "u64" /* dx */, "u64" /* x */, "u64" /* dy */, "u32" /* count */, "u32" /* dtype */, "f64" /* cap */], result: "i32" },
  // int32_t nanogpt_mean(uint64_t context, uint64_t y, uint64_t x, uint32_t count)
  nanogpt_mean: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* x */, "u32" /* count */], result: "i32" },
  // int32_t nanogpt_broadcast(uint64_t context, uint64_t y, uint64_t s, uint32_t count, double factor)
  nanogpt_broadcast: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* s */, "u32" /* count */, "f64" /* factor */], result: "i32" },
  // int32_t nanogpt_embed(uint64_t context, uint64_t y, uint64_t table, uint64_t tokens, uint32_t N, uint32_t C, uint32_t V, uint32_t dtype)
  nanogpt_embed: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* table */, "u64" /* tokens */, "u32" /* N */, "u32" /* C */, "u32" /* V */, "u32" /* dtype */], result: "i32" },
  // int32_t nanogpt_embed_grad(uint64_t context, uint64_t dtable, uint64_t dy, uint64_t tokens, uint32_t N, uint32_t C, uint32_t V, uint32_t accumulate, uint32_t dtype)
  nanogpt_embed_grad: { parameters: ["u64" /* context */, "u64" /* dtable */, "u64" /* dy */, "u64" /* tokens */, "u32" /* N */, "u32" /* C */, "u32" /* V */, "u32" /* accumulate */, "u32" /* dtype */], result: "i32" },
  // int32_t nanogpt_select_row(uint64_t context, uint64_t y, uint64_t x, uint64_t index, uint32_t N, uint32_t C, uint32_t dtype)
  nanogpt_select_row: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* x */, "u64" /* index */, "u32" /* N */, "u32" /* C */, "u32" /* dtype */], result: "i32" },
  // int32_t nanogpt_rms_norm(uint64_t context, uint64_t y, uint64_t x, uint32_t rows, uint32_t width, uint32_t dtype, double eps)
  nanogpt_rms_norm: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* x */, "u32" /* rows */, "u32" /* width */, "u32" /* dtype */, "f64" /* eps */], result: "i32" },
  // int32_t nanogpt_rms_norm_grad(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint32_t rows, uint32_t width, uint32_t dtype, double eps)
  nanogpt_rms_norm_grad: { parameters: ["u64" /* context */, "u64" /* dx */, "u64" /* x */, "u64" /* dy */, "u32" /* rows */, "u32" /* width */, "u32" /* dtype */, "f64" /* eps */], result: "i32" },
  // int32_t nanogpt_rms_norm_grad_add(uint64_t context, uint64_t dx, uint64_t x, uint64_t dy, uint64_t r, uint32_t rows, uint32_t width, uint32_t dtype, double eps)
  nanogpt_rms_norm_grad_add: { parameters: ["u64" /* context */, "u64" /* dx */, "u64" /* x */, "u64" /* dy */, "u64" /* r */, "u32" /* rows */, "u32" /* width */, "u32" /* dtype */, "f64" /* eps */], result: "i32" },
  // int32_t nanogpt_mix_norm(uint64_t context, uint64_t x, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint32_t rows, uint32_t width, uint32_t dtype, double eps)
  nanogpt_mix_norm: { parameters: ["u64" /* context */, "u64" /* x */, "u64" /* y */, "u64" /* a */, "u64" /* b */, "u64" /* s */, "u32" /* rows */, "u32" /* width */, "u32" /* dtype */, "f64" /* eps */], result: "i32" },
  // int32_t nanogpt_mix_norm_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width, uint32_t dtype, double eps)
  nanogpt_mix_norm_grad_add_both: { parameters: ["u64" /* context */, "u64" /* da */, "u64" /* db */, "u64" /* ds */, "u64" /* dy */, "u64" /* dx */, "u64" /* a */, "u64" /* b */, "u64" /* s */, "u64" /* r0 */, "u64" /* r1 */, "u32" /* rows */, "u32" /* width */, "u32" /* dtype */, "f64" /* eps */], result: "i32" },
  // int32_t nanogpt_mix_norm_self_grad_add(uint64_t context, uint64_t da, uint64_t ds, uint64_t dy, uint64_t dx, uint64_t a, uint64_t s, uint64_t r0, uint32_t rows, uint32_t width, uint32_t dtype, double eps)
  nanogpt_mix_norm_self_grad_add: { parameters: ["u64" /* context */, "u64" /* da */, "u64" /* ds */, "u64" /* dy */, "u64" /* dx */, "u64" /* a */, "u64" /* s */, "u64" /* r0 */, "u32" /* rows */, "u32" /* width */, "u32" /* dtype */, "f64" /* eps */], result: "i32" },
  // int32_t nanogpt_skip_mix_norm(uint64_t context, uint64_t x, uint64_t y, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps)
  nanogpt_skip_mix_norm: { parameters: ["u64" /* context */, "u64" /* x */, "u64" /* y */, "u64" /* a */, "u64" /* b */, "u64" /* s */, "u64" /* skip */, "u64" /* w */, "u32" /* rows */, "u32" /* width */, "u32" /* size */, "u32" /* index */, "u32" /* dtype */, "f64" /* eps */], result: "i32" },
  // int32_t nanogpt_skip_mix_norm_grad(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dskip, uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps)
  nanogpt_skip_mix_norm_grad: { parameters: ["u64" /* context */, "u64" /* da */, "u64" /* db */, "u64" /* ds */, "u64" /* dskip */, "u64" /* dw */, "u64" /* dy */, "u64" /* dx */, "u64" /* a */, "u64" /* b */, "u64" /* s */, "u64" /* skip */, "u64" /* w */, "u32" /* rows */, "u32" /* width */, "u32" /* size */, "u32" /* index */, "u32" /* dtype */, "f64" /* eps */], result: "i32" },
  // int32_t nanogpt_skip_mix_norm_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dskip, uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t skip, uint64_t w, uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps)
  nanogpt_skip_mix_norm_grad_add_both: { parameters: ["u64" /* context */, "u64" /* da */, "u64" /* db */, "u64" /* ds */, "u64" /* dskip */, "u64" /* dw */, "u64" /* dy */, "u64" /* dx */, "u64" /* a */, "u64" /* b */, "u64" /* s */, "u64" /* skip */, "u64" /* w */, "u64" /* r0 */, "u64" /* r1 */, "u32" /* rows */, "u32" /* width */, "u32" /* size */, "u32" /* index */, "u32" /* dtype */, "f64" /* eps */], result: "i32" },
  // int32_t nanogpt_skip_mix_norm_self_grad_add_both(uint64_t context, uint64_t da, uint64_t db, uint64_t ds, uint64_t dw, uint64_t dy, uint64_t dx, uint64_t a, uint64_t b, uint64_t s, uint64_t w, uint64_t r0, uint64_t r1, uint32_t rows, uint32_t width, uint32_t size, uint32_t index, uint32_t dtype, double eps)
  nanogpt_skip_mix_norm_self_grad_add_both: { parameters: ["u64" /* context */, "u64" /* da */, "u64" /* db */, "u64" /* ds */, "u64" /* dw */, "u64" /* dy */, "u64" /* dx */, "u64" /* a */, "u64" /* b */, "u64" /* s */, "u64" /* w */, "u64" /* r0 */, "u64" /* r1 */, "u32" /* rows */, "u32" /* width */, "u32" /* size */, "u32" /* index */, "u32" /* dtype */, "f64" /* eps */], result: "i32" },
  // int32_t nanogpt_rope_table(uint64_t context, uint64_t table, uint32_t T, uint32_t D, double base)
  nanogpt_rope_table: { parameters: ["u64" /* context */, "u64" /* table */, "u32" /* T */, "u32" /* D */, "f64" /* base */], result: "i32" },
  // int32_t nanogpt_rope_table_at(uint64_t context, uint64_t table, uint64_t position, uint32_t T, uint32_t D, double base)
  nanogpt_rope_table_at: { parameters: ["u64" /* context */, "u64" /* table */, "u64" /* position */, "u32" /* T */, "u32" /* D */, "f64" /* base */], result: "i32" },
  // int32_t nanogpt_rope(uint64_t context, uint64_t y, uint64_t x, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t inverse, uint32_t dtype)
  nanogpt_rope: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* x */, "u64" /* table */, "u32" /* N */, "u32" /* T */, "u32" /* H */, "u32" /* D */, "u32" /* inverse */, "u32" /* dtype */], result: "i32" },
  // int32_t nanogpt_norm_rope(uint64_t context, uint64_t y, uint64_t r, uint64_t x, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, double eps)
  nanogpt_norm_rope: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* r */, "u64" /* x */, "u64" /* table */, "u32" /* N */, "u32" /* T */, "u32" /* H */, "u32" /* D */, "u32" /* dtype */, "f64" /* eps */], result: "i32" },
  // int32_t nanogpt_norm_rope_grad(uint64_t context, uint64_t dx, uint64_t dy, uint64_t y, uint64_t r, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype)
  nanogpt_norm_rope_grad: { parameters: ["u64" /* context */, "u64" /* dx */, "u64" /* dy */, "u64" /* y */, "u64" /* r */, "u64" /* table */, "u32" /* N */, "u32" /* T */, "u32" /* H */, "u32" /* D */, "u32" /* dtype */], result: "i32" },
  // int32_t nanogpt_matmul(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint32_t m, uint32_t n, uint32_t k, uint32_t trans_a, uint32_t trans_b, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t accumulate, uint32_t form)
  nanogpt_matmul: { parameters: ["u64" /* context */, "u64" /* c */, "u64" /* a */, "u64" /* b */, "u32" /* m */, "u32" /* n */, "u32" /* k */, "u32" /* trans_a */, "u32" /* trans_b */, "u32" /* dtype_c */, "u32" /* dtype_a */, "u32" /* dtype_b */, "u32" /* accumulate */, "u32" /* form */], result: "i32" },
  // int32_t nanogpt_matmul_add(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint64_t r, uint32_t m, uint32_t n, uint32_t k, uint32_t trans_a, uint32_t trans_b, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t form)
  nanogpt_matmul_add: { parameters: ["u64" /* context */, "u64" /* c */, "u64" /* a */, "u64" /* b */, "u64" /* r */, "u32" /* m */, "u32" /* n */, "u32" /* k */, "u32" /* trans_a */, "u32" /* trans_b */, "u32" /* dtype_c */, "u32" /* dtype_a */, "u32" /* dtype_b */, "u32" /* form */], result: "i32" },
  // int32_t nanogpt_matmul_relu_squared(uint64_t context, uint64_t y, uint64_t a, uint64_t b, uint32_t m, uint32_t n, uint32_t k, uint32_t dtype_y, uint32_t dtype_a, uint32_t dtype_b, uint32_t form)
  nanogpt_matmul_relu_squared: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* a */, "u64" /* b */, "u32" /* m */, "u32" /* n */, "u32" /* k */, "u32" /* dtype_y */, "u32" /* dtype_a */, "u32" /* dtype_b */, "u32" /* form */], result: "i32" },
  // int32_t nanogpt_matmul_relu_squared_grad(uint64_t context, uint64_t c, uint64_t a, uint64_t b, uint64_t y, uint32_t m, uint32_t n, uint32_t k, uint32_t dtype_c, uint32_t dtype_a, uint32_t dtype_b, uint32_t form)
  nanogpt_matmul_relu_squared_grad: { parameters: ["u64" /* context */, "u64" /* c */, "u64" /* a */, "u64" /* b */, "u64" /* y */, "u32" /* m */, "u32" /* n */, "u32" /* k */, "u32" /* dtype_c */, "u32" /* dtype_a */, "u32" /* dtype_b */, "u32" /* form */], result: "i32" },
  // int32_t nanogpt_matmul_norm_rope(uint64_t context, uint64_t y, uint64_t r, uint64_t a, uint64_t b, uint64_t table, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t C, uint32_t dtype, uint32_t dtype_b, uint32_t form, double eps)
  nanogpt_matmul_norm_rope: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* r */, "u64" /* a */, "u64" /* b */, "u64" /* table */, "u32" /* N */, "u32" /* T */, "u32" /* H */, "u32" /* D */, "u32" /* C */, "u32" /* dtype */, "u32" /* dtype_b */, "u32" /* form */, "f64" /* eps */], result: "i32" },
  // int32_t nanogpt_matmul_mix(uint64_t context, uint64_t y, uint64_t own, uint64_t a, uint64_t b, uint64_t v1, uint64_t s, uint32_t m, uint32_t n, uint32_t k, uint32_t dtype, uint32_t dtype_b, uint32_t form)
  nanogpt_matmul_mix: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* own */, "u64" /* a */, "u64" /* b */, "u64" /* v1 */, "u64" /* s */, "u32" /* m */, "u32" /* n */, "u32" /* k */, "u32" /* dtype */, "u32" /* dtype_b */, "u32" /* form */], result: "i32" },
  // int32_t nanogpt_attention_start(uint64_t context, uint64_t start, uint64_t tokens, uint32_t N, uint32_t T, uint32_t window, uint32_t eos)
  nanogpt_attention_start: { parameters: ["u64" /* context */, "u64" /* start */, "u64" /* tokens */, "u32" /* N */, "u32" /* T */, "u32" /* window */, "u32" /* eos */], result: "i32" },
  // int32_t nanogpt_attention(uint64_t context, uint64_t y, uint64_t lse, uint64_t q, uint64_t k, uint64_t v, uint64_t start, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, uint32_t form)
  nanogpt_attention: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* lse */, "u64" /* q */, "u64" /* k */, "u64" /* v */, "u64" /* start */, "u32" /* N */, "u32" /* T */, "u32" /* H */, "u32" /* D */, "u32" /* dtype */, "u32" /* form */], result: "i32" },
  // int32_t nanogpt_attention_grad(uint64_t context, uint64_t dq, uint64_t dk, uint64_t dv, uint64_t dy, uint64_t q, uint64_t k, uint64_t v, uint64_t y, uint64_t lse, uint64_t start, uint64_t workspace, uint32_t N, uint32_t T, uint32_t H, uint32_t D, uint32_t dtype, uint32_t form)
  nanogpt_attention_grad: { parameters: ["u64" /* context */, "u64" /* dq */, "u64" /* dk */, "u64" /* dv */, "u64" /* dy */, "u64" /* q */, "u64" /* k */, "u64" /* v */, "u64" /* y */, "u64" /* lse */, "u64" /* start */, "u64" /* workspace */, "u32" /* N */, "u32" /* T */, "u32" /* H */, "u32" /* D */, "u32" /* dtype */, "u32" /* form */], result: "i32" },
  // int32_t nanogpt_cache_rows(uint64_t context, uint64_t cache, uint64_t x, uint64_t position, uint32_t N, uint32_t rows, uint32_t C, uint32_t dtype)
  nanogpt_cache_rows: { parameters: ["u64" /* context */, "u64" /* cache */, "u64" /* x */, "u64" /* position */, "u32" /* N */, "u32" /* rows */, "u32" /* C */, "u32" /* dtype */], result: "i32" },
  // int32_t nanogpt_attention_cached(uint64_t context, uint64_t y, uint64_t q, uint64_t keys, uint64_t values, uint64_t start, uint64_t position, uint32_t N, uint32_t rows, uint32_t H, uint32_t D, uint32_t dtype)
  nanogpt_attention_cached: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* q */, "u64" /* keys */, "u64" /* values */, "u64" /* start */, "u64" /* position */, "u32" /* N */, "u32" /* rows */, "u32" /* H */, "u32" /* D */, "u32" /* dtype */], result: "i32" },
  // int32_t nanogpt_cross_entropy(uint64_t context, uint64_t losses, uint64_t logits, uint64_t targets, uint32_t N, uint32_t V)
  nanogpt_cross_entropy: { parameters: ["u64" /* context */, "u64" /* losses */, "u64" /* logits */, "u64" /* targets */, "u32" /* N */, "u32" /* V */], result: "i32" },
  // int32_t nanogpt_cross_entropy_grad(uint64_t context, uint64_t dlogits, uint64_t logits, uint64_t targets, uint64_t dlosses, uint32_t N, uint32_t V)
  nanogpt_cross_entropy_grad: { parameters: ["u64" /* context */, "u64" /* dlogits */, "u64" /* logits */, "u64" /* targets */, "u64" /* dlosses */, "u32" /* N */, "u32" /* V */], result: "i32" },
  // int32_t nanogpt_head_loss(uint64_t context, uint64_t losses, uint64_t x, uint64_t w, uint64_t targets, uint64_t workspace, uint32_t N, uint32_t C, uint32_t V, uint32_t chunk, uint32_t dtype, uint32_t form, double cap)
  nanogpt_head_loss: { parameters: ["u64" /* context */, "u64" /* losses */, "u64" /* x */, "u64" /* w */, "u64" /* targets */, "u64" /* workspace */, "u32" /* N */, "u32" /* C */, "u32" /* V */, "u32" /* chunk */, "u32" /* dtype */, "u32" /* form */, "f64" /* cap */], result: "i32" },
  // int32_t nanogpt_head_loss_grad(uint64_t context, uint64_t losses, uint64_t dx, uint64_t dw, uint64_t x, uint64_t w, uint64_t targets, uint64_t dlosses, uint64_t workspace, uint32_t N, uint32_t C, uint32_t V, uint32_t chunk, uint32_t accumulate, uint32_t dtype, uint32_t form, double cap)
  nanogpt_head_loss_grad: { parameters: ["u64" /* context */, "u64" /* losses */, "u64" /* dx */, "u64" /* dw */, "u64" /* x */, "u64" /* w */, "u64" /* targets */, "u64" /* dlosses */, "u64" /* workspace */, "u32" /* N */, "u32" /* C */, "u32" /* V */, "u32" /* chunk */, "u32" /* accumulate */, "u32" /* dtype */, "u32" /* form */, "f64" /* cap */], result: "i32" },
  // int32_t nanogpt_guard(uint64_t context, uint64_t scalars, uint64_t loss)
  nanogpt_guard: { parameters: ["u64" /* context */, "u64" /* scalars */, "u64" /* loss */], result: "i32" },
  // int32_t nanogpt_adam(uint64_t context, uint64_t p, uint64_t m, uint64_t v, uint64_t flags, uint64_t g, uint64_t scalars, uint32_t count, uint32_t first, uint32_t index, double lr, double beta1, double beta2, double eps)
  nanogpt_adam: { parameters: ["u64" /* context */, "u64" /* p */, "u64" /* m */, "u64" /* v */, "u64" /* flags */, "u64" /* g */, "u64" /* scalars */, "u32" /* count */, "u32" /* first */, "u32" /* index */, "f64" /* lr */, "f64" /* beta1 */, "f64" /* beta2 */, "f64" /* eps */], result: "i32" },
  // int32_t nanogpt_nesterov(uint64_t context, uint64_t m, uint64_t u, uint64_t flags, uint64_t g, uint64_t scalars, uint32_t count, uint32_t index, uint32_t slots, uint32_t slot)
  nanogpt_nesterov: { parameters: ["u64" /* context */, "u64" /* m */, "u64" /* u */, "u64" /* flags */, "u64" /* g */, "u64" /* scalars */, "u32" /* count */, "u32" /* index */, "u32" /* slots */, "u32" /* slot */], result: "i32" },
  // int32_t nanogpt_frobenius_normalise(uint64_t context, uint64_t y, uint64_t x, uint32_t count, uint32_t dtype_y, uint32_t dtype_x, double eps)
  nanogpt_frobenius_normalise: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* x */, "u32" /* count */, "u32" /* dtype_y */, "u32" /* dtype_x */, "f64" /* eps */], result: "i32" },
  // int32_t nanogpt_newton_schulz(uint64_t context, uint64_t y, uint64_t x, uint64_t workspace, uint32_t batch, uint32_t rows, uint32_t cols, uint32_t steps, uint32_t dtype, uint32_t form)
  nanogpt_newton_schulz: { parameters: ["u64" /* context */, "u64" /* y */, "u64" /* x */, "u64" /* workspace */, "u32" /* batch */, "u32" /* rows */, "u32" /* cols */, "u32" /* steps */, "u32" /* dtype */, "u32" /* form */], result: "i32" },
  // int32_t nanogpt_apply_update(uint64_t context, uint64_t p, uint64_t u, uint64_t scalars, uint32_t count, uint32_t slots, uint32_t slot, double factor)
  nanogpt_apply_update: { parameters: ["u64" /* context */, "u64" /* p */, "u64" /* u */, "u64" /* scalars */, "u32" /* count */, "u32" /* slots */, "u32" /* slot */, "f64" /* factor */], result: "i32" },
  // int32_t nanogpt_group_id(uint64_t context, uint64_t id, uint32_t ranks)
  nanogpt_group_id: { parameters: ["u64" /* context */, "u64" /* id */, "u32" /* ranks */], result: "i32" },
  // int32_t nanogpt_group_join(uint64_t context, uint64_t id, uint32_t rank, uint32_t ranks)
  nanogpt_group_join: { parameters: ["u64" /* context */, "u64" /* id */, "u32" /* rank */, "u32" /* ranks */], result: "i32" },
  // int32_t nanogpt_all_reduce(uint64_t context, uint64_t tensor, uint32_t count, uint32_t op)
  nanogpt_all_reduce: { parameters: ["u64" /* context */, "u64" /* tensor */, "u32" /* count */, "u32" /* op */], result: "i32" },
  // int32_t nanogpt_reduce(uint64_t context, uint64_t tensor, uint32_t count, uint32_t root)
  nanogpt_reduce: { parameters: ["u64" /* context */, "u64" /* tensor */, "u32" /* count */, "u32" /* root */], result: "i32" },
  // int32_t nanogpt_reduce_scatter(uint64_t context, uint64_t tensor, uint32_t count)
  nanogpt_reduce_scatter: { parameters: ["u64" /* context */, "u64" /* tensor */, "u32" /* count */], result: "i32" },
  // int32_t nanogpt_all_gather(uint64_t context, uint64_t tensor, uint32_t count)
  nanogpt_all_gather: { parameters: ["u64" /* context */, "u64" /* tensor */, "u32" /* count */], result: "i32" },
  // int32_t nanogpt_share(uint64_t context, uint64_t tensor, uint32_t count, uint32_t root)
  nanogpt_share: { parameters: ["u64" /* context */, "u64" /* tensor */, "u32" /* count */, "u32" /* root */], result: "i32" },
  // int32_t nanogpt_group_wait(uint64_t context)
  nanogpt_group_wait: { parameters: ["u64" /* context */], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;
