// Runs every op, and products deep enough to be cut, on all instruction sets of a kernel library, then the collectives: its
// path and the numbers of threads are the arguments. `make sanitize` gives it the libraries built under AddressSanitizer with
// UBSan, and under ThreadSanitizer, whose reports end the program. Judges values too. Not part of `make test`.

import { at } from "../../lib/graph/node.ts";
import type { OpName } from "../../lib/graph/op.ts";
import { KERNEL_OPS } from "../../lib/graph/ops.ts";
import { caseName, casesOf } from "../../lib/graph/samples.ts";
import { judge, runCase, variantName, variantsOf, weigh } from "../../lib/run/check_ops.ts";
import { activationType } from "../../lib/run/devices.ts";
import { CpuDevice, ISA_NAMES, type IsaName } from "../../ffi/cpu.ts";
import { checkCollectives, COLLECTIVES, rough } from "../ffi/collectives.ts";
import { type Form, ProductRunner, roughValues, type Sizes } from "../ffi/matmul_cases.ts";
import { cpuRank, Ranks } from "../ffi/ranks.ts";

const library = at(Deno.args, 0);
const SETS = ISA_NAMES.filter((name) => name !== "auto");
const THREADS = Deno.args.slice(1).map(Number);
/** Longer than a helper waits before it sleeps (kernels/cpu/pool.cpp). */
const SLEEP_MS = 2;

const open = (isa: IsaName, threads: number) => new CpuDevice({ library, threads, pin: false, isa });

/** Calls an op in every case and way on each device; returns the problems. */
function runOp(op: OpName, devices: ReadonlyMap<string, CpuDevice>): { calls: number; problems: string[] } {
  let calls = 0;
  const problems: string[] = [];
  for (const precision of ["fp32", "bf16"] as const) {
    for (const c of casesOf(op, activationType("cpu", precision))) {
      const weighed = weigh(c);
      for (const variant of variantsOf(c)) {
        for (const [name, device] of devices) {
          calls++;
          const found = judge(weighed, variant, runCase(device, weighed, variant)).problems;
          problems.push(
            ...found.map((text) => `${name}, ${caseName(c)}, ${variantName(c, variant)}: ${text}`),
          );
        }
      }
    }
  }
  return { calls, problems };
}

/** Products whose k is cut, and whose rows and columns are cut among tasks; nothing is compared. */
const PRODUCTS: readonly Sizes[] = [[77, 131, 513], [300, 90, 700], [40, 330, 1100]];

function runProducts(device: CpuDevice): number {
  const runner = new ProductRunner(device, 8 << 20);
  let calls = 0;
  for (const sizes of PRODUCTS) {
    const [m, n, k] = sizes;
    const a = roughValues(m * k, 1), b = roughValues(k * n, 2), before = roughValues(m * n, 3);
    for (const type of ["f32", "bf16"] as const) {
      for (const transposed of [false, true]) {
        const form: Form = { transA: transposed, transB: transposed, a: type, b: type, c: type, mode: "add" };
        runner.run(form, sizes, a, b, before);
        calls++;
      }
    }
  }
  runner.close();
  return calls;
}

/** Helpers that sleep, are woken and end: what the calls above, close to each other, meet by chance only. */
async function runSleepers(): Promise<void> {
  for (const threads of [...THREADS, 2, 3]) {
    const device = open("portable", threads);
    for (let call = 0; call < 20; call++) {
      await new Promise((resolve) => setTimeout(resolve, call % 2 * SLEEP_MS));
      device.allocate(64 << 20).free();
    }
    device.close();
  }
}

/** The collectives of three ranks, each a thread of this process with its own pool. */
async function runCollectives(): Promise<{ calls: number; problems: string[] }> {
  await using ranks = await Ranks.open([1, ...THREADS].map((threads) => cpuRank(threads, library)));
  await ranks.join();
  return { calls: COLLECTIVES.length * ranks.size, problems: await checkCollectives(ranks, [50000], rough) };
}

const devices = new Map(
  SETS.flatMap((isa) => THREADS.map((n): [string, CpuDevice] => [`${isa}, threads ${n}`, open(isa, n)])),
);
let calls = 0;
const problems: string[] = [];
for (const op of KERNEL_OPS) {
  const found = runOp(op, devices);
  calls += found.calls;
  problems.push(...found.problems);
}
for (const device of devices.values()) calls += runProducts(device);
for (const device of devices.values()) device.close();
await runSleepers();
const collectives = await runCollectives();
calls += collectives.calls;
problems.push(...collectives.problems);
for (const problem of problems) console.log(problem);
console.log(`${library}: ${calls} calls, ${problems.length} wrong results`);
Deno.exit(problems.length > 0 || calls === 0 ? 1 : 0);
