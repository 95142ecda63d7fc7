// Attention of one head of width 128 over one long sequence, there and back in the forms on wgmma, with documents of natural
// length: an emulated GPU's results held against the CPU's float32 kernels on the same inputs, as the reference device would take
// hours. For tests only: those of `make test` take thousands of tokens, `make soak` the record's 65,536.

import type { Device } from "../../ffi/device.ts";
import { at, type Attrs } from "../../lib/graph/node.ts";
import type { FormName } from "../../lib/graph/op.ts";
import { OPS } from "../../lib/graph/ops.ts";
import { drawNormal, streamOf } from "../../lib/graph/samples.ts";
import { DOCUMENTS } from "../../lib/plan/visited_keys.ts";
import { runCase } from "../../lib/run/check_ops.ts";
import { decodeValues, encodeValues } from "../../lib/run/executor.ts";
import { interpretOp } from "../../lib/run/interpret.ts";
import type { Weighed } from "../../lib/run/op_tolerances.ts";
import { judgeRows } from "./attention_rows.ts";

const D = 128, WINDOW = 1024, EOS = 0, OTHER = 1;
const PLAIN = { kind: "plain" } as const;

type AttentionOp = "attention" | "attentionGrad";

/** Forms of each op, in order: the first one's results are inputs of the second. */
const CALLS: readonly [AttentionOp, readonly FormName[]][] = [
  ["attention", ["wgmma"]],
  ["attentionGrad", ["wgmma", "wgmmaAdd"]],
];

/** How one op came out in one form. */
export interface LongOutcome {
  readonly op: AttentionOp;
  readonly form: FormName;
  /** Largest difference as a share of what is allowed. */
  readonly worst: number;
  readonly problems: readonly string[];
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** Tokens of documents, one behind another, whose lengths are drawn as the projection assumes them. */
function drawTokens(T: number): Float64Array {
  const { meanTokens, logDeviation } = DOCUMENTS;
  const tokens = new Float64Array(T).fill(OTHER);
  const lengths = drawNormal(streamOf({ op: "attentionStart", index: 0 }, 1), T)
    .map((z) => Math.ceil(meanTokens * Math.exp(logDeviation * z - logDeviation ** 2 / 2)));
  let first = 0;
  for (let i = 0; first < T; first += lengths[i++] ?? T) tokens[first] = EOS;
  return tokens;
}

function rounded(x: Float64Array): Float64Array {
  const type = { shape: [x.length], dtype: "bf16" } as const;
  return decodeValues(type, Uint8Array.from(encodeValues(type, x)));
}

/** A call over these tensors, in float32 or bf16; nothing is expected of it yet. */
function callOf(
  op: AttentionOp,
  dtype: "f32" | "bf16",
  T: number,
  tensors: Map<string, Float64Array>,
): Weighed {
  const attrs: Attrs = { T, heads: 1, window: WINDOW };
  const draw = { kind: "normal", scale: 1 } as const;
  const inputs = OPS[op].inputs.map((name) => {
    if (name === "start") return { shape: [T], dtype: "i32", draw } as const;
    if (name === "lse") return { shape: [T, 1], dtype: "f32", draw } as const;
    return { shape: [T, D], dtype, draw } as const;
  });
  return {
    case: { op, index: 0, inputs, outputs: OPS[op].infer(inputs, attrs), attrs },
    inputs: OPS[op].inputs.map((name) => tensors.get(name) ?? new Float64Array()),
    expected: [],
  };
}

function timed<T>(work: () => T): [T, number] {
  const started = performance.now();
  const result = work();
  return [result, (performance.now() - started) / 1000];
}

/** Runs both ops over a sequence of `T` tokens on the emulated GPU in each form on wgmma, and in float32 on the CPU. */
export function checkLongAttention(emulated: Device, cpu: Device, T: number): LongOutcome[] {
  const tokens = { shape: [T], dtype: "i32" } as const;
  const start = at(
    interpretOp("attentionStart", { T, window: WINDOW, eos: EOS }, [tokens], [drawTokens(T)]),
    0,
  );
  const tensors = new Map([["start", start]]);
  ["dy", "q", "k", "v"].forEach((name, i) =>
    tensors.set(name, rounded(drawNormal(streamOf({ op: "attention", index: 0 }, 16 + i), T * D)))
  );
  return CALLS.flatMap(([op, forms]) => {
    const exact = callOf(op, "f32", T, tensors);
    const [reference, cpuSeconds] = timed(() => runCase(cpu, exact, PLAIN));
    const expected = reference.outputs.map((bytes, o) => decodeValues(at(exact.case.outputs, o), bytes));
    const narrow = { ...callOf(op, "bf16", T, tensors), expected };
    if (op === "attention") {
      tensors.set("y", rounded(at(expected, 0)));
      tensors.set("lse", at(expected, 1));
    }
    return forms.map((form) => {
      const [outcome, seconds] = timed(() => runCase(emulated, narrow, PLAIN, form));
      return { op, form, ...judgeRows(narrow, outcome), seconds, cpuSeconds };
    });
  });
}
