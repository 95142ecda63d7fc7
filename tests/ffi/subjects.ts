// The devices that a test of kernels runs over, each in two ways that must give the same bits: an instruction set of the cpu
// on one thread and on two, the emulated GPU on one processor and on seven. What is absent has said why. For tests only.

import type { Device } from "../../ffi/device.ts";
import { at } from "../../lib/graph/node.ts";
import type { FormName } from "../../lib/graph/op.ts";
import type { Case } from "../../lib/graph/samples.ts";
import { chipOf, formsOf } from "../../lib/plan/forms.ts";
import { type Variant, variantsOf } from "../../lib/run/check_ops.ts";
import type { Weighed } from "../../lib/run/op_tolerances.ts";
import { cpuSets, openSet } from "./cpu_sets.ts";
import { NO_EMULATED, openEmulated } from "./gpu_devices.ts";

/** A device in two ways. */
export interface Subject {
  readonly name: string;
  /** The two ways in words: "one thread". */
  readonly first: string;
  readonly second: string;
  /** Instruction set, whether it is simulated, and the threads of each way: what it must say of itself. */
  readonly describe: readonly [isa: string, simulated: boolean, threads: readonly [number, number]];
  /** Does the same both ways. */
  readonly twice: <T>(run: (device: Device) => T) => [T, T];
  /** The forms in which the device has the kernel of a case. */
  readonly formsOf: (c: Case) => readonly (FormName | undefined)[];
  readonly close: () => void;
}

const SETS = cpuSets();

/** What openSubjects opens. */
export const SUBJECT_NAMES: readonly string[] = [
  ...SETS.map(({ isa }) => isa),
  ...(NO_EMULATED ? [] : ["emulated"]),
];

/** Opens all of them; closed at the end of the block. */
export function openSubjects(): { readonly all: readonly Subject[] } & Disposable {
  const all = [...SETS.map(onThreads), ...(NO_EMULATED ? [] : [onProcessors()])];
  return { all, [Symbol.dispose]: () => all.forEach((subject) => subject.close()) };
}

function onThreads(set: typeof SETS[number]): Subject {
  const [one, two] = [openSet(set, 1), openSet(set, 2)];
  return {
    name: set.isa,
    first: "one thread",
    second: "two threads",
    describe: [set.isa, set.simulated, [1, 2]],
    twice: (run) => [run(one), run(two)],
    formsOf: () => [undefined],
    close: () => [one, two].forEach((device) => device.close()),
  };
}

function onProcessors(): Subject {
  const device = openEmulated();
  const { isa } = device.describe();
  return {
    name: "emulated",
    first: "one processor",
    second: "seven processors",
    describe: [isa, true, [1, 7]],
    twice(run) {
      device.schedule(0, 1);
      const first = run(device);
      device.schedule(0, 7);
      return [first, run(device)];
    },
    formsOf(c) {
      const forms = formsOf(c.op, c, chipOf(isa));
      return forms.length > 0 ? forms : [undefined];
    },
    close: () => device.close(),
  };
}

/** A way to call the op of a case on a subject. */
export interface Call {
  readonly subject: Subject;
  readonly variant: Variant;
  readonly form: FormName | undefined;
}

/** Every way to call it on all of them. */
export function callsOf(c: Case, subjects: readonly Subject[]): Call[] {
  return variantsOf(c).flatMap((variant) =>
    subjects.flatMap((subject) => subject.formsOf(c).map((form) => ({ subject, variant, form })))
  );
}

/** The members of a batch as cases of their own. */
export function membersOf({ case: c, inputs, expected }: Weighed): Weighed[] {
  const [members = 1, ...shape] = at(c.inputs, 0).shape;
  const cut = (x: Float64Array, i: number) => x.slice(i * x.length / members, (i + 1) * x.length / members);
  const one = {
    ...c,
    inputs: c.inputs.map((type) => ({ ...type, shape })),
    outputs: c.outputs.map((type) => ({ ...type, shape })),
  };
  return Array.from({ length: members }, (_, i) => ({
    case: one,
    inputs: inputs.map((x) => cut(x, i)),
    expected: expected.map((x) => cut(x, i)),
  }));
}
