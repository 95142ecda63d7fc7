// What the CPU device refuses before a kernel runs: arguments that their C type would cut, and shapes beyond 32 bits.

import { assertThrows } from "@std/assert";
import type { CpuDevice } from "../../ffi/cpu.ts";
import type { TensorRef } from "../../ffi/device.ts";
import { InternalError, RunError } from "../../lib/base/errors.ts";
import { cpuSets, openSet } from "./cpu_sets.ts";

const SETS = cpuSets();
const TENSOR: TensorRef = { offset: 0, count: 16, dtype: "f32" };

/** Gives `body` a device of the first set, and a way to bind over up to five tensors of 16 elements. */
function withDevice(body: (bind: (symbol: string, args: number[], tensors?: number) => () => void) => void) {
  const [set] = SETS;
  if (set === undefined) throw new Error("no library, so the test should have been left out");
  const device: CpuDevice = openSet(set, 1);
  const memory = device.allocate(320);
  try {
    body((symbol, args, tensors = 3) =>
      device.bind(
        symbol,
        memory,
        Array.from({ length: tensors }, (_, i) => ({ ...TENSOR, offset: 64 * i })),
        args,
      )
    );
  } finally {
    memory.free();
    device.close();
  }
}

Deno.test("bind() refuses whole numbers that do not fit their type, naming function and argument", {
  ignore: SETS.length === 0,
}, () =>
  withDevice((bind) => {
    bind("nanogpt_add", [16, 0])(); // fits: context, three addresses, count, dtype
    for (const count of [2 ** 32, -1, 1.5, NaN, Infinity]) {
      assertThrows(
        () => bind("nanogpt_add", [count, 0]),
        InternalError,
        `nanogpt_add: argument 5 of 6 is ${count}, expected a whole number from 0 to 4294967295`,
      );
    }
    bind("nanogpt_fill", [16, 0, 1.5], 1)(); // scalars are doubles: no such limit
    assertThrows(() => bind("nanogpt_add", [16]), InternalError, "takes 6 arguments, the op table gives 5");
    assertThrows(() => bind("nanogpt_nothing", []), InternalError, "has no function nanogpt_nothing");
  }));

Deno.test(
  "newton_schulz refuses matrices of more elements than 32 bits count, nesterov a slot that is not there",
  {
    ignore: SETS.length === 0,
  },
  () =>
    withDevice((bind) => {
      const said = "expected batch of at most 65535 and batch*rows*cols of at most 4294967295, found ";
      for (const [batch, rows, cols] of [[1, 65536, 65536], [65536, 2, 2], [65535, 256, 257]] as const) {
        const call = bind("nanogpt_newton_schulz", [batch, rows, cols, 5, 0, 0]);
        assertThrows(call, RunError, `Kernel newton_schulz: ${said}${batch}*${rows}*${cols}`);
      }
      const noSlot = "Kernel nesterov: expected slot below slots 3, found 3";
      assertThrows(bind("nanogpt_nesterov", [16, 0, 3, 3], 5), RunError, noSlot);
    }),
);

Deno.test(
  "attention over a ring refuses a mask that reaches further back than the ring, and a position below 0",
  {
    ignore: SETS.length === 0,
  },
  () => {
    const [set] = SETS;
    if (set === undefined) throw new Error("no library, so the test should have been left out");
    const device = openSet(set, 1);
    const memory = device.allocate(512);
    try {
      // Two queries of one head of width 2, a ring of 4 rows.
      const tensors = ["f32", "f32", "f32", "f32", "i32", "i32"] as const;
      const refs = tensors.map((dtype, i) => ({ offset: 64 * i, count: dtype === "i32" ? 2 : 8, dtype }));
      const call = device.bind("nanogpt_attention_cached", memory, refs, [2, 4, 1, 2, 0]);
      const attend = (position: number, ...start: number[]) => {
        memory.upload(256, new Uint8Array(Int32Array.from(start).buffer));
        memory.upload(320, new Uint8Array(Int32Array.of(position).buffer));
        call();
      };
      attend(6, 4, 7);
      assertThrows(() => attend(6, 3, 7), RunError, "expected start[0] in 4..6, found 3");
      assertThrows(() => attend(6, 5, 4), RunError, "expected start[1] in 5..7, found 4");
      assertThrows(() => attend(6, 4, 8), RunError, "expected start[1] in 4..7, found 8");
      assertThrows(
        () => attend(-1, 0, 0),
        RunError,
        "expected a position of 2 rows in 0..2147483647, found -1",
      );
    } finally {
      memory.free();
      device.close();
    }
  },
);
