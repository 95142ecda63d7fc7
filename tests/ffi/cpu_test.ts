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
