// The matrix products of every instruction set against float64: every storage, type and mode at sizes around the tiles',
// at depths beyond each block, and bit for bit over numbers of threads. Sets that this machine lacks run emulated.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { assertClose } from "../../lib/base/compare.ts";
import { RunError, UserError } from "../../lib/base/errors.ts";
import { CpuDevice, ISA_NAMES, type IsaName } from "../../ffi/cpu.ts";
import { ROOT } from "../cli/command.ts";
import {
  allForms,
  checkSizes,
  exactProduct,
  type Form,
  gridValues,
  ProductRunner,
  roughValues,
  type Sizes,
} from "./matmul_cases.ts";

const NATIVE = join(ROOT, "build", "libnanogpt_cpu.so");
const SIMULATED = join(ROOT, "build", "libnanogpt_cpu_simulated.so");

function open(isa: IsaName, threads: number, library = libraryOf(isa)): CpuDevice {
  return new CpuDevice({ library, threads, pin: false, isa });
}

function nativeSets(): readonly string[] {
  const device = open("auto", 1, NATIVE);
  const { available } = device.describe();
  device.close();
  return available;
}

const NATIVE_SETS = nativeSets();

function libraryOf(isa: IsaName): string {
  return NATIVE_SETS.includes(isa) ? NATIVE : SIMULATED;
}

const SETS = ISA_NAMES.filter((name) => name !== "auto");

function withRunner(
  isa: IsaName,
  threads: number,
  bytes: number,
  body: (runner: ProductRunner) => void,
): void {
  const device = open(isa, threads);
  try {
    const runner = new ProductRunner(device, bytes);
    body(runner);
    runner.close();
  } finally {
    device.close();
  }
}

// Around one vector, one strip and one tile of every set, and around the most rows that are multiplied unpacked; 513
// and 1100 cross the depths of a microkernel call and of a block, 4500 that of the shared operand.
const SMALL: readonly Sizes[] = [
  [1, 1, 1],
  [7, 13, 77],
  [9, 13, 77],
  [131, 1, 33],
  [1, 131, 64],
  [2, 133, 301],
  [3, 67, 1031],
  [8, 65, 31],
  [13, 77, 131],
  [33, 65, 32],
];
const DEEP: readonly Sizes[] = [[77, 131, 513], [40, 30, 1100], [15, 37, 4500]];
const FEW_FORMS = allForms().filter((_, index) => index % 5 === 0);

for (const isa of SETS) {
  Deno.test(`matmul() is exact on ${isa} in every form`, () => {
    withRunner(isa, 2, 4 << 20, (runner) => {
      for (const sizes of SMALL) checkSizes(runner, sizes, allForms());
      for (const sizes of DEEP) checkSizes(runner, sizes, FEW_FORMS);
    });
  });

  Deno.test(`matmul() keeps float32 precision on ${isa}`, () => {
    const sizes: Sizes = [50, 70, 300];
    const [m, n, k] = sizes;
    const a = roughValues(m * k, 3), b = roughValues(k * n, 4);
    const form: Form = { transA: false, transB: true, a: "f32", b: "f32", c: "f32", mode: "overwrite" };
    withRunner(isa, 2, 4 << 20, (runner) => {
      const actual = runner.run(form, sizes, a, b, new Float64Array(m * n));
      // 300 roundings of 2^-24 of a random walk's partial sums; bf16 anywhere would give 2^-9.
      assertClose(actual, exactProduct(a, b, sizes), { mark: 1e-6 });
    });
  });

  Deno.test(`matmul() gives the same bits on 1, 2 and 5 threads of ${isa}`, () => {
    for (const sizes of [[300, 200, 700], [90, 400, 1500], [7, 701, 901]] satisfies Sizes[]) {
      const [m, n, k] = sizes;
      const a = roughValues(m * k, 8), b = roughValues(k * n, 9), before = roughValues(m * n, 10);
      for (const type of ["f32", "bf16"] as const) {
        const form: Form = { transA: true, transB: false, a: type, b: type, c: type, mode: "add" };
        const results = [1, 2, 5].map((threads): Float64Array => {
          let result: Float64Array = new Float64Array();
          withRunner(isa, threads, 8 << 20, (runner) => result = runner.run(form, sizes, a, b, before));
          return result;
        });
        assert(results[0]?.some((x) => x !== 0));
        assertEquals(results[1], results[0]);
        assertEquals(results[2], results[0]);
      }
    }
  });

  Deno.test(`matmul() lets infinity and NaN through on ${isa}, into their own row only`, () => {
    const sizes: Sizes = [5, 9, 40];
    const [m, n, k] = sizes;
    const a = gridValues(m * k, 2), b = gridValues(k * n, 3).map((x) => Math.abs(x) + 1);
    a[1 * k + 7] = Infinity;
    a[3 * k + 39] = NaN;
    for (const type of ["f32", "bf16"] as const) {
      const form: Form = { transA: false, transB: false, a: type, b: type, c: "f32", mode: "overwrite" };
      withRunner(isa, 1, 1 << 20, (runner) => {
        const c = runner.run(form, sizes, a, b, new Float64Array(m * n));
        const rowsWith = (test: (x: number) => boolean) =>
          Array.from({ length: m }, (_, i) => c.subarray(i * n, (i + 1) * n).every(test));
        assertEquals(rowsWith((x) => x === Infinity), [false, true, false, false, false]);
        assertEquals(rowsWith(Number.isNaN), [false, false, false, true, false]);
        assertEquals(rowsWith(Number.isFinite), [true, false, true, false, true]);
      });
    }
  });
}

