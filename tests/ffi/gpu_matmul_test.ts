// The matrix products of the GPU's kernels on the emulation, in their simple form, on mma.sync and on wgmma, against float64:
// every storage, type and mode, sizes around the tiles', products that are cut along k; bit for bit over numbers of
// processors; and with every memory access watched under twenty schedules.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { assertClose } from "../../lib/base/compare.ts";
import { RunError } from "../../lib/base/errors.ts";
import { GpuDevice, type GpuIsa } from "../../ffi/cuda.ts";
import { NANOGPT_FORM_MMA, NANOGPT_FORM_SIMPLE, NANOGPT_FORM_WGMMA } from "../../ffi/symbols.ts";
import { MARKS } from "../../lib/run/marks.ts";
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

const FAST = join(ROOT, "build", "libnanogpt_emulated.so");
const CHECKED = join(ROOT, "build", "libnanogpt_emulated_checked.so");

const ALL_FORMS = [NANOGPT_FORM_SIMPLE, NANOGPT_FORM_MMA, NANOGPT_FORM_WGMMA];

function withDevice(body: (device: GpuDevice) => void, library = FAST, isa: GpuIsa = "auto"): void {
  const device = new GpuDevice({ kind: "emulated", library, isa, ordinal: 0 });
  try {
    body(device);
  } finally {
    device.close();
  }
}

function withRunner(
  kernelForm: number,
  body: (runner: ProductRunner, device: GpuDevice) => void,
  library = FAST,
): void {
  withDevice((device) => {
    const runner = new ProductRunner(device, 8 << 20, kernelForm);
    body(runner, device);
    runner.close();
  }, library);
}

/** Forms of bf16 operands whose rows are multiples of 16 bytes at these sizes: what the matrix instructions' kernels take. */
function narrowForms([m, n, k]: Sizes): Form[] {
  return allForms().filter(({ a, b, transA, transB }) =>
    a === "bf16" && b === "bf16" && (transA ? m : k) % 8 === 0 && (transB ? k : n) % 8 === 0
  );
}

// Around one element, one thread's share and one tile of 64, and k around a tile's 32.
const SIMPLE_SIZES: readonly Sizes[] = [[1, 1, 1], [1, 131, 33], [65, 9, 32], [64, 64, 31], [70, 129, 77], [
  600,
  70,
  3,
]];

Deno.test("the GPU's simple matrix product is exact in every form", () => {
  withRunner(NANOGPT_FORM_SIMPLE, (runner) => {
    for (const sizes of SIMPLE_SIZES) checkSizes(runner, sizes, allForms());
  });
});

// One tile; less than a piece of it; one row, column and piece past it; k shorter than the stages in flight, no multiple of a
// stage, and long. Odd m or n leave the forms that store rows along k. 2088 is cut into parts, of unequal depth. 1160 is more
// rows of tiles than a group of them has.
const MMA_SIZES: readonly Sizes[] = [
  [128, 128, 64],
  [8, 8, 8],
  [1, 3, 64],
  [136, 264, 200],
  [129, 131, 72],
  [40, 72, 2088],
  [65, 129, 1544],
  [1160, 136, 8],
];

Deno.test("the GPU's product on mma.sync is exact in every form that it takes", () => {
  withRunner(NANOGPT_FORM_MMA, (runner) => {
    for (const sizes of MMA_SIZES) checkSizes(runner, sizes, narrowForms(sizes));
  });
});

// Tiles of 64 x 256 up to a k of 256, beyond it of 128 x 256: one; less than a box of it; one row, column and piece past it;
// k of one stage, of more and of fewer than are in flight; more rows of tiles than a group has.
const PING_PONG_SIZES: readonly Sizes[] = [
  [64, 256, 64],
  [8, 8, 8],
  [1, 3, 72],
  [65, 257, 200],
  [136, 264, 256],
  [600, 8, 136],
];
// The last two are cut, into parts of unequal depth.
const COOPERATIVE_SIZES: readonly Sizes[] = [
  [128, 256, 320],
  [129, 257, 328],
  [136, 264, 768],
  [1160, 8, 264],
  [40, 72, 2088],
  [136, 8, 1608],
];

Deno.test("the GPU's product on wgmma is exact in every form that it takes", () => {
  withRunner(NANOGPT_FORM_WGMMA, (runner) => {
    for (const sizes of PING_PONG_SIZES) checkSizes(runner, sizes, narrowForms(sizes));
    for (const sizes of COOPERATIVE_SIZES) {
      checkSizes(runner, sizes, narrowForms(sizes).filter((_, index) => index % 3 === sizes[0] % 3));
    }
  });
});

