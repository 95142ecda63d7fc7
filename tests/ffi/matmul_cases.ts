// Products for the tests of the matrix kernels: operands whose float32 sums are exact in any order, their product in
// float64, and a runner that calls a kernel over device memory with guard bytes around the result. For tests only.

import { assert } from "@std/assert";
import { assertClose } from "../../lib/base/compare.ts";
import { bf16ToFloat, type DType, dtypeCode, floatToBf16 } from "../../lib/base/dtype.ts";
import { InternalError } from "../../lib/base/errors.ts";
import type { Device, DeviceMemory, TensorRef } from "../../ffi/device.ts";
import { NANOGPT_FORM_SIMPLE } from "../../ffi/symbols.ts";

/** Sizes (m, n, k) of c = op(a) op(b). */
export type Sizes = readonly [m: number, n: number, k: number];

export type Real = "f32" | "bf16";

/** How one product is stored and written. */
export interface Form {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly a: Real;
  readonly b: Real;
  readonly c: Real;
  /**
   * overwrite: c = ab; accumulate: c += ab; add: c = r + ab; in place: the same with r in c; relu squared: c = max(ab, 0)^2;
   * its gradient: c = 2 sqrt(y) ab with y in c.
   */
  readonly mode: "overwrite" | "accumulate" | "add" | "in place" | "relu squared" | "relu squared grad";
}

/** The modes of products that end with more than a sum, each with how b is stored in it; a never is transposed. */
const FINISHES = [{ mode: "relu squared", transB: true }, {
  mode: "relu squared grad",
  transB: false,
}] as const;

/** Every form that the ABI allows. */
export function allForms(): Form[] {
  const types: readonly Real[] = ["f32", "bf16"];
  const modes: readonly Form["mode"][] = ["overwrite", "accumulate", "add", "in place"];
  const sums = [false, true].flatMap((transA) =>
    [false, true].flatMap((transB) =>
      types.flatMap((a) =>
        types.flatMap((b) =>
          types.flatMap((c) => modes.map((mode): Form => ({ transA, transB, a, b, c, mode })))
        )
      )
    )
  ).filter((form) => form.mode !== "accumulate" || form.c === "f32");
  const finished = FINISHES.flatMap((finish) =>
    types.flatMap((a) =>
      types.flatMap((b) => types.map((c): Form => ({ transA: false, ...finish, a, b, c })))
    )
  );
  return [...sums, ...finished];
}

/** A fixed sequence of whole numbers below 2^32 (xorshift32). */
function wordsFrom(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

/** Float64Array.from with a function, without its cost of a third of a microsecond an element. */
function filled(count: number, valueAt: (index: number) => number): Float64Array {
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = valueAt(i);
  return values;
}

/** Numbers on the grid of 1/8 in [-5, 5]: bf16 holds them, and float32 holds sums of thousands of their products. */
export function gridValues(count: number, seed: number): Float64Array {
  const next = wordsFrom(seed);
  return filled(count, () => (next() % 81 - 40) / 8);
}

/** Numbers in [-1, 1) that use all bits of a float32. */
export function roughValues(count: number, seed: number): Float64Array {
  const next = wordsFrom(seed);
  return filled(count, () => Math.fround(next() / 2 ** 31 - 1));
}

/** Moves grid values by less than half of bf16's spacing: as float32 they differ, rounded to bf16 they do not. */
export function nudged(values: Float64Array): Float64Array {
  return values.map((x, i) => x * (1 + (i % 2 === 0 ? 1 : -1) * 2 ** -10));
}

/** The product of [m,k] and [k,n] in float64. */
export function exactProduct(a: Float64Array, b: Float64Array, [m, n, k]: Sizes): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let p = 0; p < k; p++) {
      const x = a[i * k + p] ?? NaN;
      for (let j = 0; j < n; j++) c[i * n + j] = (c[i * n + j] ?? NaN) + x * (b[p * n + j] ?? NaN);
    }
  }
  return c;
}

/** [rows, columns] stored column by column. */
export function transposed(values: Float64Array, rows: number, columns: number): Float64Array {
  const result = new Float64Array(values.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) result[j * rows + i] = values[i * columns + j] ?? NaN;
  }
  return result;
}

/** What storing `value` as `type` keeps of it. */
export function rounded(value: number, type: Real): number {
  return type === "bf16" ? bf16ToFloat(floatToBf16(Math.fround(value))) : Math.fround(value);
}

function encode(values: Float64Array, type: Real): Uint8Array {
  if (type === "f32") return new Uint8Array(Float32Array.from(values).buffer);
  const words = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) words[i] = floatToBf16(values[i] ?? NaN);
  return new Uint8Array(words.buffer);
}

function decode(bytes: Uint8Array<ArrayBuffer>, type: Real): Float64Array {
  if (type === "f32") return Float64Array.from(new Float32Array(bytes.buffer));
  const words = new Uint16Array(bytes.buffer);
  return filled(words.length, (i) => bf16ToFloat(words[i] ?? 0));
}

const GUARD_BYTES = 128;
const GUARD = 0xa5;

