// Attention on the emulated GPU at the tiles' real sizes: sequences and windows around a tile, documents that begin at its
// edges, one behind another and within it, against the float64 reference device; that what no query sees is never read; and,
// where sums have a fixed order, the same bits on any number of processors and in any order of threads.

import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { Device } from "../../ffi/device.ts";
import { at, type TensorType } from "../../lib/graph/node.ts";
import { type FormName, FORMS } from "../../lib/graph/op.ts";
import { OPS } from "../../lib/graph/ops.ts";
import { drawNormal, streamOf } from "../../lib/graph/samples.ts";
import { judge, runCase } from "../../lib/run/check_ops.ts";
import { decodeValues, encodeValues } from "../../lib/run/executor.ts";
import { interpretOp } from "../../lib/run/interpret.ts";
import type { Weighed } from "../../lib/run/op_tolerances.ts";
import { judgeRows } from "./attention_rows.ts";
import { NO_CHECKED, NO_EMULATED, openEmulated } from "./gpu_devices.ts";

const EOS = 0, OTHER = 1;
const PLAIN = { kind: "plain" } as const;

/** Rows of a tile in which keys or queries pass by; those that a block owns are one or two of them. */
const TILE = 64;

type AttentionOp = "attention" | "attentionGrad";

const OPS_OF_ATTENTION = ["attention", "attentionGrad"] as const;

/** A form at a width of heads, and the rows of its tiles that its edges are looked for at. */
interface Subject {
  readonly form: FormName;
  readonly D: number;
  readonly tile: number;
}

const MMA: readonly Subject[] = [32, 64, 128].map((D) => ({ form: "mma", D, tile: TILE }));
const WGMMA: Subject = { form: "wgmma", D: 128, tile: 2 * TILE };
/** The widths that are not just other sizes of the same loops. */
const SUBJECTS: readonly Subject[] = [...MMA.slice(1), WGMMA];

/** The forms of an op that a subject stands for: on wgmma the gradient has one more. */
function formsOf(op: AttentionOp, { form }: Subject): readonly FormName[] {
  return op === "attentionGrad" && form === "wgmma" ? ["wgmma", "wgmmaAdd"] : [form];
}

/** First rows of documents within a sequence: none but its own, at its start and two in a row, many short ones, at edges. */
const DOCUMENTS: readonly (readonly number[])[] = [
  [],
  [0, 40, 41],
  Array.from({ length: 30 }, (_, i) => 7 + 13 * i),
  [TILE - 1, TILE, 2 * TILE, 2 * TILE + 1],
];

interface Shape {
  readonly T: number;
  readonly D: number;
  readonly heads: number;
  readonly window: number;
}

type Tensors = Readonly<Record<string, Float64Array>>;

/** A value rounded to bf16, as the device gets it. */
function asBf16(x: Float64Array): Float64Array {
  const type: TensorType = { shape: [x.length], dtype: "bf16" };
  return decodeValues(type, Uint8Array.from(encodeValues(type, x)));
}

/** Inputs of both ops, one sequence for each of DOCUMENTS; y and lse are the reference device's. */
function drawTensors({ T, D, heads, window }: Shape): Tensors {
  const N = T * DOCUMENTS.length;
  const tokens = new Float64Array(N).fill(OTHER);
  DOCUMENTS.forEach((firsts, i) => {
    for (const first of firsts) if (first < T) tokens[i * T + first] = EOS;
  });
  const attrs = { T, window, eos: EOS };
  const start = at(interpretOp("attentionStart", attrs, [{ shape: [N], dtype: "i32" }], [tokens]), 0);
  const drawn = ["dy", "q", "k", "v"].map((name, i) => {
    const stream = streamOf({ op: "attention", index: (T + window) % 64 }, 8 + i);
    return [name, asBf16(drawNormal(stream, N * heads * D))];
  });
  const tensors = { ...Object.fromEntries(drawn), start };
  const [y, lse] = weigh("attention", { T, D, heads, window }, tensors).expected;
  assert(y && lse);
  return { ...tensors, y: asBf16(y), lse: lse.map(Math.fround) };
}