Deno.test("the GPU's products give the same bits on 1, 2, 7 and 132 processors", () => {
  for (const kernelForm of ALL_FORMS) {
    for (const sizes of [[200, 136, 136], [200, 136, 264], [136, 8, 1608]] satisfies Sizes[]) {
      const [m, n, k] = sizes;
      const a = roughValues(m * k, 8), b = roughValues(k * n, 9), before = roughValues(m * n, 10);
      const form: Form = { transA: true, transB: false, a: "bf16", b: "bf16", c: "f32", mode: "accumulate" };
      withRunner(kernelForm, (runner, device) => {
        const results = [1, 2, 7, 132].map((processors) => {
          device.schedule(0, processors);
          return runner.run(form, sizes, a, b, before);
        });
        assert(results[0]?.some((x) => x !== 0));
        for (const result of results.slice(1)) assertEquals(result, results[0]);
      });
    }
  }
});

Deno.test("the GPU's products let infinity and NaN through, into their own row only", () => {
  const sizes: Sizes = [5, 16, 40];
  const [m, n, k] = sizes;
  const a = gridValues(m * k, 2), b = gridValues(k * n, 3).map((x) => Math.abs(x) + 1);
  a[1 * k + 7] = Infinity;
  a[3 * k + 39] = NaN;
  const common = { transA: false, a: "bf16", b: "bf16", c: "bf16" } as const;
  const forms: readonly Form[] = [
    { ...common, transB: false, mode: "overwrite" },
    { ...common, transB: true, mode: "relu squared" },
    { ...common, transB: false, mode: "relu squared grad" },
  ];
  for (const kernelForm of ALL_FORMS) {
    withRunner(kernelForm, (runner) => {
      for (const form of forms) {
        const c = runner.run(form, sizes, a, b, new Float64Array(m * n).fill(1));
        const rowsWith = (test: (x: number) => boolean) =>
          Array.from({ length: m }, (_, i) => c.subarray(i * n, (i + 1) * n).every(test));
        assertEquals(rowsWith((x) => x === Infinity), [false, true, false, false, false]);
        assertEquals(rowsWith(Number.isNaN), [false, false, false, true, false]);
        assertEquals(rowsWith(Number.isFinite), [true, false, true, false, true]);
      }
    });
  }
});

Deno.test("the gradient through relu squared has NaN and infinity where its result has, the square 0 for minus infinity", () => {
  const sizes: Sizes = [3, 16, 8];
  const [m, n, k] = sizes;
  const a = new Float64Array(m * k).fill(1), b = new Float64Array(k * n).fill(1);
  const y = new Float64Array(m * n).fill(4);
  y[5] = NaN;
  y[n + 3] = Infinity;
  y[2 * n + 7] = 0;
  const expected = new Float64Array(m * n).fill(2 * 2 * k);
  expected[5] = NaN;
  expected[n + 3] = Infinity;
  expected[2 * n + 7] = 0;
  const common = { transA: false, a: "bf16", b: "bf16" } as const;
  for (const kernelForm of ALL_FORMS) {
    withRunner(kernelForm, (runner) => {
      for (const c of ["bf16", "f32"] as const) {
        const grad: Form = { ...common, transB: false, c, mode: "relu squared grad" };
        assertEquals(runner.run(grad, sizes, a, b, y), expected);
        const square: Form = { ...common, transB: true, c, mode: "relu squared" };
        const below = a.with(0, -Infinity);
        const found = runner.run(square, sizes, below, b, y);
        assertEquals(found, new Float64Array(m * n).fill(k * k).fill(0, 0, n));
      }
    });
  }
});

Deno.test("the GPU's simple product keeps float32 precision", () => {
  const sizes: Sizes = [50, 70, 300];
  const [m, n, k] = sizes;
  const a = roughValues(m * k, 3), b = roughValues(k * n, 4);
  const form: Form = { transA: false, transB: true, a: "f32", b: "f32", c: "f32", mode: "overwrite" };
  withRunner(NANOGPT_FORM_SIMPLE, (runner) => {
    const actual = runner.run(form, sizes, a, b, new Float64Array(m * n));
    // 300 roundings of 2^-24 of a random walk's partial sums; bf16 anywhere would give 2^-9.
    assertClose(actual, exactProduct(a, b, sizes), { mark: 1e-6 });
  });
});

