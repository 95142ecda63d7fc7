// nanogpt bench as a user runs it, on the workloads that take no time: the JSON object, the text, mistakes; and how
// results of training print. How fast anything is, is not tested.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatResult } from "../../lib/cli/bench.ts";
import type { BenchResult } from "../../lib/run/bench.ts";
import { nanogpt } from "./command.ts";

const FIELDS = [
  "workload",
  "device",
  "isa",
  "precision",
  "tokensPerSecond",
  "gflops",
  "peakShare",
  "updateMs",
  "peakBytes",
];

Deno.test("bench loader --json prints one object with every field", async () => {
  const { code, stdout, stderr } = await nanogpt(["bench", "loader", "--json", "--threads", "1"]);
  assertEquals([code, stdout.trimEnd().split("\n").length], [0, 1]);
  assertMatch(
    stderr,
    /^machine .*\nisa .*, 1 thread\npeak .*FLOP\/s bf16, .*B\/s of memory; measured just now\n$/,
  );
  const found = JSON.parse(stdout);
  assertEquals(Object.keys(found).slice(0, FIELDS.length), FIELDS);
  assertEquals([found.workload, found.device, found.precision, found.gflops], [
    "loader",
    "cpu",
    "bf16",
    null,
  ]);
  assert(found.tokensPerSecond > 0 && found.peakBytes > 0);
});

Deno.test("a forced instruction set reports itself", async () => {
  const { code, stdout, stderr } = await nanogpt(["bench", "loader", "--json"], {
    env: { NANOGPT_ISA: "portable" },
  });
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /^isa +portable /m);
  assertEquals(JSON.parse(stdout).isa, "portable");
});

const MISUSES: [string[], string][] = [
  [["sampel"], 'There is no workload sampel, did you mean "sample"?; expected one of train-124m, sample'],
  [["sample", "--peer", "python3"], "The peer knows the workload train-124m only, not sample"],
  [["sample", "--precision", "fp16"], '--precision is "fp16", expected fp32 or bf16'],
];

for (const [args, message] of MISUSES) {
  Deno.test(`bench ${args.join(" ")} is refused`, async () => {
    const { code, stdout, stderr } = await nanogpt(["bench", ...args]);
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(stderr, message);
  });
}

const RESULT: BenchResult = {
  workload: "train-124m",
  device: "cpu",
  isa: "amx",
  precision: "bf16",
  tokensPerSecond: 4096,
  gflops: 3500,
  peakShare: 0.5,
  updateMs: 600,
  peakBytes: 3.5 * 2 ** 30,
  plannedBytes: 3 * 2 ** 30,
  bytesPerSecond: null,
  timing: { runs: 3, medianMs: 1000, minMs: 990, maxMs: 1010 },
};

Deno.test("formatResult() says which product it was, in which form, and how fast a thread is", () => {
  const product = { use: "forward", m: 256, n: 768, k: 3072, form: "wgmma", threads: 2 } as const;
  const result: BenchResult = {
    ...RESULT,
    workload: "products",
    tokensPerSecond: null,
    gflops: 12.5,
    updateMs: null,
    peakBytes: null,
    product,
  };
  assertEquals(
    formatResult(result),
    [
      "products     1.00 s (990 ms to 1.01 s, median of 3): 12.5 GFLOP/s bf16, 50.0% of peak",
      "             forward [256,768] = [256,3072] [3072,768], wgmma, 6.25 GFLOP/s a thread",
      "",
    ].join("\n"),
  );
});

Deno.test("formatResult() prints median and range, rates, the optimiser step and memory", () => {
  assertEquals(
    formatResult(RESULT),
    [
      "train-124m   1.00 s (990 ms to 1.01 s, median of 3): 4.10k tokens/s, 3500 GFLOP/s bf16, 50.0% of peak",
      "             optimiser step 600 ms",
      "             memory 3.50 GiB at most, 3.00 GiB of them planned",
      "",
    ].join("\n"),
  );
  const one = formatResult({
    ...RESULT,
    timing: { runs: 1, medianMs: 25_000, minMs: 25_000, maxMs: 25_000 },
  });
  assertMatch(one, /^train-124m {3}25\.0 s \(one run\): /);
});

Deno.test("formatResult() prints the tokenizer's rates on one core and with workers", () => {
  const textRates = [
    { workers: 0, bytesPerSecond: 15e6, bytesPerCpuSecond: 15.5e6 },
    { workers: 2, bytesPerSecond: 27e6, bytesPerCpuSecond: 13.9e6 },
  ];
  const text = formatResult({ ...RESULT, workload: "tokenize", bytesPerSecond: 15e6, textRates });
  assertStringIncludes(
    text,
    "             one core 15.0 MB/s, 15.5 MB per second of processor time\n" +
      "             command with 2 workers 27.0 MB/s, 13.9 MB per second of processor time\n",
  );
});

Deno.test("bench tokenize --json has both rates, of the built-in corpus", async () => {
  const { code, stdout, stderr } = await nanogpt(["bench", "tokenize", "--json", "--threads", "2"]);
  assertEquals(code, 0, stderr);
  const { textRates, bytesPerSecond, tokensPerSecond } = JSON.parse(stdout);
  assertEquals(textRates.map(({ workers }: { workers: number }) => workers), [0, 2]);
  assertEquals(textRates[0].bytesPerSecond, bytesPerSecond);
  assert(textRates[1].bytesPerSecond > 0 && textRates[1].bytesPerCpuSecond > 0);
  // English text has between four and six bytes a token.
  assert(bytesPerSecond > 4 * tokensPerSecond && bytesPerSecond < 6 * tokensPerSecond);
});

Deno.test("formatResult() prints the cost of a token beside the sequence's length", () => {
  const text = formatResult({ ...RESULT, workload: "context", sequenceLength: 4096, attentionMs: 250 });
  assertStringIncludes(text, "4,096 tokens in the sequence: 244 us a token, attention 61 us of them\n");
});

Deno.test("formatResult() prints the peer and the ratio, and the steps", () => {
  const description = { name: "PyTorch 2", variants: ["eager"], precision: "bf16", tokens: 4096 };
  const timing = { runs: 1, medianMs: 4000, minMs: 4000, maxMs: 4000 };
  const step = { op: "matmul", phase: "forward", shapes: "f32[2x2] = 2 f32[2x2]", count: 2, ms: 10 };
  const text = formatResult({
    ...RESULT,
    peerTokensPerSecond: 1024,
    peerRatio: 4,
    peer: { description, timings: { eager: timing, update: timing } },
    steps: [{ ...step, gflops: 5, gigabytesPerSecond: 1.5, floorMs: 4, floorShare: 0.4, lostMs: 6 }],
  });
  assertStringIncludes(text, "PyTorch 2 bf16 eager 4.00 s (one run): 1.02k tokens/s\n");
  assertStringIncludes(text, "PyTorch 2 optimiser step 4.00 s (one run)\n");
  assertStringIncludes(text, "ratio 4.00 to its fastest\n");
  assertStringIncludes(
    text,
    "by step, mean of 3 runs, optimiser step included: 10.0 ms, of which 6.00 ms above the floor",
  );
  assertMatch(
    text,
    / 6\.0 +10\.0 +100\.0% +2 +5 +1\.5 +4\.0 +40% +forward matmul +f32\[2x2\] = 2 f32\[2x2\]\n$/,
  );
});