/** A call of one of the ops over these tensors, with what is expected of it. */
function weigh(op: AttentionOp, { T, D, heads, window }: Shape, tensors: Tensors): Weighed {
  const names = OPS[op].inputs;
  const N = T * DOCUMENTS.length;
  const draw = { kind: "normal", scale: 1 } as const;
  const inputs = names.map((name) => {
    if (name === "start") return { shape: [N], dtype: "i32", draw } as const;
    if (name === "lse") return { shape: [N, heads], dtype: "f32", draw } as const;
    return { shape: [N, heads * D], dtype: "bf16", draw } as const;
  });
  const attrs = { T, heads, window };
  const values = names.map((name) => tensors[name] ?? new Float64Array());
  const expected = interpretOp(op, attrs, inputs, values);
  return {
    case: { op, index: 0, inputs, outputs: OPS[op].infer(inputs, attrs), attrs },
    inputs: values,
    expected,
  };
}

/** Windows by length of a sequence: each around a tile or its half, and longer than the sequence. */
function windowsAround(tile: number): readonly (readonly [T: number, windows: readonly number[]])[] {
  return [
    [1, [1, 2]],
    [tile - 1, [1, 100]],
    [tile, [16, 100]],
    [tile + 1, [tile, 100]],
    [2 * tile + 1, [1, 16, tile, 100, 2 * tile + 2]],
    [200, [tile, 100]],
  ];
}

/**
 * Problems of the gradients where every query sees one key: dq and dk are then exactly 0, as dy.v = delta, but for the
 * float32 roundings of these two sums of D products.
 */
function problemsOfZeros(outputs: readonly Uint8Array<ArrayBuffer>[], w: Weighed, D: number): string[] {
  const most = w.inputs.slice(0, 4).map((x) =>
    x.reduce((found, value) => Math.max(found, Math.abs(value)), 0)
  );
  const [dy = NaN, q = NaN, k = NaN, v = NaN] = most;
  const allowed = 2 * D * 2 ** -24 * dy * v * Math.max(q, k) / Math.sqrt(D);
  return outputs.slice(0, 2).flatMap((bytes, o) => {
    const worst = decodeValues(at(w.case.outputs, o), bytes).reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    return worst <= allowed ? [] : [`output ${o}: expected zeros, found ${worst}`];
  });
}

function problemsOf(device: Device, w: Weighed, { T, D, window }: Shape, form: FormName): string[] {
  const outcome = runCase(device, w, PLAIN, form);
  if (w.case.op === "attention" || (T > 1 && window > 1)) return [...judgeRows(w, outcome).problems];
  const dv = { outputs: outcome.outputs.slice(2), harm: outcome.harm };
  const whole = {
    ...w,
    case: { ...w.case, outputs: w.case.outputs.slice(2) },
    expected: w.expected.slice(2),
  };
  return [...problemsOfZeros(outcome.outputs, w, D), ...judge(whole, PLAIN, dv).problems];
}

for (const subject of SUBJECTS) {
  const { form, D, tile } = subject;
  Deno.test({
    name:
      `attention in form ${form}, D ${D}, agrees with the reference device at every edge of tiles, windows and documents`,
    ignore: NO_EMULATED,
    fn() {
      const device = openEmulated();
      try {
        // Two heads of wgmma, at half a tile too: its warpgroups' rows.
        const edges = form === "wgmma"
          ? [...windowsAround(TILE), ...windowsAround(tile)]
          : windowsAround(tile);
        const heads = form === "wgmma" ? 2 : 1;
        for (const [T, windows] of edges) {
          for (const shape of windows.map((window) => ({ T, D, heads, window }))) {
            const tensors = drawTensors(shape);
            for (const op of OPS_OF_ATTENTION) {
              const w = weigh(op, shape, tensors);
              for (const form of formsOf(op, subject)) {
                const problems = problemsOf(device, w, shape, form);
                assertEquals(problems, [], `${op} ${form} ${JSON.stringify(shape)}`);
              }
            }
          }
        }
      } finally {
        device.close();
      }
    },
  });
}

/** A call of attention, and the form it is made in. */
interface Call {
  readonly w: Weighed;
  readonly shape: Shape;
  readonly form: FormName;
}

