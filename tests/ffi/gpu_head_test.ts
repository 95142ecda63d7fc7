// The head on the emulated GPU beyond its sample cases: caps from small ones to those so large that the row's maximum has to
// be found, sizes around the fast products' tiles, logits far beyond the cap, targets outside the vocabulary, and a NaN that
// stays in its row. Values are compared with the float64 reference device.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { compare } from "../../lib/base/compare.ts";
import { bytesOf, type DType } from "../../lib/base/dtype.ts";
import { RunError } from "../../lib/base/errors.ts";
import { elementCount } from "../../lib/base/shape.ts";
import { at } from "../../lib/graph/node.ts";
import type { FormName } from "../../lib/graph/op.ts";
import { OPS, symbolOf } from "../../lib/graph/ops.ts";
import type { Case, Draw } from "../../lib/graph/samples.ts";
import { judge, runCase, weigh } from "../../lib/run/check_ops.ts";
import { decodeValues, encodeValues } from "../../lib/run/executor.ts";
import { interpretOp } from "../../lib/run/interpret.ts";
import type { Weighed } from "../../lib/run/op_tolerances.ts";
import { chipOf, formsOf } from "../../lib/plan/forms.ts";
import { NO_EMULATED, openEmulated } from "./gpu_devices.ts";

const PLAIN = { kind: "plain" } as const;
const N = 9, C = 64, V = 515;

/** The head with or without gradients; sizes left out are N, C and V. */
interface HeadCase {
  readonly op?: "headLoss" | "headLossGrad";
  readonly act?: DType;
  readonly N?: number;
  readonly C?: number;
  readonly V?: number;
  readonly cap: number;
  /** Standard deviation of the logits. */
  readonly logits: number;
  /** Of every row; drawn where left out. */
  readonly target?: number;
  readonly chunk?: number;
}

function headCase(head: HeadCase): Case {
  const { op = "headLoss", act = "bf16", cap, chunk, target } = head;
  const sizes = { N, C, V, ...head };
  const normal = (shape: readonly number[], scale: number, dtype: DType = act) =>
    ({ shape, dtype, draw: { kind: "normal", scale } }) as const;
  const draw: Draw = target === undefined
    ? { kind: "ids", below: sizes.V }
    : { kind: "uniform", low: target, high: target };
  const inputs = [
    normal([sizes.N, sizes.C], 1),
    normal([sizes.V, sizes.C], head.logits / Math.sqrt(sizes.C)),
    { shape: [sizes.N], dtype: "i32", draw } as const,
    ...(op === "headLossGrad" ? [normal([sizes.N], 1 / sizes.N, "f32")] : []),
  ];
  const attrs = { cap, ...(chunk && { chunk }), ...(op === "headLossGrad" && { accumulate: 0 }) };
  return { op, index: 0, inputs, outputs: OPS[op].infer(inputs, attrs), attrs };
}

/** Calls body(device, form) with each form that the case has. */
function inEachForm(
  c: Case,
  body: (run: (w: Weighed) => ReturnType<typeof runCase>) => void,
): void {
  const device = openEmulated();
  try {
    const chip = chipOf(device.describe().isa);
    for (const form of formsOf(c.op, c, chip)) {
      body((w) => runCase(device, w, PLAIN, form));
    }
  } finally {
    device.close();
  }
}

Deno.test({
  name: "the head's losses are right whatever the cap: exponentials neither underflow nor overflow",
  ignore: NO_EMULATED,
  fn() {
    for (const act of ["f32", "bf16"] as const) {
      for (const cap of [40, 41, 1e4]) {
        const w = weigh(headCase({ act, cap, logits: 64 })); // logits of up to about 250: exp overflows from 89 on
        inEachForm(w.case, (run) => assertEquals(judge(w, PLAIN, run(w)).problems, [], `${act}, cap ${cap}`));
      }
    }
  },
});