/** Device memory in which one product after another is run, in one form of the kernels (a NANOGPT_FORM code). */
export class ProductRunner {
  readonly #device: Device;
  readonly #memory: DeviceMemory;
  readonly #kernelForm: number;
  #used = 0;

  constructor(device: Device, bytes: number, kernelForm = NANOGPT_FORM_SIMPLE) {
    this.#device = device;
    this.#memory = device.allocate(bytes);
    this.#kernelForm = kernelForm;
  }

  /**
   * Runs c = op(a) op(b) as `form` says and returns c. `a` is [m,k] and `b` is [k,n]; `before` is what c and r hold.
   * Fails if anything beside c was written.
   */
  run(form: Form, sizes: Sizes, a: Float64Array, b: Float64Array, before: Float64Array): Float64Array {
    const [m, n, k] = sizes;
    this.#used = 0;
    const inputs = [
      this.#place(form.transA ? transposed(a, m, k) : a, form.a),
      this.#place(form.transB ? transposed(b, k, n) : b, form.b),
    ];
    const guard = new Uint8Array(GUARD_BYTES).fill(GUARD);
    const low = this.#reserve(GUARD_BYTES);
    this.#memory.upload(low, guard);
    const c = this.#place(before, form.c);
    const high = this.#reserve(GUARD_BYTES, 1);
    this.#memory.upload(high, guard);
    this.#call(form, sizes, c, inputs, before);
    for (const at of [low, high]) {
      const found = new Uint8Array(GUARD_BYTES);
      this.#memory.download(at, found);
      assert(found.every((byte) => byte === GUARD), `Bytes beside the result of ${m}x${n}x${k} were written`);
    }
    const bytes = new Uint8Array(m * n * (form.c === "f32" ? 4 : 2));
    this.#memory.download(c.offset, bytes);
    return decode(bytes, form.c);
  }

  #call(form: Form, sizes: Sizes, c: TensorRef, inputs: readonly TensorRef[], before: Float64Array): void {
    const types = [form.c, form.a, form.b].map(dtypeCode);
    if (form.mode === "relu squared" || form.mode === "relu squared grad") {
      const [name, tensors] = form.mode === "relu squared"
        ? ["nanogpt_matmul_relu_squared", [c, ...inputs]]
        : ["nanogpt_matmul_relu_squared_grad", [c, ...inputs, c]];
      this.#device.bind(name, this.#memory, tensors, [...sizes, ...types, this.#kernelForm])();
      return;
    }
    const flags = [form.transA ? 1 : 0, form.transB ? 1 : 0, ...types];
    if (form.mode === "overwrite" || form.mode === "accumulate") {
      const args = [...sizes, ...flags, form.mode === "accumulate" ? 1 : 0, this.#kernelForm];
      this.#device.bind("nanogpt_matmul", this.#memory, [c, ...inputs], args)();
      return;
    }
    const residual = form.mode === "in place" ? c : this.#place(before, form.c);
    const args = [...sizes, ...flags, this.#kernelForm];
    this.#device.bind("nanogpt_matmul_add", this.#memory, [c, ...inputs, residual], args)();
  }

  #reserve(bytes: number, alignment = 64): number {
    const offset = Math.ceil(this.#used / alignment) * alignment;
    this.#used = offset + bytes;
    if (this.#used > this.#memory.bytes) throw new InternalError("The case does not fit the runner's memory");
    return offset;
  }

  #place(values: Float64Array, dtype: DType & Real): TensorRef {
    const data = encode(values, dtype);
    const offset = this.#reserve(data.length);
    this.#memory.upload(offset, data);
    return { offset, count: values.length, dtype };
  }

  close(): void {
    this.#memory.free();
  }
}

/** What becomes of a sum x over what c or r holds. */
function finished(mode: Form["mode"], x: number, before: number): number {
  switch (mode) {
    case "overwrite":
      return x;
    case "relu squared":
      return Math.max(x, 0) ** 2;
    case "relu squared grad":
      return 2 * Math.sqrt(before) * x;
    default:
      return x + before;
  }
}

/** Checks one size in the given forms; expects the one rounding of the exact result, bit for bit. */
export function checkSizes(runner: ProductRunner, sizes: Sizes, forms: readonly Form[]): void {
  const [m, n, k] = sizes;
  const a = gridValues(m * k, 17 + m), b = gridValues(k * n, 91 + n), before = gridValues(m * n, 5 + k);
  const product = exactProduct(a, b, sizes);
  for (const form of forms) {
    // A float32 operand beside a bf16 one must be rounded: nudged values show whether it was.
    const mixed = form.a !== form.b;
    const stored = [
      mixed && form.a === "f32" ? nudged(a) : a,
      mixed && form.b === "f32" ? nudged(b) : b,
    ] as const;
    // Squares of whole numbers that bf16 holds, so that their roots are exact.
    const held = form.mode === "relu squared grad" ? before.map((x) => Math.round(3 * x) ** 2) : before;
    const expected = product.map((x, i) => rounded(finished(form.mode, x, held[i] ?? NaN), form.c));
    const actual = runner.run(form, sizes, ...stored, held);
    // Exact: all sums are, in any order (see gridValues), and there is one rounding.
    assertClose(actual, expected, {}, `${m}x${n}x${k} ${JSON.stringify(form)}`);
  }
}