/** Runs calls in turn on the checked emulation, whose report would be the error, in so many orders of threads. */
function watch(calls: readonly Call[], seeds: number): void {
  const device = openEmulated({ checked: true });
  try {
    for (let seed = 1; seed <= seeds; seed++) {
      const { w, shape, form } = at(calls, seed % calls.length);
      device.schedule(seed, 2);
      assertEquals(problemsOf(device, w, shape, form), [], `${w.case.op}, D ${shape.D}, seed ${seed}`);
    }
  } finally {
    device.close();
  }
}

Deno.test({
  name: "attention on mma.sync has no race and reads nothing unwritten, in twenty orders of threads",
  ignore: NO_CHECKED,
  fn() {
    const calls = [64, 128].flatMap((D) => {
      const shape = { T: TILE + 6, D, heads: 1, window: 30 };
      const tensors = drawTensors(shape);
      return OPS_OF_ATTENTION.map((op) => ({ shape, w: weigh(op, shape, tensors), form: "mma" as const }));
    });
    watch(calls, 20);
  },
});

Deno.test({
  name: "attention on wgmma has no race and reads nothing unwritten, in ten orders of threads each",
  ignore: NO_CHECKED,
  fn() {
    // The last of three tiles of queries has one row; it sees more tiles of keys than the ring holds at a time, and more
    // tiles of queries than that see the first.
    const shape = { T: 2 * WGMMA.tile + 1, D: WGMMA.D, heads: 1, window: 2 * WGMMA.tile };
    const tensors = drawTensors(shape);
    const calls = OPS_OF_ATTENTION.flatMap((op) => {
      const w = weigh(op, shape, tensors);
      return formsOf(op, WGMMA).map((form) => ({ shape, w, form }));
    });
    watch(calls, 10 * calls.length);
  },
});

Deno.test({
  name: "attention in every fast form gives the same bits on 1, 2 and 7 processors",
  ignore: NO_EMULATED,
  fn() {
    // More than one head, and more than one tile on each side of the mask's edges.
    const device = openEmulated();
    try {
      for (const subject of [...MMA, WGMMA]) {
        const { D, tile } = subject;
        const shape = { T: 2 * tile + 22, D, heads: 2, window: tile + 6 };
        const tensors = drawTensors(shape);
        for (const op of OPS_OF_ATTENTION) {
          const w = weigh(op, shape, tensors);
          for (const form of formsOf(op, subject)) {
            const [one, ...others] = [1, 2, 7].map((processors) => {
              device.schedule(processors, processors);
              const { outputs } = runCase(device, w, PLAIN, form);
              return form === "wgmmaAdd" ? outputs.slice(1) : outputs; // blocks add to dq as they come
            });
            for (const other of others) assertEquals(other, one, `${op} ${form}`);
          }
        }
      }
    } finally {
      device.close();
    }
  },
});

/** The rows [from, to) of a tensor [N, columns] of the device. */
function rowsOf(bytes: Uint8Array, N: number, from: number, to: number): Uint8Array {
  const row = bytes.length / N;
  return bytes.subarray(from * row, to * row);
}

/** The tensors with NaN in the rows outside [from, to) of the named ones. */
function poisoned(tensors: Tensors, names: readonly string[], N: number, from: number, to: number): Tensors {
  const changed = names.map((name) => {
    const values = Float64Array.from(tensors[name] ?? []);
    const row = values.length / N;
    return [name, values.fill(NaN, 0, from * row).fill(NaN, to * row)];
  });
  return { ...tensors, ...Object.fromEntries(changed) };
}

interface Hidden {
  readonly op: AttentionOp;
  /** Outputs of which rows are looked at, and inputs of which the rows outside are hidden. */
  readonly outputs: readonly number[];
  readonly inputs: readonly string[];
  /** The rows [from, to) that rows [first, first + 2 * TILE) of the outputs depend on, in whole tiles. */
  readonly needs: (start: Float64Array, first: number, tile: number) => [number, number];
}

/** wgmma's forward pass has whole tiles of keys pass by, others half ones; dq is added to by blocks that own whole ones. */
function rowsRead(form: FormName, { op, outputs }: Hidden): number {
  const whole = form === "wgmma" ? op === "attention" : form === "wgmmaAdd" && outputs.includes(0);
  return whole ? 2 * TILE : TILE;
}