/** Sizes about tiles of 128 x 256 and 128 x 128, and numbers about the cap. */
const EDGES: Readonly<Record<string, Omit<HeadCase, "op">>> = {
  "one column and one row past a tile": { N: 129, C: 8, V: 257, cap: 30, logits: 2 },
  "whole tiles": { N: 128, C: 16, V: 512, cap: 30, logits: 2 },
  "a width that takes the simple form, an odd vocabulary": { N: 5, C: 6, V: 131, cap: 30, logits: 2 },
  "chunks of rows, the last of them short": { N: 150, C: 16, V: 300, chunk: 64, cap: 30, logits: 2 },
  "more tiles than columns of x, a row of no whole packs": { N: 3, C: 8, V: 5393, cap: 30, logits: 2 },
  "targets in the last tile, which has one column": { N: 20, C: 16, V: 513, cap: 30, logits: 2, target: 512 },
  "targets in the last column of whole tiles": { N: 20, C: 16, V: 512, cap: 30, logits: 2, target: 511 },
  "cap 1": { N: 20, C: 16, V: 300, cap: 1, logits: 2 },
  "a cap below 1": { N: 20, C: 16, V: 300, cap: 0.1, logits: 2 },
  "the largest cap that bounds exponentials": { N: 20, C: 16, V: 300, cap: 40, logits: 8 },
  "the next larger cap": { N: 20, C: 16, V: 300, cap: 40.1, logits: 8 },
  "a large cap": { N: 20, C: 16, V: 300, cap: 1e4, logits: 8 },
  "logits of a hundred times the cap": { N: 20, C: 16, V: 300, cap: 30, logits: 3000 },
  "logits of a hundred times a cap that bf16 rounds up": { N: 20, C: 16, V: 300, cap: 0.999, logits: 100 },
};

for (const op of ["headLoss", "headLossGrad"] as const) {
  Deno.test({
    name: `${op} is right at the edges of tiles, chunks and caps`,
    ignore: NO_EMULATED,
    fn() {
      for (const [name, head] of Object.entries(EDGES)) {
        const w = weigh(headCase({ op, ...head }));
        inEachForm(w.case, (run) => assertEquals(judge(w, PLAIN, run(w)).problems, [], name));
      }
    },
  });
}

Deno.test({
  name: "losses of bf16 logits are off by no more than kernels/cuda/softcap.h says of a capped logit",
  ignore: NO_EMULATED,
  fn() {
    const w = weigh(headCase({ C: 256, V: 2000, cap: 30, logits: 8 }));
    // The log of a sum of exponentials is off by no more than its worst term's exponent; the target's logit is not rounded.
    const absolute = (2 ** -9 + 2 ** -11) * 30;
    inEachForm(w.case, (run) => {
      const losses = decodeValues(at(w.case.outputs, 0), at(run(w).outputs, 0));
      const { pass, reason } = compare(losses, at(w.expected, 0), { absolute });
      assert(pass, reason);
    });
  },
});

Deno.test({
  name: "the head's losses have the same bits with and without gradients",
  ignore: NO_EMULATED,
  fn() {
    for (const act of ["f32", "bf16"] as const) {
      const sizes = { act, N: 150, V: 300, cap: 30, logits: 2 };
      const gradients = weigh(headCase({ op: "headLossGrad", ...sizes }));
      const losses = { ...weigh(headCase(sizes)), inputs: gradients.inputs.slice(0, 3) };
      const found: (Uint8Array | undefined)[] = [];
      inEachForm(losses.case, (run) => found.push(run(losses).outputs[0]));
      inEachForm(gradients.case, (run) => assertEquals(run(gradients).outputs[0], found.shift()));
      assertEquals(found, []);
    }
  },
});

