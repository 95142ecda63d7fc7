// The simple ops on the emulated GPU where the op samples do not reach: sums over many blocks, runs of equal tokens over many
// chunks, rows too wide for registers, sequences of several tiles, against the float64 reference device and with the same
// bits on any number of processors; addresses that hold no packs; numbers outside what they number.

import { assertEquals, assertThrows } from "@std/assert";
import { RunError } from "../../lib/base/errors.ts";
import type { DType } from "../../lib/base/dtype.ts";
import type { Shape } from "../../lib/base/shape.ts";
import type { Attrs, TensorType } from "../../lib/graph/node.ts";
import type { OpName } from "../../lib/graph/op.ts";
import { OPS } from "../../lib/graph/ops.ts";
import { type Case, drawNormal, streamOf } from "../../lib/graph/samples.ts";
import { judge, runCase, weigh } from "../../lib/run/check_ops.ts";
import { encodeValues } from "../../lib/run/executor.ts";
import { NO_EMULATED, openEmulated } from "./gpu_devices.ts";

type Input = Case["inputs"][number];

const normal = (dtype: DType, ...shape: Shape): Input => ({
  shape,
  dtype,
  draw: { kind: "normal", scale: 1 },
});
const ids = (count: number, below: number, eos?: number, share?: number): Input => ({
  shape: [count],
  dtype: "i32",
  draw: { kind: "ids", below, ...(eos === undefined ? {} : { eos, share: share ?? 0 }) },
});

function made(op: OpName, inputs: readonly Input[], attrs: Attrs): Case {
  return { op, index: 50, inputs, outputs: OPS[op].infer(inputs, attrs), attrs };
}

/** Above 32 sorted positions a chunk, 2048 rows or positions a tile, 4096 elements a block's sum, 1024 a row in registers. */
const CASES: readonly Case[] = [
  made("mixGrad", [normal("bf16", 9001), normal("bf16", 9001), normal("bf16", 9001), normal("f32", 2)], {
    form: 0,
    index: 0,
  }),
  made("rmsNormGrad", [normal("bf16", 3, 3072), normal("bf16", 3, 3072)], { width: 3072, eps: 1e-7 }),
  made("mixGradAddBoth", [
    ...Array.from({ length: 3 }, () => normal("bf16", 9001)),
    normal("f32", 1),
    normal("bf16", 9001),
    normal("bf16", 9001),
  ], { form: 1, index: 0 }),
  made("rmsNormGradAdd", Array.from({ length: 3 }, () => normal("bf16", 3, 3072)), {
    width: 3072,
    eps: 1e-7,
  }),
  made("normRope", [normal("bf16", 6, 2 * 256), normal("f32", 3, 256)], { T: 3, heads: 2, eps: 1e-7 }),
  made("normRopeGrad", [
    ...[normal("bf16", 6, 2 * 256), normal("bf16", 6, 2 * 256)],
    ...[normal("f32", 6, 2), normal("f32", 3, 256)],
  ], { T: 3, heads: 2 }),
  made("embedGrad", [normal("f32", 2101, 12), ids(2101, 5)], { V: 300, accumulate: 0 }),
  made("embedGrad", [normal("bf16", 1500, 24), ids(1500, 1)], { V: 70000, accumulate: 0 }),
  made("attentionStart", [ids(9000, 5000, 7, 0.0005)], { T: 4500, window: 4400, eos: 7 }),
  made("crossEntropyGrad", [normal("f32", 2, 5004), ids(2, 5004), normal("f32", 2)], {}),
  made("frobeniusNormalise", [normal("f32", 9001)], { eps: 1e-7, dtype: "bf16" }),
];

Deno.test({
  name: "large shapes agree with the reference, whatever the number of processors",
  ignore: NO_EMULATED,
  fn() {
    for (const c of CASES) {
      const w = weigh(c);
      const outcomes = [1, 2, 7].map((processors) => {
        const device = openEmulated({ processors });
        try {
          return runCase(device, w, { kind: "plain" });
        } finally {
          device.close();
        }
      });
      for (const outcome of outcomes) {
        assertEquals(judge(w, { kind: "plain" }, outcome).problems, [], c.op);
        assertEquals(outcome.outputs, outcomes[0]?.outputs, `${c.op}: the same bits`);
      }
    }
  },
});

