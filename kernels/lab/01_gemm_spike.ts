// Lab 01: how fast is a matrix product called from a Deno worker? Times the training step's shapes on 1 and 2 threads,
// each in a worker that opens the library itself, and prints GFLOP/s, the share of the peak measured in the same worker, and
// the memory's bandwidth. Runs whatever instruction set the machine has (or NANOGPT_ISA names); never shipped.
// Run from the root: deno run --allow-all kernels/lab/01_gemm_spike.ts [seconds a shape] [library]

import { CpuDevice, parseIsa } from "../../ffi/cpu.ts";
import type { DType } from "../../lib/base/dtype.ts";
import { bytesOf, dtypeCode } from "../../lib/base/dtype.ts";

/** c = op(a) op(b): [m,n] from k; accumulate also makes c float32, as for weight gradients. */
interface Shape {
  readonly name: string;
  readonly sizes: readonly [m: number, n: number, k: number];
  readonly transA: 0 | 1;
  readonly transB: 0 | 1;
  readonly accumulate: 0 | 1;
}

const forward = { transA: 0, transB: 1, accumulate: 0 } as const;
const backward = { transA: 0, transB: 0, accumulate: 0 } as const;
const weights = { transA: 1, transB: 0, accumulate: 1 } as const;

/** Tokens of a microbatch are 4,096; the model is 768 wide; the head works on 1,024 tokens at a time. */
const SHAPES: readonly Shape[] = [
  { name: "projection", sizes: [4096, 768, 768], ...forward },
  { name: "q, k, v", sizes: [4096, 2304, 768], ...forward },
  { name: "up", sizes: [4096, 3072, 768], ...forward },
  { name: "down", sizes: [4096, 768, 3072], ...forward },
  { name: "d of up's input", sizes: [4096, 768, 3072], ...backward },
  { name: "d of down's input", sizes: [4096, 3072, 768], ...backward },
  { name: "d of up's weights", sizes: [3072, 768, 4096], ...weights },
  { name: "d of down's weights", sizes: [768, 3072, 4096], ...weights },
  { name: "logits of a chunk", sizes: [1024, 50304, 768], ...forward },
  { name: "Newton-Schulz x x^T", sizes: [768, 768, 3072], ...forward, accumulate: 1 },
];

interface Task {
  readonly library: string;
  readonly isa: string;
  readonly threads: number;
  readonly seconds: number;
}

/** Seconds of each of a few calls, sorted. */
function time(call: () => void, seconds: number): number[] {
  call();
  const times: number[] = [];
  const begin = performance.now();
  do {
    const start = performance.now();
    call();
    times.push((performance.now() - start) / 1000);
  } while (performance.now() - begin < seconds * 1000);
  return times.sort((x, y) => x - y);
}

function* measure({ library, isa, threads, seconds }: Task): Generator<string> {
  const device = new CpuDevice({ library, threads, pin: false, isa: parseIsa(isa) });
  const about = device.describe(), peak = device.measurePeak();
  const giga = (x: number) => (x / 1e9).toFixed(1);
  yield `\n${about.machine}, ${about.isa}${
    about.simulated ? " (simulated)" : ""
  }, ${about.threads} threads: peak f32 ` +
    `${giga(peak.f32FlopsPerSecond)} GFLOP/s, bf16 ${giga(peak.bf16FlopsPerSecond)} GFLOP/s, memory ` +
    `${giga(peak.bytesPerSecond)} GB/s`;
  const memory = device.allocate(768 << 20);
  for (const dtype of ["f32", "bf16"] satisfies DType[]) {
    for (const { name, sizes, transA, transB, accumulate } of SHAPES) {
      const [m, n, k] = sizes, bytes = bytesOf(dtype), result: DType = accumulate ? "f32" : dtype;
      let offset = 0;
      const [a, b, c] = ([[m * k, dtype], [k * n, dtype], [m * n, result]] as const).map(([count, type]) => {
        const tensor = { offset, count, dtype: type };
        offset += Math.ceil(count * (type === "f32" ? 4 : bytes) / 64) * 64;
        return tensor;
      });
      if (!a || !b || !c) continue;
      const codes = [dtypeCode(result), dtypeCode(dtype), dtypeCode(dtype)];
      const args = [m, n, k, transA, transB, ...codes, accumulate];
      const times = time(device.bind("nanogpt_matmul", memory, [c, a, b], args), seconds);
      const limit = dtype === "f32" ? peak.f32FlopsPerSecond : peak.bf16FlopsPerSecond;
      const rate = (at: number) => 2 * m * n * k / (times[at] ?? NaN);
      const best = rate(0), middle = rate(times.length >> 1);
      yield `${dtype.padEnd(5)}${name.padEnd(22)}${sizes.join(" x ").padEnd(20)}` +
        `best ${giga(best).padStart(7)} GFLOP/s (${(100 * best / limit).toFixed(0)}% of peak)  median ${
          giga(middle)
        }`;
    }
  }
  memory.free();
  device.close();
}

/** Runs one task in a worker of this same file, printing its lines as they come. */
async function runInWorker(task: Task): Promise<void> {
  const worker = new Worker(Deno.mainModule, { type: "module" });
  const { port1, port2 } = new MessageChannel();
  const done = Promise.withResolvers<void>();
  port1.onmessage = ({ data }: MessageEvent<string | null>) =>
    data === null ? done.resolve() : console.log(data);
  worker.onerror = (event) => done.reject(new Error(event.message));
  worker.postMessage({ task, port: port2 }, [port2]);
  await done.promise;
  port1.close();
  worker.terminate();
}

if (self.constructor.name === "DedicatedWorkerGlobalScope") {
  self.addEventListener("message", (event) => {
    if (!(event instanceof MessageEvent)) return;
    const { task, port }: { task: Task; port: MessagePort } = event.data;
    for (const line of measure(task)) port.postMessage(line);
    port.postMessage(null);
  });
} else {
  const [seconds = "0.5", library = "build/libnanogpt_cpu.so"] = Deno.args;
  const isa = Deno.env.get("NANOGPT_ISA") ?? "auto";
  console.log(`Load of this machine before: ${Deno.loadavg()[0]?.toFixed(1)}`);
  for (const threads of [1, 2]) await runInWorker({ library, isa, threads, seconds: Number(seconds) });
}
