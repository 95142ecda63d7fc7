// Products in the form of cuBLASLt on the emulated GPU, whose fake one is strict: exact in every storage, type and mode that
// the form takes, recorded in graphs, right under schedules with every memory access watched; what the form refuses, and what
// is said where cuBLASLt is not there.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { GpuDevice } from "../../ffi/cuda.ts";
import { NANOGPT_FORM_CUBLASLT } from "../../ffi/symbols.ts";
import { RunError, UserError } from "../../lib/base/errors.ts";
import { at } from "../../lib/graph/node.ts";
import type { OpName } from "../../lib/graph/op.ts";
import { caseName, casesOf } from "../../lib/graph/samples.ts";
import { chipOf, formAllowed } from "../../lib/plan/forms.ts";
import { productRow } from "../../lib/cli/check_gpu.ts";
import { benchProduct } from "../../lib/run/bench_products.ts";
import { checkOp, judge, kernelChoices, runCase, weigh } from "../../lib/run/check_ops.ts";
import { targetOf } from "../../lib/run/devices.ts";
import { ROOT } from "../cli/command.ts";
import { NO_CHECKED, NO_EMULATED, openEmulated } from "./gpu_devices.ts";
import { allForms, checkSizes, type Form, ProductRunner, type Sizes } from "./matmul_cases.ts";
import { membersOf } from "./subjects.ts";

const libraryOf = (name: string) => join(ROOT, "build", `libnanogpt_${name}.so`);

function withDevice(body: (device: GpuDevice) => void, library = "emulated", gemm?: "cublaslt"): void {
  const device = new GpuDevice({
    kind: "emulated",
    library: libraryOf(library),
    isa: "auto",
    ordinal: 0,
    gemm,
  });
  try {
    body(device);
  } finally {
    device.close();
  }
}

/** What ends with more than a sum is not cuBLASLt's. */
const MODES: readonly Form["mode"][] = ["overwrite", "accumulate", "add", "in place"];

/** The ways of storing these sizes that the form takes: operands of one type, rows of whole 16 bytes. */
function formsFor([m, n, k]: Sizes): Form[] {
  return allForms().filter(({ a, b, c, transA, transB, mode }) => {
    const whole = (length: number, type: Form["a"]) => length * (type === "bf16" ? 2 : 4) % 16 === 0;
    const rows = whole(transA ? m : k, a) && whole(transB ? k : n, b) && whole(n, c);
    return MODES.includes(mode) && a === b && (a === "bf16" || c === "f32") && rows;
  });
}

// One column of packs; odd numbers of rows, whichever operand is transposed; and long sums.
const SIZES: readonly Sizes[] = [[8, 8, 8], [3, 16, 40], [136, 24, 200], [40, 72, 1032]];

function checkProducts(device: GpuDevice): void {
  const runner = new ProductRunner(device, 2 << 20, NANOGPT_FORM_CUBLASLT);
  for (const sizes of SIZES) {
    assert(formsFor(sizes).length >= 7, String(sizes));
    checkSizes(runner, sizes, formsFor(sizes));
  }
  runner.close();
}

Deno.test("a product by cuBLASLt is exact in every form that it takes", { ignore: NO_EMULATED }, () => {
  withDevice(checkProducts, "emulated", "cublaslt");
});

/** Newton-Schulz over each batch of the samples: right, and with the bits of its matrices one by one. */
function checkBatches(device: GpuDevice): void {
  const chip = chipOf(device.describe().isa);
  const plain = { kind: "plain" } as const;
  const batches = (["f32", "bf16"] as const).flatMap((act) => casesOf("newtonSchulz", act))
    .filter((c) => at(c.inputs, 0).shape.length === 3 && formAllowed("cublaslt", c.op, c, chip));
  assert(batches.length > 0);
  for (const c of batches) {
    const w = weigh(c);
    const whole = runCase(device, w, plain, "cublaslt");
    assertEquals(judge(w, plain, whole).problems, [], caseName(c));
    const alone = membersOf(w).map((one) => at(runCase(device, one, plain, "cublaslt").outputs, 0));
    assertEquals([...at(whole.outputs, 0)], alone.flatMap((bytes) => [...bytes]), caseName(c));
  }
}

Deno.test(
  "every op that takes cuBLASLt's form is the reference device's",
  { ignore: NO_EMULATED },
  () =>
    withDevice(
      (device) => {
        const ops: OpName[] = ["matmul", "matmulAdd", "headLoss", "headLossGrad", "newtonSchulz"];
        for (const op of ops) {
          for (const precision of ["fp32", "bf16"] as const) {
            for (const choice of kernelChoices(op, precision, targetOf(device))) {
              if (choice?.form !== "cublaslt") continue;
              const { calls, problems } = checkOp(device, op, precision, choice);
              assert(calls > 0);
              assertEquals(problems, [], `${op} ${precision}`);
            }
          }
          const target = targetOf(device);
          assert(kernelChoices(op, "bf16", target).some((choice) => choice?.form === "cublaslt"), op);
        }
      },
      "emulated",
      "cublaslt",
    ),
);

Deno.test("a batch by cuBLASLt has the bits of its members one by one", { ignore: NO_EMULATED }, () => {
  withDevice(checkBatches, "emulated", "cublaslt");
});