Deno.test("the GPU's products refuse what their comments exclude, naming what they found", () => {
  withDevice((device) => {
    const memory = device.allocate(4096);
    const tensor = { offset: 0, count: 4, dtype: "f32" } as const;
    const shifted = { ...tensor, offset: 8 };
    const call = (...args: number[]) => device.bind("nanogpt_matmul", memory, [tensor, tensor, tensor], args);
    assertThrows(call(0, 1, 1, 0, 0, 0, 0, 0, 0, 0), RunError, "expected m of at least 1");
    assertThrows(call(1, 1, 1, 2, 0, 0, 0, 0, 0, 0), RunError, "expected trans_a 0 or 1, found 2");
    assertThrows(call(1, 1, 1, 0, 0, 7, 0, 0, 0, 0), RunError, "found 7");
    assertThrows(call(2, 3, 1, 0, 0, 1, 0, 0, 1, 0), RunError, "bf16 result of [2,3]");
    assertThrows(call(2, 3, 1, 0, 0, 0, 0, 0, 0, 9), RunError, "no form 9");
    assertThrows(call(8, 8, 8, 0, 0, 0, 0, 1, 0, NANOGPT_FORM_MMA), RunError, "found float32 a");
    assertThrows(call(8, 8, 12, 0, 1, 0, 1, 1, 0, NANOGPT_FORM_MMA), RunError, "found 12 in a");
    assertThrows(call(8, 9, 8, 0, 0, 0, 1, 1, 0, NANOGPT_FORM_MMA), RunError, "found 9 in b");
    const tensors = [tensor, tensor, shifted];
    const args = [8, 8, 8, 0, 0, 0, 1, 1, 0, NANOGPT_FORM_MMA];
    assertThrows(device.bind("nanogpt_matmul", memory, tensors, args), RunError, "a multiple of 16 bytes");
    assertThrows(call(8, 9, 8, 0, 0, 0, 1, 1, 0, NANOGPT_FORM_WGMMA), RunError, "form 2 takes rows");
    const fused = (symbol: string, count: number, ...args: number[]) =>
      device.bind(symbol, memory, Array.from({ length: count }, () => tensor), args);
    const narrow = fused("nanogpt_matmul_norm_rope", 5, 8, 8, 1, 64, 8, 1, 1, NANOGPT_FORM_WGMMA, 0);
    assertThrows(narrow, RunError, "heads of width 128, found 64");
    const uneven = fused("nanogpt_matmul_mix", 6, 8, 12, 8, 1, 1, NANOGPT_FORM_WGMMA);
    assertThrows(uneven, RunError, "results in rows of a multiple of 8 elements, found 12");
    memory.free();
  });
  withDevice(
    (device) => {
      const memory = device.allocate(4096);
      const tensor = { offset: 0, count: 64, dtype: "bf16" } as const;
      const args = [8, 8, 8, 0, 0, 0, 1, 1, 0, NANOGPT_FORM_WGMMA];
      const call = device.bind("nanogpt_matmul", memory, [tensor, tensor, tensor], args);
      assertThrows(call, RunError, "compute capability 9.0");
      memory.free();
    },
    FAST,
    "sm80",
  );
});

/** Newton-Schulz on the device, of as many matrices as x holds. */
function newtonSchulz(...of: Parameters<typeof iterated>) {
  return iterated(...of).y;
}

/** The same and, of bf16 products, the bits of the last step's S and P of each matrix, which are symmetric. */
function iterated(
  device: GpuDevice,
  x: Float64Array,
  rows: number,
  cols: number,
  dtype: number,
  form: number,
  steps = 5,
) {
  const batch = x.length / (rows * cols), square = Math.min(rows, cols) ** 2, bytes = x.length * 4;
  const memory = device.allocate(4 * bytes + 2 * batch * square * 4);
  memory.upload(bytes, new Uint8Array(Float32Array.from(x).buffer));
  const tensors = [0, bytes, 2 * bytes].map((offset) => ({ offset, count: x.length, dtype: "f32" } as const));
  device.bind("nanogpt_newton_schulz", memory, tensors, [batch, rows, cols, steps, dtype, form])();
  const y = new Float32Array(x.length), squares = new Uint16Array(2 * batch * square);
  memory.download(0, new Uint8Array(y.buffer));
  // The workspace begins with X twice, in bf16.
  memory.download(2 * bytes + 2 * x.length * 2, new Uint8Array(squares.buffer));
  memory.free();
  return { y: Float64Array.from(y), squares };
}

/** Elements of square matrices that differ from their mirror in any bit. */
function asymmetries(squares: Uint16Array, side: number): number {
  return squares.reduce((sum, bits, at) => {
    const [matrix, row, column] = [at - at % side ** 2, Math.floor(at / side) % side, at % side];
    return sum + Number(bits !== squares[matrix + column * side + row]);
  }, 0);
}