const keysOf = (start: Float64Array, first: number, tile: number): [number, number] => [
  Math.floor((start[first] ?? NaN) / tile) * tile,
  first + 2 * TILE,
];
const queriesOf = (start: Float64Array, first: number, tile: number): [number, number] => {
  const end = start.findLastIndex((row) => row < first + 2 * TILE) + 1;
  return [first, Math.ceil(end / tile) * tile];
};
const HIDDEN: readonly Hidden[] = [
  { op: "attention", outputs: [0, 1], inputs: ["k", "v"], needs: keysOf },
  { op: "attentionGrad", outputs: [0], inputs: ["k", "v"], needs: keysOf },
  { op: "attentionGrad", outputs: [1, 2], inputs: ["q", "dy"], needs: queriesOf },
];

/** One sequence of 512 rows with a window of 70 and documents that begin within and at the edge of a tile. */
function longSequence(D: number): { shape: Shape; tensors: Tensors; N: number } {
  const N = 2 * TILE * DOCUMENTS.length;
  const shape = { T: N / DOCUMENTS.length, D, heads: 1, window: 70 };
  const start = Float64Array.from(
    { length: N },
    (_, n) => Math.max(0, n - 69, n < 200 ? 0 : 200, n < 256 ? 0 : 256),
  );
  return { shape, tensors: { ...drawTensors(shape), start }, N };
}

/** Holds what a form makes of `hidden`'s inputs to what it makes of them where there is NaN beyond what it needs. */
function checkHidden(device: Device, form: FormName, D: number, hidden: Hidden): void {
  const { op, outputs, inputs, needs } = hidden;
  const { shape, tensors, N } = longSequence(D);
  const tile = rowsRead(form, hidden);
  const w = weigh(op, shape, tensors);
  const attrs = { ...w.case.attrs, T: N };
  const run = (changed: Tensors) => {
    const values = OPS[op].inputs.map((name) => changed[name] ?? new Float64Array());
    return runCase(device, { ...w, case: { ...w.case, attrs }, inputs: values }, PLAIN, form).outputs;
  };
  const clean = run(tensors);
  for (let first = 0; first < N; first += 2 * TILE) {
    const [from, to] = needs(at([tensors.start ?? new Float64Array()], 0), first, tile);
    const without = run(poisoned(tensors, inputs, N, from, to));
    const tooMuch = run(poisoned(tensors, inputs, N, from + tile, to));
    for (const o of outputs) {
      const rows = (found: readonly Uint8Array[]) => rowsOf(at(found, o), N, first, first + 2 * TILE);
      assertEquals(rows(without), rows(clean), `${op} of ${form}, D ${D}, output ${o}, rows from ${first}`);
      assertNotEquals(rows(tooMuch), rows(clean));
    }
  }
}

Deno.test({
  name: "attention reads only the tiles that the mask lets through: NaN beyond them changes no bit",
  ignore: NO_EMULATED,
  fn() {
    const device = openEmulated({ processors: 1 }); // blocks that add to one sum do so in order
    try {
      const simple: Subject = { ...at(MMA, 1), form: "simple" };
      for (const subject of [...SUBJECTS, simple]) {
        for (const hidden of HIDDEN) {
          for (const form of formsOf(hidden.op, subject)) checkHidden(device, form, subject.D, hidden);
        }
      }
    } finally {
      device.close();
    }
  },
});

Deno.test({
  name: "attention on wgmma refuses heads of another width than 128",
  ignore: NO_EMULATED,
  fn() {
    const device = openEmulated();
    try {
      const shape = { T: TILE, D: 64, heads: 1, window: TILE };
      for (const op of OPS_OF_ATTENTION) {
        const w = weigh(op, shape, drawTensors(shape));
        for (const form of formsOf(op, WGMMA)) {
          const refusal = `form ${FORMS.indexOf(form)} takes bf16 heads of width 128, found bf16 of width 64`;
          assertThrows(() => runCase(device, w, PLAIN, form), Error, refusal);
        }
      }
      const forward = weigh("attention", shape, drawTensors(shape));
      assertThrows(() => runCase(device, forward, PLAIN, "wgmmaAdd"), Error, "attention has no form 4");
    } finally {
      device.close();
    }
  },
});
