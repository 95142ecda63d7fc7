// Checks every op of the table on a device against the reference device, over the sample cases: values within their
// tolerance, also where an output is added to or takes over an input's memory; guard words around every tensor unharmed;
// inputs unchanged. Inputs are rounded to the device's types before either side sees them. Imports lib/base, the graph,
// the devices and its neighbours.

import { compare } from "../base/compare.ts";
import { bf16ToFloat, bytesOf, floatToBf16 } from "../base/dtype.ts";
import { elementCount } from "../base/shape.ts";
import type { Device, TensorRef } from "../../ffi/device.ts";
import { at, type TensorType } from "../graph/node.ts";
import { type FormName, FORMS, type OpName } from "../graph/op.ts";
import { OPS, symbolOf } from "../graph/ops.ts";
import { type Case, caseName, casesOf, drawInput, drawNormal, streamOf } from "../graph/samples.ts";
import { type Chip, chipOf, formAllowed } from "../plan/forms.ts";
import { activationType, type PlanTarget, type Precision } from "./devices.ts";
import { decodeValues, encodeValues } from "./executor.ts";
import { interpretOp } from "./interpret.ts";
import { toleranceOf, type Weighed } from "./op_tolerances.ts";

/** How an op is called: on memory of its own, adding to its outputs, or writing where input `input` lies. */
export type Variant =
  | { readonly kind: "plain" }
  | { readonly kind: "accumulate" }
  | { readonly kind: "reuse"; readonly input: number };

/** Which kernels of a device are meant: of an op with forms one of them, on a GPU's chip. */
export interface KernelChoice {
  readonly form: FormName;
  readonly chip: Chip;
}

/** What a call left. */
export interface Outcome {
  /** Bytes of each output. */
  readonly outputs: readonly Uint8Array<ArrayBuffer>[];
  /** Memory that should not have changed, in words. */
  readonly harm: readonly string[];
}

/** The verdict over all cases of one op in one precision. */
export interface OpResult {
  readonly op: OpName;
  readonly precision: Precision;
  /** On a GPU, of an op that has several kernels. */
  readonly form?: FormName;
  readonly calls: number;
  /** Largest difference over what is allowed; at most 1 when all values pass. */
  readonly worst: number;
  /** Where that is. */
  readonly where: string;
  readonly problems: readonly string[];
  readonly pass: boolean;
}

/** Draws the inputs of a case, rounds them to their types and computes what is expected of them in float64. */
export function weigh(c: Case): Weighed {
  const inputs: Float64Array[] = [];
  const made: number[] = [];
  c.inputs.forEach((type, i) => {
    if (type.draw.kind === "made") made.push(i);
    else inputs[i] = rounded(type, drawInput(c, i));
  });
  for (const i of made) {
    const type = at(c.inputs, i);
    if (type.draw.kind !== "made") continue;
    const { op, of, attrs, output } = type.draw;
    const types = of.map((j) => at(c.inputs, j));
    inputs[i] = rounded(type, at(interpretOp(op, attrs, types, of.map((j) => at(inputs, j))), output));
  }
  return { case: c, inputs, expected: interpretOp(c.op, c.attrs, c.inputs, asMultiplied(c, inputs)) };
}

/** The inputs with both operands of a product rounded to bf16 if one of them is bf16, as kernels/abi.h says. */
function asMultiplied(c: Case, inputs: readonly Float64Array[]): readonly Float64Array[] {
  const operands = OPS[c.op].operands ?? [];
  if (!operands.some((i) => at(c.inputs, i).dtype === "bf16")) return inputs;
  return inputs.map((x, i) => operands.includes(i) ? rounded({ dtype: "bf16" }, x) : x);
}

function rounded({ dtype }: Pick<TensorType, "dtype">, x: Float64Array): Float64Array {
  if (dtype === "f32") return x.map(Math.fround);
  if (dtype === "bf16") return x.map((value) => bf16ToFloat(floatToBf16(value)));
  return x;
}

/** The ways in which an op of the table may be called. */
export function variantsOf(c: Case): Variant[] {
  const def = OPS[c.op];
  const output = c.outputs[0];
  const reusable = (def.reuses ?? []).filter((input) =>
    output !== undefined && at(c.inputs, input).dtype === output.dtype &&
    elementCount(at(c.inputs, input).shape) === elementCount(output.shape)
  );
  return [
    { kind: "plain" },
    // Only float32 is added to (kernels/abi.h); the reference device has no such limit.
    ...(def.accumulates?.every((i) => c.outputs[i]?.dtype === "f32")
      ? [{ kind: "accumulate" } as const]
      : []),
    ...reusable.map((input) => ({ kind: "reuse", input }) as const),
  ];
}

