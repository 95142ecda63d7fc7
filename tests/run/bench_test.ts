// The bench on a model that takes no time: that its figures fit together, that steps are told apart, that timings are
// summed up rightly, and that a peer's script is spoken to as agreed. How fast anything is, is not tested.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { CpuDevice } from "../../ffi/cpu.ts";
import { UserError } from "../../lib/base/errors.ts";
import { PRESETS } from "../../lib/config/presets.ts";
import { trainingFigures, trainingWork } from "../../lib/run/bench.ts";
import { benchContext } from "../../lib/run/bench_context.ts";
import { benchLoader } from "../../lib/run/bench_data.ts";
import { benchProduct, productWorks } from "../../lib/run/bench_products.ts";
import { benchTraining, type Part, type TrainingWork } from "../../lib/run/bench_train.ts";
import { Peer } from "../../lib/run/peer.ts";
import { repeat, timingOf } from "../../lib/run/timing.ts";
import { ROOT } from "../cli/command.ts";
import { NO_EMULATED, openEmulated } from "../ffi/gpu_devices.ts";

const PEAK = { f32FlopsPerSecond: 1e11, bf16FlopsPerSecond: 2e11, bytesPerSecond: 1e10 };
const { model, optim, schedule } = PRESETS.tiny.values;

function tinyWork(part: Part): TrainingWork {
  return {
    model: { ...model, vocab: 256, eos: 255, dim: 32 },
    optim,
    schedule,
    sequenceLength: 32,
    sequences: 2,
    part,
  };
}

function openCpu(): CpuDevice {
  const library = join(ROOT, "build", "libnanogpt_cpu.so");
  return new CpuDevice({ library, threads: 2, pin: false, isa: "auto" });
}

async function benchTiny(part: Part, between?: () => Promise<void>) {
  const device = openCpu();
  try {
    return await benchTraining(tinyWork(part), {
      device,
      peak: PEAK,
      precision: "bf16",
      budget: { ms: 10_000, mostRuns: 3 },
      byStep: true,
      ...(between && { between }),
    });
  } finally {
    device.close();
  }
}

Deno.test("benchTraining() times the part asked for, with all fields of a result", async () => {
  let between = 0;
  const found = await benchTiny("accumulate", () => Promise.resolve(void between++));
  assertEquals([found.timing.runs, between, found.tokens], [3, 3, 64]);
  assert(found.timing.minMs > 0 && found.timing.minMs <= found.timing.medianMs && found.updateMs > 0);
  // A head of 6 N C V, whatever else there is.
  assert(found.flops > 6 * 64 * 32 * 256, `${found.flops} FLOPs`);
  assert((found.peakBytes ?? 0) > found.plannedBytes, "the process holds what is planned");

  const figures = trainingFigures(found, PEAK, "bf16");
  const tokensPerSecond = 64 / found.timing.medianMs * 1000;
  assertEquals(figures.tokensPerSecond, tokensPerSecond);
  assertEquals(figures.peakShare, found.flops / found.timing.medianMs * 1000 / PEAK.bf16FlopsPerSecond);
  const half = trainingFigures(found, PEAK, "fp32");
  // The division of the same number by 1e11 instead of 2e11: exact up to the last bit.
  assert(Math.abs((half.peakShare ?? 0) / (figures.peakShare ?? 1) - 2) < 1e-12);
});

Deno.test(
  "benchTraining() times finished work where calls are only enqueued",
  { ignore: NO_EMULATED },
  async () => {
    const device = openEmulated({ seed: 1 }); // work is left undone until a wait needs it
    const waits: number[] = [];
    try {
      await benchTraining(tinyWork("step"), {
        device,
        peak: undefined,
        precision: "fp32",
        budget: { ms: 10_000, mostRuns: 2 },
        byStep: false,
        between() {
          const before = device.waits();
          device.sync();
          waits.push(device.waits() - before);
          return Promise.resolve();
        },
      });
    } finally {
      device.close();
    }
    // At most for the sync's own copy, which the emulation may do before it is waited for; unfinished work would be one more.
    assert(waits.length > 0 && waits.every((count) => count <= 1), `waits ${waits}`);
  },
);

Deno.test("benchTraining() of an optimiser step has no tokens, and its flops are Muon's and Adam's", async () => {
  const [update, step, accumulate] = [
    await benchTiny("update"),
    await benchTiny("step"),
    await benchTiny("accumulate"),
  ];
  assertEquals([update.tokens, step.tokens], [undefined, 64]);
  assertEquals(step.flops, update.flops + accumulate.flops);
  // Besides the optimisers' own steps only the working copies that follow an update.
  const others = update.steps?.filter((group) => group.phase !== "update").map((group) => group.op);
  assertEquals(new Set(others), new Set(["cast"]));
});

Deno.test("by step: the groups hold every step once, the most time lost first", async () => {
  const { steps, flops } = await benchTiny("step");
  assert(steps && steps.length > 10);
  const sum = steps.reduce((total, group) => total + group.gflops * group.ms * 1e6, 0);
  // What the groups say they did, recovered from rates: rounding only.
  assert(Math.abs(sum / flops - 1) < 1e-9, `${sum} of ${flops} FLOPs`);
  assertEquals(steps.map((group) => group.lostMs), steps.map((group) => group.lostMs).sort((a, b) => b - a));
  const keys = steps.map((group) => `${group.phase} ${group.op} ${group.shapes}`);
  assertEquals(new Set(keys).size, keys.length);
  for (const { ms, floorMs, lostMs, floorShare, gflops, gigabytesPerSecond } of steps) {
    assertEquals([lostMs, floorShare], [ms - floorMs, floorMs / ms]);
    const bound = Math.max(
      gflops * 1e9 / PEAK.bf16FlopsPerSecond,
      gigabytesPerSecond * 1e9 / PEAK.bytesPerSecond,
    );
    assert(Math.abs(floorShare - bound) <= 1e-9 * bound, `${floorShare} and ${bound}`);
  }
});

