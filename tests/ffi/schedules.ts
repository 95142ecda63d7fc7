// Ops on the emulated GPU with every memory access watched, under random schedules: a seed draws the order of threads, the
// moments at which asynchronous work is done and the number of processors; each must find no race and no read of unwritten
// memory, be within tolerance, and give the bits that running in order gives, but where matrix instructions sum: their order
// is not documented, so the watched emulation draws it from the seed too. For tests only.

import type { GpuDevice } from "../../ffi/cuda.ts";
import type { DType } from "../../lib/base/dtype.ts";
import { messageOf } from "../../lib/base/errors.ts";
import { elementCount } from "../../lib/base/shape.ts";
import { at } from "../../lib/graph/node.ts";
import type { FormName, OpName } from "../../lib/graph/op.ts";
import { KERNEL_OPS, OPS } from "../../lib/graph/ops.ts";
import { type Case, caseName, casesOf } from "../../lib/graph/samples.ts";
import { chipOf, formAllowed, formsOf } from "../../lib/plan/forms.ts";
import {
  judge,
  type Outcome,
  runCase,
  type Variant,
  variantName,
  variantsOf,
  weigh,
} from "../../lib/run/check_ops.ts";
import type { Weighed } from "../../lib/run/op_tolerances.ts";

/** A kernel: an op in one type of activations and, of an op that has several, in one form. */
export interface Kernel {
  readonly op: OpName;
  readonly act: DType;
  readonly form: FormName | undefined;
}

/** Every kernel that a device of instruction set `isa` has, of the ops given. */
export function kernelsOf(isa: string, ops: readonly OpName[] = KERNEL_OPS): Kernel[] {
  const chip = chipOf(isa);
  return ops.flatMap((op) =>
    (["f32", "bf16"] as const).flatMap((act) => {
      const forms = new Set(casesOf(op, act).flatMap((c) => formsOf(op, c, chip)));
      return (forms.size > 0 ? [...forms] : [undefined]).map((form) => ({ op, act, form }));
    })
  );
}

/** What a call costs the emulation, roughly: elements moved, and operations of which a lane does many at once. */
function workOf(c: Case): number {
  const elements = [...c.inputs, ...c.outputs].reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return elements + OPS[c.op].flops(c) / 50;
}

/** The cases of a kernel of at most so much work, at least the one of least. */
function smallCases({ op, act, form }: Kernel, isa: string, mostWork: number): Case[] {
  const cases = casesOf(op, act)
    .filter((c) => form === undefined || formAllowed(form, op, c, chipOf(isa)))
    .sort((a, b) => workOf(a) - workOf(b));
  const small = cases.filter((c) => workOf(c) <= mostWork);
  return small.length > 0 ? small : cases.slice(0, 1);
}

/** A way to call a kernel, and what it gives when everything runs in order. */
interface Call {
  readonly w: Weighed;
  readonly variant: Variant;
  inOrder?: Outcome;
}

/** Runs a kernel under each seed, going through its cases; returns what is wrong and how many calls were made. */
export class ScheduleCheck {
  readonly #device: GpuDevice;
  readonly #isa: string;
  readonly #mostWork: number;
  calls = 0;

  constructor(device: GpuDevice, mostWork: number) {
    this.#device = device;
    this.#isa = device.describe().isa;
    this.#mostWork = mostWork;
  }

  check(kernel: Kernel, seeds: readonly number[]): string[] {
    // Largest first: few seeds then meet those with the most to go wrong.
    const calls = smallCases(kernel, this.#isa, this.#mostWork).reverse().flatMap((c): Call[] => {
      const w = weigh(c);
      return variantsOf(c).map((variant) => ({ w, variant }));
    });
    return seeds.flatMap((seed, i) => this.#under(seed, kernel, at(calls, i % calls.length)));
  }

  #under(seed: number, kernel: Kernel, call: Call): string[] {
    const { w, variant } = call;
    const processors = 1 + seed % 7;
    const form = kernel.form === undefined ? "" : ` ${kernel.form}`;
    const where = `NANOGPT_EMULATION=checked:${seed}:${processors}, ${caseName(w.case)}${form}, ` +
      variantName(w.case, variant);
    try {
      const found = this.#run(seed, processors, kernel, call);
      const problems = judge(w, variant, found).problems;
      if (kernel.form === undefined || kernel.form === "simple") {
        const inOrder = call.inOrder ??= this.#run(0, 1, kernel, call);
        const other = found.outputs.findIndex((bytes, o) => !sameBytes(bytes, at(inOrder.outputs, o)));
        if (other >= 0) problems.push(`output ${other} has other bits than in order`);
      }
      return problems.map((problem) => `${where}: ${problem}`);
    } catch (error) {
      return [`${where}: ${messageOf(error)}`];
    }
  }

  #run(seed: number, processors: number, { form }: Kernel, { w, variant }: Call): Outcome {
    this.calls++;
    this.#device.schedule(seed, processors);
    return runCase(this.#device, w, variant, form);
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