Deno.test("so it has with every memory access watched", { ignore: NO_CHECKED }, () => {
  withDevice(checkBatches, "emulated_checked", "cublaslt");
});

Deno.test("products by cuBLASLt are right under schedules, with every memory access watched", {
  ignore: NO_CHECKED,
}, () =>
  withDevice(
    (device) => {
      const runner = new ProductRunner(device, 2 << 20, NANOGPT_FORM_CUBLASLT);
      const sizes: Sizes = [24, 16, 40];
      const forms = formsFor(sizes);
      for (let seed = 1; seed <= 20; seed++) {
        device.schedule(seed, 3);
        checkSizes(runner, sizes, forms.filter((_, index) => index % 20 === seed % 20));
      }
      runner.close();
    },
    "emulated_checked",
    "cublaslt",
  ));

/** A product of [8,16] ones and [16,8] ones in bf16, its float32 result first in memory. */
function onesProduct(device: GpuDevice) {
  const memory = device.allocate(4096);
  memory.upload(1024, new Uint8Array(new Uint16Array(8 * 16 * 2).fill(0x3f80).buffer));
  const ref = (offset: number, count: number, dtype: "f32" | "bf16") => ({ offset, count, dtype });
  const tensors = [ref(0, 64, "f32"), ref(1024, 128, "bf16"), ref(1024, 128, "bf16")];
  const call = (...args: number[]) => device.bind("nanogpt_matmul", memory, tensors, args);
  const result = () => {
    const bytes = new Uint8Array(256);
    memory.download(0, bytes);
    return [...new Float32Array(bytes.buffer)];
  };
  return { memory, call, result };
}

Deno.test(
  "a product that was run before can be recorded, and no other",
  { ignore: NO_EMULATED },
  () =>
    withDevice(
      (device) => {
        const { memory, call, result } = onesProduct(device);
        const args = [8, 8, 16, 0, 0, 0, 1, 1] as const;
        const added = call(...args, 1, NANOGPT_FORM_CUBLASLT);
        const unmet = "records products that were run before, found one of [8,8] from 16";
        assertThrows(() => device.capture([added]), RunError, unmet);
        call(...args, 0, NANOGPT_FORM_CUBLASLT)();
        assertEquals(result(), Array(64).fill(16));
        const recording = device.capture([added, added]);
        assert(recording !== undefined);
        recording.launch();
        recording.launch();
        assertEquals(result(), Array(64).fill(16 * 5));
        recording.free();
        memory.free();
      },
      "emulated",
      "cublaslt",
    ),
);

Deno.test("cuBLASLt's form refuses what it cannot do, naming what it found", { ignore: NO_EMULATED }, () => {
  const refusals: readonly [readonly number[], string][] = [
    [[8, 8, 12, 0, 1, 0, 1, 1, 0], "found rows of 24 at"],
    [[8, 9, 8, 0, 1, 0, 1, 1, 0], "for c"],
    [[8, 8, 8, 0, 0, 0, 1, 0, 0], "found types 1 and 0 for 0"],
    [[8, 8, 8, 0, 0, 1, 0, 0, 0], "found types 0 and 0 for 1"],
    [[8, 8, 2 ** 31 + 8, 0, 1, 0, 1, 1, 0], "sizes of at most 2147483647"],
  ];
  withDevice(
    (device) => {
      const { memory, call } = onesProduct(device);
      for (const [args, said] of refusals) {
        assertThrows(call(...args, NANOGPT_FORM_CUBLASLT), RunError, said);
      }
      memory.free();
    },
    "emulated",
    "cublaslt",
  );
  withDevice((device) => {
    const { memory, call } = onesProduct(device);
    const product = call(8, 8, 16, 0, 0, 0, 1, 1, 0, NANOGPT_FORM_CUBLASLT);
    assertThrows(product, RunError, "needs cuBLASLt, which nobody opened");
    memory.free();
  });
});

Deno.test("a device without cuBLASLt says so when it is opened for it", () => {
  const open = () => withDevice(() => {}, "cpu", "cublaslt");
  assertThrows(open, UserError, 'device.gemm is "cublaslt": A cpu has no cuBLASLt');
});

Deno.test("the report sets our fastest form beside cuBLASLt's", { ignore: NO_EMULATED }, async () => {
  const device = openEmulated();
  const work = { use: "weight gradient", m: 64, n: 48, k: 40 } as const;
  const bench = (cublaslt: boolean) => benchProduct(work, device, "bf16", { ms: 0, mostRuns: 1 }, cublaslt);
  const ours = await bench(false);
  assertEquals(ours.map(({ form }) => form), ["simple", "mma", "wgmma"]);
  assertEquals(device.openCublasLt(), undefined);
  const both = await bench(true);
  device.close();
  assertEquals(both.map(({ form }) => form), ["simple", "mma", "wgmma", "cublaslt"]);
  const timed = both.map((figures) => ({
    ...figures,
    flops: 2.4e12,
    timing: { ...figures.timing, medianMs: figures.form === "cublaslt" ? 3 : 4 },
  }));
  assertEquals(productRow(timed), ["weight gradient", "64", "48", "40", "600", "wgmma", "800", "75%"]);
  assertEquals(productRow(timed.slice(0, 3)), ["weight gradient", "64", "48", "40", "600", "wgmma", "", ""]);
});