/** The first logits that a call without gradients leaves in its workspace. */
function logitsLeft(head: HeadCase, form: FormName, count: number): Float64Array {
  const w = weigh(headCase(head));
  const { workspace, args } = OPS.headLoss;
  const signature = { ...w.case, attrs: { ...w.case.attrs, form } };
  const room = { shape: [Math.ceil((workspace?.(signature) ?? 0) / 4)], dtype: "f32" } as const;
  let end = 0;
  const refs = [...w.case.outputs, ...w.case.inputs, room].map(({ shape, dtype }) => {
    const [offset, elements] = [end, elementCount(shape)];
    end = Math.ceil((offset + elements * bytesOf(dtype)) / 256) * 256;
    return { offset, count: elements, dtype };
  });
  const device = openEmulated();
  try {
    const memory = device.allocate(end);
    w.case.inputs.forEach((type, i) =>
      memory.upload(at(refs, 1 + i).offset, encodeValues(type, at(w.inputs, i)))
    );
    device.bind(symbolOf("headLoss"), memory, refs, args(signature))();
    const bytes = new Uint8Array(count * 2);
    memory.download(at(refs, refs.length - 1).offset, bytes);
    return decodeValues({ dtype: "bf16" }, bytes);
  } finally {
    device.close();
  }
}

Deno.test({
  name: "the head's product caps the logits itself on wgmma, up to the largest cap that bounds exponentials",
  ignore: NO_EMULATED,
  fn() {
    const capped = (cap: number, form: FormName) =>
      logitsLeft({ cap, logits: 64 }, form, V).every((z) => Math.abs(z) <= cap);
    assertEquals([capped(40, "wgmma"), capped(40.1, "wgmma"), capped(40, "mma")], [true, false, false]);
  },
});

Deno.test({
  name: "the head refuses a target outside the vocabulary, by its position, and goes on working",
  ignore: NO_EMULATED,
  fn() {
    const w = weigh(headCase({ cap: 30, logits: 8 }));
    for (const target of [V, -1]) {
      const targets = Float64Array.from(at(w.inputs, 2)).fill(target, 3, 4);
      inEachForm(w.case, (run) => {
        assertThrows(
          () => run({ ...w, inputs: w.inputs.with(2, targets) }),
          RunError,
          `a target outside 0..${V - 1}: found ${target} at position 3`,
        );
        assertEquals(judge(w, PLAIN, run(w)).problems, []);
      });
    }
  },
});

/** `w` with `value` in one place of row 4 of x, and what the reference device then says. */
function withOdd(w: Weighed, value: number): Weighed {
  const inputs = w.inputs.with(0, Float64Array.from(at(w.inputs, 0)).fill(value, 4 * C + 5, 4 * C + 6));
  return { ...w, inputs, expected: interpretOp(w.case.op, w.case.attrs, w.case.inputs, inputs) };
}

Deno.test({
  name: "a NaN in a row of the head's input makes that row's loss and gradient NaN and no other's",
  ignore: NO_EMULATED,
  fn() {
    const rows = Array.from({ length: N }, (_, n) => n === 4);
    for (const cap of [30, 1e4]) {
      const w = withOdd(weigh(headCase({ op: "headLossGrad", cap, logits: 8 })), NaN);
      inEachForm(w.case, (run) => {
        const [losses, dx] = run(w).outputs.map((bytes, o) => decodeValues(at(w.case.outputs, o), bytes));
        assertEquals([...losses ?? []].map(Number.isNaN), rows);
        assertEquals([...dx ?? []].map(Number.isNaN), rows.flatMap((odd) => Array(C).fill(odd)));
      });
    }
  },
});

Deno.test({
  name: "an infinity in a row of the head's input makes that row's logits plus or minus the cap",
  ignore: NO_EMULATED,
  fn() {
    const w = withOdd(weigh(headCase({ cap: 30, logits: 8 })), Infinity);
    inEachForm(w.case, (run) => assertEquals(judge(w, PLAIN, run(w)).problems, []));
  },
});

Deno.test({
  name: "logits far beyond the cap pass no gradient on, also where bf16 rounds the cap up",
  ignore: NO_EMULATED,
  fn() {
    for (const cap of [30, 0.999]) {
      const w = weigh(headCase({ op: "headLossGrad", cap, logits: 8 }));
      const inputs = w.inputs.map((x, i) => i < 2 ? x.map(() => 16) : x); // logits of 16 * 16 * C
      inEachForm(w.case, (run) => {
        const bytes = at(run({ ...w, inputs }).outputs, 1);
        assertEquals([...decodeValues(at(w.case.outputs, 1), bytes)].filter((x) => x !== 0), []);
      });
    }
  },
});
