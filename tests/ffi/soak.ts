// What `make soak` runs on the emulated GPU, in several processes: every op under so many random schedules (the first
// argument; the second is the first of their seeds), memory accesses watched, at all sizes of the sample cases; with the
// third argument "golden" also what has no schedules: the larger golden file's training run, and attention over the record's
// 65,536 tokens. Not part of `make test`.

import { join } from "@std/path";
import { at } from "../../lib/graph/node.ts";
import { checkGolden } from "../../lib/run/check_golden.ts";
import { readGolden } from "../../lib/run/golden_file.ts";
import { ROOT } from "../cli/command.ts";
import { cpuSets, openSet } from "./cpu_sets.ts";
import { openEmulated } from "./gpu_devices.ts";
import { checkLongAttention } from "./long_attention.ts";
import { kernelsOf, ScheduleCheck } from "./schedules.ts";

/** Leaves out nothing but the few cases that would take most of the time. */
const MOST_WORK = 500_000;

function soakOps(count: number, first: number): string[] {
  const seeds = Array.from({ length: count }, (_, i) => first + i);
  const device = openEmulated({ checked: true });
  const check = new ScheduleCheck(device, MOST_WORK);
  const problems = kernelsOf(device.describe().isa).flatMap((kernel) => {
    const started = performance.now();
    const found = check.check(kernel, seeds);
    const name = [kernel.op, kernel.act, kernel.form].join(" ").padEnd(32);
    console.log(`${name} ${found.length} problems, ${((performance.now() - started) / 1000).toFixed(1)} s`);
    return found;
  });
  device.close();
  console.log(`${check.calls} calls under ${count} schedules a kernel`);
  return problems;
}

function soakGolden(): string[] {
  const golden = readGolden(join(ROOT, "tests", "golden", "wide.safetensors"));
  const device = openEmulated();
  const problems = (["fp32", "bf16"] as const).flatMap((precision) => {
    const { groups } = checkGolden(golden, device, { precision, run: true });
    console.log(
      `wide in ${precision}: ${groups.map(({ name, ratio }) => `${name} ${ratio.toFixed(3)}`).join(", ")}`,
    );
    return groups.filter(({ pass }) => !pass).map(({ name, where, reason }) =>
      `${name}, ${where}: ${reason}`
    );
  });
  device.close();
  return problems;
}

function soakAttention(): string[] {
  const own = cpuSets().findLast(({ simulated }) => !simulated);
  if (own === undefined) return ["There are no CPU kernels to hold long attention against: make kernels"];
  const emulated = openEmulated(), cpu = openSet(own, 2);
  const problems = checkLongAttention(emulated, cpu, 65536).flatMap((found) => {
    const times = `${found.seconds.toFixed(1)} s, cpu ${found.cpuSeconds.toFixed(1)} s`;
    const name = `${found.op} ${found.form} over 65,536 tokens`;
    console.log(`${name}: ${found.worst.toFixed(3)} of what is allowed, ${times}`);
    return found.problems.map((problem) => `${name}: ${problem}`);
  });
  emulated.close();
  cpu.close();
  return problems;
}

const [count, first] = [0, 1].map((i) => Number(at(Deno.args, i)));
const problems = [
  ...soakOps(count ?? NaN, first ?? NaN),
  ...(Deno.args[2] === "golden" ? [...soakAttention(), ...soakGolden()] : []),
];
for (const problem of problems) console.log(problem);
console.log(`${problems.length} problems`);
Deno.exit(problems.length > 0 ? 1 : 0);
