// Golden files that are malformed: each is refused with a UserError that names the file and what is wrong with it, before
// anything is computed.

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { UserError } from "../../lib/base/errors.ts";
import { type StoredTensor, writeSafetensors } from "../../lib/base/safetensors.ts";
import { parameterSpecs } from "../../lib/model/parameters.ts";
import { PRESETS } from "../../lib/config/presets.ts";
import { readGolden } from "../../lib/run/golden_file.ts";

const MODEL = { ...PRESETS.tiny.values.model, dim: 4, heads: 2, vocab: 5, eos: 4, window: 3, layers: 2 };
const { optim, schedule } = PRESETS.tiny.values;
const [T, MICROBATCHES, STEPS] = [6, 2, 3];

const METADATA: Readonly<Record<string, string>> = {
  model: JSON.stringify(MODEL),
  optim: JSON.stringify({ ...optim, ...schedule }),
  sequenceLength: String(T),
  microbatches: String(MICROBATCHES),
  seed: "7",
};

/** The tensors of a well-formed file, all zero. */
const TENSORS: readonly StoredTensor[] = [
  { name: "tokens", dtype: "I32", shape: [MICROBATCHES, T] },
  { name: "targets", dtype: "I32", shape: [MICROBATCHES, T] },
  { name: "loss", dtype: "F64", shape: [1] },
  { name: "logits", dtype: "F32", shape: [T, MODEL.vocab] },
  ...parameterSpecs(MODEL).flatMap(({ name, shape }) =>
    ["param", "grad", "final"].map((kind): StoredTensor => ({ name: `${kind}.${name}`, dtype: "F32", shape }))
  ),
  { name: "train.tokens", dtype: "I32", shape: [STEPS, MICROBATCHES * T + 1] },
  { name: "train.loss", dtype: "F64", shape: [STEPS] },
];

const FOLDER = Deno.makeTempDirSync({ prefix: "nanogpt-golden-" });
globalThis.addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));

let files = 0;

/** Writes a file of zeros but for `first`, the first byte of each tensor; returns its path. */
function write(
  tensors: readonly StoredTensor[],
  metadata: Readonly<Record<string, string>>,
  first = 0,
): string {
  const path = join(FOLDER, `${files++}.safetensors`);
  using file = Deno.openSync(path, { write: true, create: true });
  const zeros = tensors.map((tensor) => ({
    ...tensor,
    read: (offset: number, target: Uint8Array) => {
      target.fill(0);
      if (offset === 0) target[0] = first;
    },
  }));
  writeSafetensors(zeros, (bytes) => file.writeSync(bytes), metadata);
  return path;
}

Deno.test("a well-formed file is read, with runs in the two shapes that are about", () => {
  const golden = readGolden(write(TENSORS, METADATA));
  assert(golden.kind === "model");
  assertEquals(golden.model, MODEL);
  assertEquals([golden.optim, golden.schedule], [optim, schedule]);
  assertEquals([golden.sequenceLength, golden.microbatches, golden.seed, golden.runSteps], [6, 2, 7, 3]);
  assertEquals(golden.tensors.has("final.head.weight"), false);
  const without = TENSORS.filter(({ name }) => !name.startsWith("train."));
  const short = readGolden(write(without, METADATA));
  assert(short.kind === "model");
  assertEquals(short.runSteps, 0);
});

type Change = (tensors: StoredTensor[]) => StoredTensor[];

const drop = (name: string): Change => (tensors) => tensors.filter((tensor) => tensor.name !== name);
const reshape = (name: string, shape: readonly number[]): Change => (tensors) =>
  tensors.map((tensor) => tensor.name === name ? { ...tensor, shape } : tensor);

Deno.test("a file whose tensors do not fit its model is refused", () => {
  const cases: readonly (readonly [Change, string])[] = [
    [drop("tokens"), "lacks tokens, expected shape 2x6"],
    [drop("param.head.weight"), "lacks param.head.weight, expected shape 5x4"],
    [reshape("param.head.weight", [4, 5]), "has param.head.weight of shape 4x5, expected shape 5x4"],
    [reshape("targets", [12]), "has targets of shape 12, expected shape 2x6"],
    [drop("train.loss"), "train.loss missing"],
    [drop("train.tokens"), "train.tokens is missing"],
    [reshape("train.tokens", [3, 12]), "expected 13 tokens for each loss"],
    [(tensors) => [...tensors, { name: "more", dtype: "F32", shape: [1] }], "unknown tensor more"],
    [
      (tensors) => [...tensors, { name: "param.more", dtype: "F32", shape: [1] }],
      "unknown tensor param.more",
    ],
    [() => [], "lacks tokens"],
  ];
  for (const [change, expected] of cases) {
    const path = write(change([...TENSORS]), METADATA);
    const error = assertThrows(() => readGolden(path), UserError);
    assertStringIncludes(error.message, path);
    assertStringIncludes(error.message, expected);
  }
});

