// Every op of the table, over all its sample cases, on every instruction set and on the emulated GPU in every form: values
// against the float64 reference device, guard words around every tensor, inputs unchanged, outputs added to and written in
// place, and the same bits on one thread and on two, on one processor and on seven, but in forms whose sums have no fixed order.
// Sets that this machine lacks run simulated.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Device } from "../../ffi/device.ts";
import { at } from "../../lib/graph/node.ts";
import type { OpName } from "../../lib/graph/op.ts";
import { KERNEL_OPS, OPS } from "../../lib/graph/ops.ts";
import { caseName, casesOf } from "../../lib/graph/samples.ts";
import { hasFixedOrder } from "../../lib/plan/forms.ts";
import { judge, runCase, type Variant, variantName, variantsOf, weigh } from "../../lib/run/check_ops.ts";
import { activationType, type Precision } from "../../lib/run/devices.ts";
import { callsOf, membersOf, openSubjects, SUBJECT_NAMES } from "./subjects.ts";

const PRECISIONS: readonly Precision[] = ["fp32", "bf16"];

function checkEverywhere(op: OpName, precision: Precision): string[] {
  const problems: string[] = [];
  using subjects = openSubjects();
  for (const c of casesOf(op, activationType("cpu", precision))) {
    const w = weigh(c);
    for (const { subject, variant, form } of callsOf(c, subjects.all)) {
      const kernel = form === undefined ? "" : ` ${form}`;
      const name = `${subject.name}${kernel}, ${caseName(c)}, ${variantName(c, variant)}`;
      const [outcome, again] = subject.twice((device) => runCase(device, w, variant, form));
      problems.push(...judge(w, variant, outcome).problems.map((problem) => `${name}: ${problem}`));
      if (form !== undefined && !hasFixedOrder(form)) {
        const { problems: others } = judge(w, variant, again);
        problems.push(...others.map((problem) => `${name}, ${subject.second}: ${problem}`));
        continue;
      }
      problems.push(...again.harm.map((problem) => `${name}, ${subject.second}: ${problem}`));
      outcome.outputs.forEach((bytes, o) => {
        if (at(again.outputs, o).every((byte, i) => byte === bytes[i])) return;
        problems.push(`${name}: output ${o} has other bits on ${subject.second} than on ${subject.first}`);
      });
    }
  }
  return problems;
}

for (const op of KERNEL_OPS) {
  Deno.test({
    name: `${op} agrees with the reference device on ${SUBJECT_NAMES.join(", ")}`,
    ignore: SUBJECT_NAMES.length === 0,
    fn: () => assertEquals(PRECISIONS.flatMap((precision) => checkEverywhere(op, precision)), []),
  });
}

Deno.test("a batch has the bits of its members one by one", { ignore: SUBJECT_NAMES.length === 0 }, () => {
  using subjects = openSubjects();
  let calls = 0;
  for (const op of KERNEL_OPS.filter((op) => OPS[op].batched)) {
    for (const c of PRECISIONS.flatMap((precision) => casesOf(op, activationType("cpu", precision)))) {
      if (at(c.inputs, 0).shape.length < 3) continue;
      const w = weigh(c);
      for (const { subject, variant, form } of callsOf(c, subjects.all)) {
        const [whole] = subject.twice((device) => runCase(device, w, variant, form));
        const [alone] = subject.twice((device) =>
          membersOf(w).map((one) => runCase(device, one, variant, form))
        );
        const members = alone.flatMap(({ outputs }) => [...at(outputs, 0)]);
        assertEquals([...at(whole.outputs, 0)], members, `${subject.name} ${form}, ${caseName(c)}`);
        calls++;
      }
    }
  }
  assert(calls > 0);
});

Deno.test("each device reports itself and not another", { ignore: SUBJECT_NAMES.length === 0 }, () => {
  using subjects = openSubjects();
  for (const { describe, twice } of subjects.all) {
    const found = twice((device) => device.describe());
    assertEquals(found.map(({ isa, simulated }) => [isa, simulated]), [
      describe.slice(0, 2),
      describe.slice(0, 2),
    ]);
    assertEquals(found.map(({ threads }) => threads), [...describe[2]]);
  }
});

/** A device whose kernels do nothing but what `act` does to the bytes of memory, given the first tensor's offset. */
function fake(act: (memory: Uint8Array, offset: number) => void): Device {
  return {
    kind: "cpu",
    describe: () => ({ kind: "cpu", machine: "", isa: "", threads: 1, available: [], simulated: true }),
    allocate(bytes) {
      const memory = new Uint8Array(bytes);
      return {
        bytes,
        upload: (offset, data) => memory.set(data, offset),
        download: (offset, target) => target.set(memory.subarray(offset, offset + target.length)),
        free: () => {},
      };
    },
    bind(_symbol, memory, tensors) {
      return () => {
        const bytes = new Uint8Array(memory.bytes);
        memory.download(0, bytes);
        act(bytes, at(tensors, 0).offset);
        memory.upload(0, bytes);
      };
    },
    sync: () => {},
    measurePeak: () => undefined,
    close: () => {},
  };
}

Deno.test("the op check sees a kernel that writes nothing, beyond its output, before it, or into an input", () => {
  const w = weigh(at(casesOf("reluSquared", "f32"), 1));
  const bytes = 4 * at(w.expected, 0).length;
  const plain: Variant = { kind: "plain" };
  const problemsOf = (act: Parameters<typeof fake>[0]) => {
    const { problems } = judge(w, plain, runCase(fake(act), w, plain));
    assert(problems.length > 0);
    return problems.join("\n");
  };
  const correct = new Uint8Array(Float32Array.from(at(w.expected, 0)).buffer);
  const write = (memory: Uint8Array, offset: number) => memory.set(correct, offset);
  assertEquals(judge(w, plain, runCase(fake(write), w, plain)).problems, []);
  assertStringIncludes(problemsOf(() => {}), "not finite");
  assertStringIncludes(
    problemsOf((memory, offset) => {
      write(memory, offset);
      memory[offset + bytes] = 1;
    }),
    "the guard after it changed",
  );
  assertStringIncludes(
    problemsOf((memory, offset) => {
      write(memory, offset);
      memory[offset - 1] = 1;
    }),
    "the guard before it changed",
  );
  assertStringIncludes(
    problemsOf((memory, offset) => {
      write(memory, offset);
      // 148 bytes of output, guards to the next whole 256 bytes and 256 more, a guard of 256, then the input.
      memory[offset + 768] = 1;
    }),
    "input x: it changed",
  );
  assertStringIncludes(
    problemsOf((memory, offset) => {
      write(memory, offset);
      memory[offset + 3] = 0x44; // the first element is now at least 512
    }),
    "outside tolerance",
  );
});

Deno.test("every op of the table has sample cases, and those that may be written in place are", () => {
  for (const op of KERNEL_OPS) {
    const cases = casesOf(op, "f32");
    assert(cases.length > 0, op);
    const variants = cases.flatMap(variantsOf);
    if (OPS[op].reuses) assert(variants.some(({ kind }) => kind === "reuse"), op);
    if (OPS[op].accumulates) assert(variants.some(({ kind }) => kind === "accumulate"), op);
  }
});