/** Calls a function of the ABI on tensors that begin `shift` elements behind a multiple of 256; the first is the output. */
function callAt(
  shift: number,
  symbol: string,
  tensors: readonly TensorType[],
  inputs: number[][],
  args: number[],
) {
  const device = openEmulated();
  const bytes = tensors.map(({ shape, dtype }) =>
    shape.reduce((a, b) => a * b, 1) * (dtype === "bf16" ? 2 : 4)
  );
  const memory = device.allocate(4096 * tensors.length);
  try {
    const refs = tensors.map(({ shape, dtype }, i) => ({
      offset: 4096 * i + shift * (dtype === "bf16" ? 2 : 4),
      count: shape.reduce((a, b) => a * b, 1),
      dtype,
    }));
    inputs.forEach((numbers, i) => {
      const [type, ref] = [tensors[i + 1], refs[i + 1]];
      if (type && ref) memory.upload(ref.offset, encodeValues(type, numbers));
    });
    device.bind(symbol, memory, refs, args)();
    const found = new Uint8Array(bytes[0] ?? 0);
    memory.download(refs[0]?.offset ?? 0, found);
    return found;
  } finally {
    memory.free();
    device.close();
  }
}

Deno.test({
  name: "an address that is no multiple of 16 gives the same as one that is",
  ignore: NO_EMULATED,
  fn() {
    for (const dtype of ["f32", "bf16"] as const) {
      const rows: TensorType = { shape: [7, 64], dtype };
      const x = [...drawNormal(streamOf({ op: "add", index: 51 }, 0), 7 * 64)];
      const code = dtype === "bf16" ? 1 : 0;
      const calls: [string, TensorType[], number[][], number[]][] = [
        ["nanogpt_add", [rows, rows, rows], [x, x.toReversed()], [7 * 64, code]],
        ["nanogpt_rms_norm", [rows, rows], [x], [7, 64, code, 1e-7]],
        ["nanogpt_embed", [rows, { shape: [7, 64], dtype: "f32" }, { shape: [7], dtype: "i32" }], [x, [
          6,
          0,
          3,
          3,
          1,
          2,
          5,
        ]], [7, 64, 7, code]],
      ];
      for (const [symbol, tensors, inputs, args] of calls) {
        const aligned = callAt(0, symbol, tensors, inputs, args);
        assertEquals(callAt(1, symbol, tensors, inputs, args), aligned, `${symbol} ${dtype}`);
      }
    }
  },
});

Deno.test({
  name: "a number outside what it numbers is told by the next download",
  ignore: NO_EMULATED,
  fn() {
    const real = (...shape: Shape): TensorType => ({ shape, dtype: "f32" });
    const whole = (count: number): TensorType => ({ shape: [count], dtype: "i32" });
    const x = [...drawNormal(streamOf({ op: "embed", index: 51 }, 0), 21)];
    const calls: [RegExp, string, TensorType[], number[][], number[]][] = [
      [/token outside 0\.\.6: found 7 at position 1/, "nanogpt_embed", [real(3, 3), real(7, 3), whole(3)], [
        x,
        [
          1,
          7,
          2,
        ],
      ], [3, 3, 7, 0]],
      [
        /token outside 0\.\.6: found -1 at position 2/,
        "nanogpt_embed_grad",
        [real(7, 3), real(3, 3), whole(3)],
        [x.slice(0, 9), [1, 6, -1]],
        [3, 3, 7, 0, 0],
      ],
      [
        /row index outside 0\.\.2: found 3 at position 0/,
        "nanogpt_select_row",
        [
          real(1, 7),
          real(3, 7),
          whole(1),
        ],
        [x, [3]],
        [3, 7, 0],
      ],
      [
        /target outside 0\.\.6: found 65536 at position 1/,
        "nanogpt_cross_entropy",
        [
          real(3),
          real(3, 7),
          whole(3),
        ],
        [x, [6, 65536, 0]],
        [3, 7],
      ],
    ];
    for (const [told, symbol, tensors, inputs, args] of calls) {
      const error = assertThrows(() => callAt(0, symbol, tensors, inputs, args), RunError, "A kernel met a");
      assertEquals(told.test(error.message), true, error.message);
    }
  },
});
