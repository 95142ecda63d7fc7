// The head on the emulated GPU beyond its sample cases: caps so large that the row's maximum has to be found, targets outside
// the vocabulary, and a NaN that stays in its row. Values are compared with the float64 reference device.

import { assertEquals, assertThrows } from "@std/assert";
import type { DType } from "../../lib/base/dtype.ts";
import { RunError } from "../../lib/base/errors.ts";
import { at } from "../../lib/graph/node.ts";
import { FORMS } from "../../lib/graph/op.ts";
import { OPS } from "../../lib/graph/ops.ts";
import type { Case } from "../../lib/graph/samples.ts";
import { judge, runCase, weigh } from "../../lib/run/check_ops.ts";
import { decodeValues } from "../../lib/run/executor.ts";
import { chipOf, formAllowed } from "../../lib/plan/forms.ts";
import { NO_EMULATED, openEmulated } from "./gpu_devices.ts";

const PLAIN = { kind: "plain" } as const;
const N = 9, C = 64, V = 515;

/** Losses of logits with a standard deviation of 8 * `scale`; the vocabulary is no multiple of a tile or of 16 bytes. */
function lossCase(act: DType, cap: number, scale: number): Case {
  const normal = (rows: number, size: number) =>
    ({ shape: [rows, C], dtype: act, draw: { kind: "normal", scale: size } }) as const;
  const targets = { shape: [N], dtype: "i32", draw: { kind: "ids", below: V } } as const;
  const inputs = [normal(N, scale), normal(V, 1), targets];
  const attrs = { cap };
  return { op: "headLoss", index: 0, inputs, outputs: OPS.headLoss.infer(inputs, attrs), attrs };
}

/** Calls body(device, form) with each form that the case has. */
function inEachForm(
  c: Case,
  body: (run: (w: ReturnType<typeof weigh>) => ReturnType<typeof runCase>) => void,
): void {
  const device = openEmulated();
  try {
    const chip = chipOf(device.describe().isa);
    for (const form of FORMS.filter((form) => formAllowed(form, c.op, c, chip))) {
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
        const w = weigh(lossCase(act, cap, 8)); // logits of up to about 250: exp overflows from 89 on
        inEachForm(w.case, (run) => assertEquals(judge(w, PLAIN, run(w)).problems, [], `${act}, cap ${cap}`));
      }
    }
  },
});

Deno.test({
  name: "the head refuses a target outside the vocabulary, by its position, and goes on working",
  ignore: NO_EMULATED,
  fn() {
    const w = weigh(lossCase("bf16", 30, 1));
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

Deno.test({
  name: "a NaN in a row of the head's input makes that row's loss NaN and no other",
  ignore: NO_EMULATED,
  fn() {
    for (const cap of [30, 1e4]) {
      const w = weigh(lossCase("bf16", cap, 1));
      const x = Float64Array.from(at(w.inputs, 0)).fill(NaN, 4 * C + 5, 4 * C + 6);
      inEachForm(w.case, (run) => {
        const { outputs } = run({ ...w, inputs: w.inputs.with(0, x) });
        const losses = decodeValues(at(w.case.outputs, 0), at(outputs, 0));
        assertEquals([...losses].map(Number.isNaN), Array.from({ length: N }, (_, n) => n === 4));
      });
    }
  },
});