Deno.test("the workloads are the record's and the sample preset's", () => {
  const train = trainingWork("train-124m", "cpu");
  assertEquals([train.sequenceLength, train.sequences, train.part], [1024, 4, "accumulate"]);
  assertEquals(train.model, PRESETS["speedrun-2024-11-19"].values.model);
  assertEquals(trainingWork("train-124m", "cuda"), { ...train, sequences: 64 });
  const sample = trainingWork("sample", "cpu");
  assertEquals([sample.sequenceLength * sample.sequences, sample.part], [4096, "step"]);
  assertEquals(trainingWork("muon-124m", "cpu").part, "update");
});

Deno.test("benchContext() times one sequence of the corpus, attention as a part of it", async () => {
  const device = openCpu();
  try {
    const corpus = join(ROOT, "build", "corpus");
    const budget = { ms: 0, mostRuns: 1 };
    const options = { device, peak: PEAK, precision: "bf16", budget, byStep: false } as const;
    const found = await benchContext(corpus, 256, options);
    assertEquals([found.tokens, found.timing.runs, found.steps], [256, 1, undefined]);
    assert(found.attentionMs > 0 && found.attentionMs < found.timing.medianMs);
    await assertRejects(() => benchContext(join(corpus, "none"), 256, options), UserError, "none");
  } finally {
    device.close();
  }
});

Deno.test("benchProduct() times a product in each form of the device", { ignore: NO_EMULATED }, async () => {
  const work = { use: "weight gradient", m: 24, n: 16, k: 40 } as const;
  const budget = { ms: 0, mostRuns: 1 };
  const emulated = openEmulated();
  const cpu = openCpu();
  try {
    const found = await benchProduct(work, emulated, "bf16", budget);
    assertEquals(found.map(({ form }) => form), ["simple", "mma", "wgmma"]);
    for (const { flops, timing, plannedBytes, ...rest } of found) {
      assertEquals([flops, timing.runs, rest.m, rest.n, rest.k], [2 * 24 * 16 * 40, 1, 24, 16, 40]);
      // bf16 operands, a float32 result, each rounded up to 64 bytes.
      assertEquals(plannedBytes, 2 * 40 * 24 + 2 * 40 * 16 + 4 * 24 * 16);
    }
    assertEquals((await benchProduct(work, emulated, "fp32", budget)).map(({ form }) => form), ["simple"]);
    assertEquals((await benchProduct(work, cpu, "bf16", budget)).map((one) => "form" in one), [false]);
  } finally {
    emulated.close();
    cpu.close();
  }
  assertEquals(productWorks("cpu")[1], { use: "input gradient", m: 4096, n: 768, k: 768 });
});

Deno.test("benchLoader() reads what it wrote and leaves nothing", async () => {
  const work = { sequenceLength: 64, batchSequences: 4, steps: 5 };
  const { timing, tokens, bytes } = await benchLoader(work, { ms: 10_000, mostRuns: 2 });
  assertEquals([timing.runs, tokens, bytes], [2, 1280, 2560]);
});

Deno.test("timingOf() gives median and range, repeat() at least one run", async () => {
  assertEquals(timingOf([3, 1, 2]), { runs: 3, medianMs: 2, minMs: 1, maxMs: 3 });
  assertEquals(timingOf([4, 1, 2, 3]).medianMs, 2.5);
  assertThrows(() => timingOf([]), Error, "No run");
  let runs = 0;
  await repeat({ ms: -1, mostRuns: 9 }, () => void runs++);
  assertEquals(runs, 1);
});

/** A script in place of PyTorch's, so that no test needs torch; run by Deno in place of Python. */
async function withPeer(code: string, use: (request: Parameters<typeof Peer.start>[0]) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    const python = join(folder, "python");
    await Deno.writeTextFile(python, `#!/bin/sh\n${code}\n`, { mode: 0o755 });
    await use({ python, script: "peer.py", precision: "bf16", threads: 1 });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("Peer asks for one run at a time and reads its seconds", async () => {
  const ready = '{"name": "PyTorch 9", "variants": ["eager"], "precision": "fp32", "tokens": 64}';
  const code =
    `echo '${ready}'\nwhile read what; do echo "{\\"what\\": \\"$what\\", \\"seconds\\": 0.5}"; done`;
  await withPeer(code, async (request) => {
    const peer = await Peer.start(request);
    try {
      assertEquals(peer.description, {
        name: "PyTorch 9",
        variants: ["eager"],
        precision: "fp32",
        tokens: 64,
      });
      assertEquals([await peer.run("eager"), await peer.run("update")], [0.5, 0.5]);
    } finally {
      await peer.close();
    }
  });
});

Deno.test("Peer.start() says that a Python without torch will not do", async () => {
  await withPeer("exit 1", async (request) => {
    await assertRejects(() => Peer.start(request), UserError, "it needs a Python with torch");
  });
  const missing = { python: "/nowhere/python", script: "peer.py", precision: "bf16", threads: 1 };
  await assertRejects(() => Peer.start(missing), UserError, "Cannot start the peer's Python /nowhere/python");
});
