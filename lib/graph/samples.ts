// Sample cases of every op, from which the oracle test, the gradient check and the guard-word test are made: odd shapes
// (1, primes, one past a tile), the attributes, and how each input is drawn. Total over the op table, so that an op
// without samples is a compile error. Draws from counter-based streams: the same numbers everywhere and always. Runs
// nothing. Imports lib/base and the graph only.

import { type DType, realOf } from "../base/dtype.ts";
import { InternalError } from "../base/errors.ts";
import { RandomStream, toUnit } from "../base/random.ts";
import { elementCount, type Shape } from "../base/shape.ts";
import { at, type Attrs, type TensorType } from "./node.ts";
import { OP_NAMES, type OpName } from "./op.ts";
import { OPS } from "./ops.ts";
import { SAMPLES } from "./samples_table.ts";

/** How the numbers of an input come to be. */
export type Draw =
  /** Normal, mean 0, this standard deviation. */
  | { readonly kind: "normal"; readonly scale: number }
  /** Uniform between two bounds; where `first` is given, only so many elements, and zeros after them. */
  | { readonly kind: "uniform"; readonly low: number; readonly high: number; readonly first?: number }
  /** max(x, 0)^2 of normal x of standard deviation 1: what relu squared gives. */
  | { readonly kind: "reluSquared" }
  /** Whole numbers 0 .. below - 1; each is `eos` instead with this share. */
  | { readonly kind: "ids"; readonly below: number; readonly eos?: number; readonly share?: number }
  /**
   * First visible rows of attention over sequences of `T`: documents of about ten tokens, and a window. `first`: the
   * number of the first row, 0 where left out; what came before it is one document.
   */
  | { readonly kind: "starts"; readonly T: number; readonly window: number; readonly first?: number }
  /** Output number `output` of `op` over the inputs of this case numbered `of`: inputs that must fit the others. */
  | {
    readonly kind: "made";
    readonly op: OpName;
    readonly of: readonly number[];
    readonly attrs: Attrs;
    readonly output: number;
  };

/** An input: its type may be `act` (that of activations) or `real` (that of sums), which the precision decides. */
export interface SampleInput {
  readonly shape: Shape;
  readonly type: "act" | "real" | "i32";
  readonly draw: Draw;
}

/** One case of an op. The attribute `dtype` may be "act" or "real" too. */
export interface Sample {
  readonly inputs: readonly SampleInput[];
  readonly attrs: Attrs;
}

/** A case in a given precision. */
export interface Case {
  readonly op: OpName;
  /** Number among the cases of its op: with it, the numbers of its inputs are drawn. */
  readonly index: number;
  readonly inputs: readonly (TensorType & { readonly draw: Draw })[];
  readonly outputs: readonly TensorType[];
  readonly attrs: Attrs;
}

/** The cases of an op with activations of type `act`. */
export function casesOf(op: OpName, act: DType): Case[] {
  return SAMPLES[op].map((sample, index) => {
    const typed = (word: string | number) => word === "act" ? act : word === "real" ? realOf(act) : word;
    const attrs = Object.fromEntries(
      Object.entries(sample.attrs).map(([key, value]) => [key, typed(value)]),
    );
    const inputs = sample.inputs.map(({ shape, type, draw }) => {
      const dtype: DType = type === "i32" ? "i32" : type === "act" ? act : realOf(act);
      return { shape, dtype, draw };
    });
    return { op, index, inputs, outputs: OPS[op].infer(inputs, attrs), attrs };
  });
}

/** "matmul #2 (33x65, 65x17)", for tables and errors. */
export function caseName({ op, index, inputs, outputs }: Case): string {
  const shapes = (inputs.length > 0 ? inputs : outputs).map(({ shape }) => shape.join("x"));
  return `${op} #${index} (${shapes.join(", ")})`;
}

/** Seed of every draw; any number would do. */
const SEED = 20241119;
/** Streams are numbered op, case, input: no op has as many cases or inputs. */
const MOST_CASES = 64, MOST_INPUTS = 16;

/** Number of input `input` of a case among all streams of random numbers; `salt` gives further ones. */
export function streamOf(c: Pick<Case, "op" | "index">, input: number, salt = 0): RandomStream {
  const op = OP_NAMES.indexOf(c.op);
  return new RandomStream(SEED + salt, (op * MOST_CASES + c.index) * MOST_INPUTS + input);
}

/**
 * The numbers of input `input` of a case; not for `made` inputs, which whoever runs ops has to make. The same in every
 * precision, before rounding to the input's type.
 */
export function drawInput(c: Case, input: number): Float64Array {
  const { draw, shape } = at(c.inputs, input);
  const count = elementCount(shape);
  const stream = streamOf(c, input);
  switch (draw.kind) {
    case "normal":
      return drawNormal(stream, count, draw.scale);
    case "reluSquared":
      return drawNormal(stream, count).map((x) => Math.max(x, 0) ** 2);
    case "uniform":
      return units(stream, count).map((u, i) =>
        i < (draw.first ?? count) ? draw.low + (draw.high - draw.low) * u : 0
      );
    case "ids":
      return drawIds(stream, count, draw.below, draw.eos, draw.share ?? 0);
    case "starts":
      return drawStarts(stream, count, draw);
    case "made":
      throw new InternalError(`Input ${input} of ${caseName(c)} is made by ${draw.op}, not drawn`);
    default:
      return draw satisfies never;
  }
}

/** Numbers in (0, 1). */
function units(stream: RandomStream, count: number): Float64Array {
  const words = new Uint32Array(count);
  stream.words(0, words);
  return Float64Array.from(words, toUnit);
}

/** Normal numbers with mean 0 and standard deviation `scale`, by Box-Muller on pairs. */
export function drawNormal(stream: RandomStream, count: number, scale = 1): Float64Array {
  const u = units(stream, count + count % 2);
  return Float64Array.from({ length: count }, (_, i) => {
    const pair = i - i % 2;
    const radius = scale * Math.sqrt(-2 * Math.log(u[pair] ?? NaN));
    const angle = 2 * Math.PI * (u[pair + 1] ?? NaN);
    return radius * (i === pair ? Math.cos(angle) : Math.sin(angle));
  });
}

function drawIds(
  stream: RandomStream,
  count: number,
  below: number,
  eos: number | undefined,
  share: number,
): Float64Array {
  const u = units(stream, 2 * count);
  return Float64Array.from({ length: count }, (_, i) => {
    if (eos !== undefined && (u[2 * i] ?? NaN) < share) return eos;
    return Math.floor((u[2 * i + 1] ?? NaN) * below);
  });
}

/** Share of tokens that open a document. */
const DOCUMENT_SHARE = 0.1;

function drawStarts(
  stream: RandomStream,
  count: number,
  { T, window, first = 0 }: Extract<Draw, { kind: "starts" }>,
): Float64Array {
  let document = 0;
  return units(stream, count).map((u, n) => {
    if ((n > 0 && n % T === 0) || u < DOCUMENT_SHARE) document = first + n;
    return Math.max(document, first + n - window + 1);
  });
}