Deno.test("a token beyond the vocabulary is refused", () => {
  assertThrows(() => readGolden(write(TENSORS, METADATA, 5)), UserError, "tokens holds 5 at 0");
});

Deno.test("metadata that is missing, no JSON, unknown, or breaks a rule is refused", () => {
  const without = (key: string) =>
    Object.fromEntries(Object.entries(METADATA).filter(([name]) => name !== key));
  const model = (change: Record<string, unknown>) => ({
    ...METADATA,
    model: JSON.stringify({ ...MODEL, ...change }),
  });
  const cases: readonly (readonly [Record<string, string>, string])[] = [
    [without("model"), "lacks model"],
    [without("seed"), "seed missing"],
    [{ ...METADATA, model: "{" }, "model that is no JSON"],
    [{ ...METADATA, optim: "[]" }, "optim that is no JSON object"],
    [{ ...METADATA, sequenceLength: "0" }, "sequenceLength 0, expected a whole number from 1"],
    [{ ...METADATA, microbatches: "two" }, "microbatches two"],
    [model({ dim: "four" }), "model.dim: expected a whole number"],
    [model({ width: 4 }), "width"],
    [model({ layers: undefined }), "model.layers"],
    [model({ heads: 3 }), "a multiple of model.heads (3)"],
    [model({ eos: 5 }), "a token below model.vocab (5)"],
  ];
  for (const [metadata, expected] of cases) {
    const path = write(TENSORS, metadata);
    const error = assertThrows(() => readGolden(path), UserError);
    assertStringIncludes(error.message, path);
    assertStringIncludes(error.message, expected);
  }
});

Deno.test("malformed Newton-Schulz cases are refused", () => {
  const tensor = (name: string, shape: number[]): StoredTensor => ({ name, dtype: "F32", shape });
  const golden = readGolden(write([tensor("in.0", [2, 3]), tensor("out.0", [2, 3])], { steps: "5" }));
  assert(golden.kind === "newton-schulz");
  assertEquals([golden.steps, golden.cases.length], [5, 1]);
  const cases: readonly (readonly [StoredTensor[], Record<string, string>, string])[] = [
    [[tensor("in.0", [2, 3]), tensor("out.0", [2, 3])], {}, "steps missing"],
    [[tensor("in.0", [2, 3]), tensor("out.1", [2, 3])], { steps: "5" }, "lacks out.0"],
    [[tensor("in.0", [6]), tensor("out.0", [6])], { steps: "5" }, "in.0 has shape 6, expected a matrix"],
  ];
  for (const [tensors, metadata, expected] of cases) {
    assertThrows(() => readGolden(write(tensors, metadata)), UserError, expected);
  }
});

Deno.test("malformed files of starting values are refused", () => {
  const path = join(FOLDER, "initial.json");
  for (
    const [text, expected] of [
      ["", "Cannot read"],
      ["{}", "no list of starting values"],
      ["[]", "no list of starting values"],
      ["[1]", "entry 0 is no object"],
      ['[{"index": 0, "name": "x", "shape": [1]}]', "entry 0 lacks one of index, name, shape, first"],
    ] as const
  ) {
    Deno.writeTextFileSync(path, text);
    const error = assertThrows(() => readGolden(path), UserError, expected);
    assertStringIncludes(error.message, path);
  }
  assertThrows(() => readGolden(join(FOLDER, "missing.json")), UserError, "missing.json");
});

Deno.test("what is no safetensors file, cut short or missing is refused", () => {
  const whole = write(TENSORS, METADATA);
  const bytes = Deno.readFileSync(whole);
  const cut = join(FOLDER, "cut.safetensors");
  Deno.writeFileSync(cut, bytes.subarray(0, bytes.length - 1));
  assertThrows(() => readGolden(cut), UserError, "cut short");
  assertThrows(() => readGolden(join(FOLDER, "missing.safetensors")), UserError, "does not exist");
  assertThrows(() => readGolden(FOLDER), UserError, "a folder");
});