/** What an accumulated output holds before the call. */
function heldBefore(c: Case, output: number): Float64Array {
  const type = at(c.outputs, output);
  return rounded(type, drawNormal(streamOf(c, output, 1), elementCount(type.shape)));
}

/** Bytes before and after each tensor that must stay as they are; a multiple of the alignment. */
const GUARD_BYTES = 256;
/** Read as a number, a guard of what is read is NaN, which spreads; of what is written, a number, which NaN would harm. */
const READ_GUARD = 0xff, WRITE_GUARD = 0x5a;
/** Outputs and workspace start as NaN, so that an element left out, or read before it is written, shows. */
const UNWRITTEN = 0xff;

interface Placed {
  readonly ref: TensorRef;
  readonly name: string;
  readonly written: boolean;
}

/** The memory of one call: every tensor between guards. */
class Bench {
  readonly tensors: Placed[] = [];
  readonly #parts: { offset: number; bytes: Uint8Array; fill: number; end: number }[] = [];
  #end = 0;

  /** Adds a tensor; without numbers it starts as garbage. */
  add(name: string, type: TensorType, written: boolean, numbers: ArrayLike<number> | undefined): Placed {
    const count = elementCount(type.shape);
    const length = count * bytesOf(type.dtype);
    const bytes = numbers ? encodeValues(type, numbers) : new Uint8Array(length).fill(UNWRITTEN);
    const offset = this.#end + GUARD_BYTES;
    this.#end = Math.ceil((offset + length) / GUARD_BYTES + 1) * GUARD_BYTES;
    this.#parts.push({ offset, bytes, fill: written ? WRITE_GUARD : READ_GUARD, end: this.#end });
    const placed = { ref: { offset, count, dtype: type.dtype }, name, written };
    this.tensors.push(placed);
    return placed;
  }