Deno.test("symmetric products on wgmma, of half the tiles, are those of mma.sync and equal their mirror in every bit", () => {
  withDevice((device) => {
    // Sides of three tile rows: boxes below, on and above the diagonal, and rows and columns that stick out.
    for (const [rows, cols] of [[328, 328], [264, 392], [392, 264]] as const) {
      const side = Math.min(rows, cols), x = roughValues(2 * rows * cols, rows + cols);
      const wgmma = iterated(device, x, rows, cols, 1, NANOGPT_FORM_WGMMA, 1);
      assertEquals(asymmetries(wgmma.squares, side), 0);
      assertEquals(wgmma, iterated(device, x, rows, cols, 1, NANOGPT_FORM_MMA, 1));
      const swapped = wgmma.squares.slice();
      [swapped[1], swapped[2]] = [swapped[2] ?? 0, swapped[1] ?? 0];
      assert(asymmetries(swapped, side) > 0);
    }
  });
});

Deno.test("newton_schulz() on mma.sync, one half of each symmetric product, and on wgmma is the simple form's", () => {
  withDevice((device) => {
    for (const [rows, cols] of [[136, 264], [264, 136], [264, 264]] as const) {
      const x = roughValues(rows * cols, rows);
      const precise = newtonSchulz(device, x, rows, cols, 0, NANOGPT_FORM_SIMPLE);
      const simple = newtonSchulz(device, x, rows, cols, 1, NANOGPT_FORM_SIMPLE);
      for (const form of [NANOGPT_FORM_MMA, NANOGPT_FORM_WGMMA]) {
        const fast = newtonSchulz(device, x, rows, cols, 1, form);
        assertClose(fast, precise, { mark: MARKS.bf16.newtonSchulz });
        // The same roundings to bf16 of sums in another order: few of them fall to the other side.
        assertClose(fast, simple, { mark: MARKS.bf16.newtonSchulz / 4 });
      }
    }
  });
});

/** One form after another at these sizes, each under its schedule, on one to three processors. */
function checkWatched(kernelForm: number, name: string, shapes: readonly Sizes[]): void {
  Deno.test(`products on ${name} are right under twenty schedules, with every memory access watched`, () => {
    withRunner(kernelForm, (runner, device) => {
      for (let seed = 1; seed <= 20; seed++) {
        device.schedule(seed, seed % 3 + 1);
        const sizes = shapes[seed % shapes.length] ?? [8, 8, 8];
        checkSizes(runner, sizes, narrowForms(sizes).filter((_, index) => index % 20 === seed % 20));
      }
    }, CHECKED);
  });
}

checkWatched(NANOGPT_FORM_MMA, "mma.sync", [[136, 72, 136], [136, 72, 136], [24, 16, 1032]]);
// One tile of each schedule, six that ping-pong takes in turn, four whose sums share boxes, a cut.
checkWatched(NANOGPT_FORM_WGMMA, "wgmma", [
  [128, 256, 128],
  [136, 264, 136],
  [136, 264, 264],
  [24, 16, 1096],
]);

Deno.test("the simple product and Newton-Schulz are right under schedules, with every memory access watched", () => {
  const sizes: Sizes = [70, 9, 40];
  withRunner(NANOGPT_FORM_SIMPLE, (runner, device) => {
    for (let seed = 1; seed <= 5; seed++) {
      device.schedule(seed, seed % 3 + 1);
      checkSizes(runner, sizes, allForms().filter((_, index) => index % 20 === seed));
    }
    const [rows, cols] = [136, 144];
    const x = roughValues(rows * cols, rows);
    const simple = newtonSchulz(device, x, rows, cols, 1, NANOGPT_FORM_SIMPLE);
    const mma = newtonSchulz(device, x, rows, cols, 1, NANOGPT_FORM_MMA);
    assertClose(mma, simple, { mark: MARKS.bf16.newtonSchulz / 4 });
  }, CHECKED);
});

Deno.test("symmetric products on wgmma are right under schedules, with every memory access watched", () => {
  withDevice((device) => {
    const side = 264, x = roughValues(2 * side * side, side);
    device.schedule(1, 1);
    const simple = newtonSchulz(device, x, side, side, 1, NANOGPT_FORM_SIMPLE, 1);
    for (const seed of [1, 2, 3]) {
      device.schedule(seed, seed);
      const { y, squares } = iterated(device, x, side, side, 1, NANOGPT_FORM_WGMMA, 1);
      assertEquals(asymmetries(squares, side), 0);
      assertClose(y, simple, { mark: MARKS.bf16.newtonSchulz / 4 });
    }
  }, CHECKED);
});