Deno.test("matmul() is exact where k is too deep for the scratch that holds the packed operand", () => {
  // 40 rows of 320,000 bf16 are 25.6 MB of 24: float32 sums are summed in c, all else in scratch.
  const sizes: Sizes = [40, 45, 320000];
  const common = { transA: false, transB: false, a: "bf16", b: "bf16" } as const;
  const forms: readonly Form[] = [
    { ...common, c: "f32", mode: "accumulate" },
    { ...common, c: "bf16", mode: "in place" },
    { ...common, c: "f32", mode: "relu squared grad" },
  ];
  for (const isa of ["avx2", "amx"] as const) {
    withRunner(isa, 2, 64 << 20, (runner) => checkSizes(runner, sizes, forms));
  }
});

Deno.test("matmul() is exact where the packed operand is too wide for its scratch", () => {
  const sizes: Sizes = [1540, 1560, 4096];
  const [m, n, k] = sizes;
  const a = gridValues(m * k, 31), b = gridValues(k * n, 32);
  const form: Form = { transA: false, transB: true, a: "f32", b: "f32", c: "f32", mode: "overwrite" };
  withRunner("avx2", 2, 64 << 20, (runner) => {
    const c = runner.run(form, sizes, a, b, new Float64Array(m * n));
    // Freivalds: c v = a (b v), here exact in float64, catches any wrong element of c unless errors cancel.
    const v = Float64Array.from({ length: n }, (_, j) => j % 7 + 1);
    const left = exactProduct(c, v, [m, 1, n]);
    const right = exactProduct(a, exactProduct(b, v, [k, 1, n]), [m, 1, k]);
    assertClose(left, right, {});
  });
});

Deno.test("matmul() refuses what its comment excludes, naming what it found", () => {
  const device = open("auto", 1, NATIVE);
  const memory = device.allocate(4096);
  const tensor = { offset: 0, count: 4, dtype: "f32" } as const;
  const call = (...args: number[]) => device.bind("nanogpt_matmul", memory, [tensor, tensor, tensor], args);
  assertThrows(call(0, 1, 1, 0, 0, 0, 0, 0, 0, 0), RunError, "m = 0");
  assertThrows(call(1, 1, 1, 2, 0, 0, 0, 0, 0, 0), RunError, "found 2 and 0");
  assertThrows(call(1, 1, 1, 0, 0, 7, 0, 0, 0, 0), RunError, "found c 7");
  assertThrows(call(2, 3, 1, 0, 0, 1, 0, 0, 1, 0), RunError, "bf16 result of [2,3]");
  assertThrows(call(2, 3, 1, 0, 0, 0, 0, 0, 0, 1), RunError, "form 0 only, found 1");
  memory.free();
  device.close();
});

Deno.test("a context refuses an instruction set that the machine lacks, naming those it has", () => {
  const missing = SETS.find((isa) => !NATIVE_SETS.includes(isa));
  if (missing === undefined) return assertEquals(NATIVE_SETS, [...SETS]);
  const error = assertThrows(() => open(missing, 1, NATIVE), UserError, missing);
  for (const isa of NATIVE_SETS) assert(error.message.includes(isa));
});

Deno.test("measurePeak() gives plausible figures on every native instruction set", () => {
  for (const isa of SETS.filter((name) => NATIVE_SETS.includes(name))) {
    const device = open(isa, 1, NATIVE);
    const { f32FlopsPerSecond, bf16FlopsPerSecond, bytesPerSecond } = device.measurePeak();
    device.close();
    // Between a very slow and a very fast core; a loop that the compiler removed would show 1e15.
    for (const flops of [f32FlopsPerSecond, bf16FlopsPerSecond]) assert(flops > 1e8 && flops < 2e13);
    assert(bytesPerSecond > 1e8 && bytesPerSecond < 1e12);
  }
});