  /** The memory before the call. */
  image(): Uint8Array<ArrayBuffer> {
    const image = new Uint8Array(this.#end);
    for (const { offset, bytes, fill, end } of this.#parts) {
      image.fill(fill, offset - GUARD_BYTES, end);
      image.set(bytes, offset);
    }
    return image;
  }
}

/** Calls the op on the device, in the form given, else in the simple one. */
export function runCase(device: Device, w: Weighed, variant: Variant, form?: FormName): Outcome {
  const { case: c } = w;
  const def = OPS[c.op];
  const bench = new Bench();
  const aliases = new Map(Object.entries(def.inPlace ?? {}).map(([o, i]) => [Number(o), i]));
  const aliased = new Set(aliases.values());
  const outputs = c.outputs.map((type, o) => {
    const alias = variant.kind === "reuse" && o === 0 ? variant.input : aliases.get(o);
    const adds = variant.kind === "accumulate" && def.accumulates?.includes(o);
    const numbers = alias !== undefined ? at(w.inputs, alias) : adds ? heldBefore(c, o) : undefined;
    return bench.add(`output ${def.outputs[o]}`, type, true, numbers);
  });
  const inputs = c.inputs.flatMap((type, i) => {
    if (aliased.has(i)) return [];
    if (variant.kind === "reuse" && variant.input === i) return [at(outputs, 0)];
    return [bench.add(`input ${def.inputs[i]}`, type, false, at(w.inputs, i))];
  });
  const added = {
    ...(form && def.forms && { form }),
    ...(variant.kind === "accumulate" && { accumulate: 1 }),
  };
  const attrs = { ...c.attrs, ...added };
  const signature = { inputs: c.inputs, outputs: c.outputs, attrs };
  const words = def.workspace ? Math.ceil(def.workspace(signature) / 4) : 0;
  const workspace = def.workspace
    ? [bench.add("workspace", { shape: [words], dtype: "f32" }, true, undefined)]
    : [];
  const before = bench.image();
  const after = new Uint8Array(before.length);
  const memory = device.allocate(before.length);
  try {
    memory.upload(0, before);
    const refs = [...outputs, ...inputs, ...workspace].map(({ ref }) => ref);
    device.bind(symbolOf(c.op), memory, refs, def.args(signature))();
    memory.download(0, after);
  } finally {
    memory.free();
  }
  const cut = ({ ref }: Placed) => after.slice(ref.offset, ref.offset + ref.count * bytesOf(ref.dtype));
  return { outputs: outputs.map(cut), harm: harmDone(bench, before, after) };
}

/** Bytes outside the written tensors that changed, told by the nearest tensor. */
function harmDone(bench: Bench, before: Uint8Array, after: Uint8Array): string[] {
  const harm: string[] = [];
  let from = 0;
  for (const { ref, name, written } of bench.tensors) {
    const end = ref.offset + ref.count * bytesOf(ref.dtype);
    const rear = Math.ceil(end / GUARD_BYTES + 1) * GUARD_BYTES;
    const changed = (what: string, start: number, stop: number) => {
      for (let i = start; i < stop; i++) {
        if (before[i] === after[i]) continue;
        harm.push(`${name}: ${what} changed, at byte ${i - ref.offset} of ${end - ref.offset}`);
        return;
      }
    };
    changed("the guard before it", from, ref.offset);
    if (!written) changed("it", ref.offset, end);
    changed("the guard after it", end, rear);
    from = rear;
  }
  return harm;
}

/** Judges one outcome: the largest share of what is allowed, and every problem. */
export function judge(w: Weighed, variant: Variant, outcome: Outcome): { worst: number; problems: string[] } {
  const def = OPS[w.case.op];
  let worst = 0;
  const problems = [...outcome.harm];
  outcome.outputs.forEach((bytes, o) => {
    const type = at(w.case.outputs, o);
    const adds = variant.kind === "accumulate" && def.accumulates?.includes(o);
    const held = adds ? heldBefore(w.case, o) : undefined;
    const plain = at(w.expected, o);
    const expected = held ? plain.map((value, i) => value + (held[i] ?? NaN)) : plain;
    const found = compare(
      decodeValues(type, bytes),
      expected,
      toleranceOf({ ...w, expected: w.expected.with(o, expected) }, o),
      {
        actual: type.shape,
        expected: type.shape,
      },
    );
    worst = Math.max(worst, found.ratio);
    if (!found.pass) problems.push(`output ${def.outputs[o]}: ${found.reason}`);
  });
  return { worst, problems };
}

/** "plain", "accumulate" or the input whose memory the output takes. */
export function variantName(c: Case, variant: Variant): string {
  return variant.kind === "reuse" ? `in place of ${OPS[c.op].inputs[variant.input]}` : variant.kind;
}

/**
 * The kernels of an op that a device has for some sample case: one, but on a GPU each form of an op that has several.
 * cuBLASLt's is among them where the target takes its products.
 */
export function kernelChoices(
  op: OpName,
  precision: Precision,
  { kind, isa, gemm }: PlanTarget,
): (KernelChoice | undefined)[] {
  if (isa === undefined || (kind !== "cuda" && kind !== "emulated") || !OPS[op].forms) return [undefined];
  const chip = chipOf(isa);
  const cases = casesOf(op, activationType(kind, precision));
  return FORMS.filter((form) => form !== "cublaslt" || gemm === "cublaslt")
    .filter((form) => cases.some((c) => formAllowed(form, op, c, chip)))
    .map((form) => ({ form, chip }));
}

/** Checks one op over all its cases and variants; with a form, over the cases that it takes. */
export function checkOp(device: Device, op: OpName, precision: Precision, choice?: KernelChoice): OpResult {
  let calls = 0, worst = -1, where = "";
  const problems: string[] = [];
  for (const c of casesOf(op, activationType(device.kind, precision))) {
    if (choice && !formAllowed(choice.form, op, c, choice.chip)) continue;
    const w = weigh(c);
    for (const variant of variantsOf(c)) {
      calls++;
      const found = judge(w, variant, runCase(device, w, variant, choice?.form));
      const place = `${caseName(c)}, ${variantName(c, variant)}`;
      if (found.worst > worst) [worst, where] = [found.worst, place];
      problems.push(...found.problems.map((problem) => `${place}: ${problem}`));
    }
  }
  const pass = calls > 0 && problems.length === 0;
  return { op, precision, ...(choice && { form: choice.form }), calls, worst, where, problems, pass };
}
