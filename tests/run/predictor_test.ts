// Prediction over cached keys and values against the whole program, which sees every token at once: the same logits after
// each token, for prompts that fill the window many times over, across documents, and long after the ring of rows has come
// round; on the reference device, on every instruction set and on the emulated GPU.

import { assert, assertEquals } from "@std/assert";
import type { Device } from "../../ffi/device.ts";
import { ReferenceDevice } from "../../ffi/reference/device.ts";
import { RandomStream } from "../../lib/base/random.ts";
import { elementCount } from "../../lib/base/shape.ts";
import { PRESETS } from "../../lib/config/presets.ts";
import { drawNormal } from "../../lib/graph/samples.ts";
import { contextOf, INPUTS, PROMPT_ROWS } from "../../lib/model/gpt.ts";
import { type ModelConfig, parameterSpecs } from "../../lib/model/parameters.ts";
import { type Precision, targetOf } from "../../lib/run/devices.ts";
import { Executor } from "../../lib/run/executor.ts";
import { MARKS } from "../../lib/run/marks.ts";
import { Predictor } from "../../lib/run/predictor.ts";
import { planRun } from "../../lib/run/programs.ts";
import { drawToken, Sampler, SAMPLING_STREAM } from "../../lib/run/sampler.ts";
import { cpuSets, openSet } from "../ffi/cpu_sets.ts";
import { NO_EMULATED, openEmulated } from "../ffi/gpu_devices.ts";

/** Four blocks, so that skips and the mix of values over layers count, and what a token says travels over four windows. */
const MODEL: ModelConfig = {
  ...PRESETS.tiny.values.model,
  layers: 4,
  dim: 32,
  vocab: 61,
  eos: 60,
  window: 24,
};
const SEQUENCE = 48;

/** A text in which the ring, of window + 63 rows, comes round twice; documents begin at its beginning and here. */
const LENGTH = 200;
const DOCUMENTS = [0, 40, 41, 139];
const TEXT = Array.from(
  { length: LENGTH },
  (_, i) => DOCUMENTS.includes(i) ? MODEL.eos : (i * i + 7 * i) % 59,
);

/** Gives every parameter numbers with which all parts of the model matter. */
function fillParameters(executor: Executor, model: ModelConfig): void {
  parameterSpecs(model).forEach(({ name, shape }, i) => {
    const scale = 1 / Math.sqrt(shape.at(-1) ?? 1);
    executor.write(name, drawNormal(new RandomStream(5, i), elementCount(shape), scale));
  });
  executor.refresh();
}

interface Setting {
  readonly device: Device;
  readonly precision: Precision;
  readonly model: ModelConfig;
}

/** The model with its parameters, for one of the programs; the caller closes it. */
function openModel(
  { device, precision, model }: Setting,
  program: { readonly logits?: true; readonly predict?: true },
  sequenceLength = SEQUENCE,
): Executor {
  const sizes = { sequenceLength, deviceBatchSequences: 1 };
  const executor = new Executor(
    planRun({ ...targetOf(device), model, precision, ...sizes, ...program }),
    device,
  );
  fillParameters(executor, model);
  return executor;
}

/** Logits after every token of the text, by the whole program over a sequence of its length. */
function wholeLogits(setting: Setting, text: readonly number[]): Float64Array[] {
  const { model } = setting;
  const executor = openModel(setting, { logits: true }, text.length);
  executor.write(INPUTS.tokens, text);
  executor.run("logits");
  const logits = executor.read("logits");
  executor.close();
  return text.map((_, i) => logits.subarray(i * model.vocab, (i + 1) * model.vocab));
}

/** Logits after the last token of each piece, the pieces given one after the other; `again`: to a second predictor too. */
function piecewiseLogits(
  setting: Setting,
  pieces: readonly (readonly number[])[],
  again = false,
): Float64Array[] {
  const { model } = setting;
  const executor = openModel(setting, { predict: true });
  const run = () => {
    const predictor = new Predictor(executor, { context: contextOf(model, SEQUENCE), eos: model.eos });
    return pieces.map((piece) => predictor.logitsAfter(piece, model.vocab));
  };
  const found = run();
  if (again) assertEquals(run(), found, "a second text, over what the first has left in the caches");
  executor.close();
  return found;
}

/** The text cut into pieces of these lengths and a rest of single tokens, and the index of each piece's last token. */
function cut(text: readonly number[], lengths: readonly number[]): { pieces: number[][]; ends: number[] } {
  const given = lengths.reduce((a, b) => a + b, 0);
  const all = [...lengths, ...Array.from({ length: text.length - given }, () => 1)];
  const ends: number[] = [];
  const pieces = all.map((length) => {
    const begin = (ends.at(-1) ?? -1) + 1;
    ends.push(begin + length - 1);
    return text.slice(begin, begin + length);
  });
  return { pieces, ends };
}

/** Worst ||difference|| / ||logits|| over the pieces' ends. */
function worstDifference(
  found: readonly Float64Array[],
  expected: readonly Float64Array[],
  ends: readonly number[],
) {
  assertEquals(found.length, ends.length);
  const norm = (x: Float64Array) => Math.hypot(...x);
  const differences = found.map((logits, i) => {
    const whole = expected[ends[i] ?? NaN] ?? new Float64Array();
    assertEquals(logits.length, whole.length);
    assert(norm(whole) > 1, "the logits say something");
    return norm(logits.map((x, v) => x - (whole[v] ?? NaN))) / norm(whole);
  });
  const worst = Math.max(...differences);
  assert(Number.isFinite(worst));
  return worst;
}

/** Lengths of prompts and what follows: shorter than a time of prefill, exactly one, several, several prompts in turns. */
const CUTS = [[], [2], [PROMPT_ROWS.prefill], [130], [7, 64, 1, 65, 33]];

Deno.test("the logits are those of the whole program in float64, however the text is cut", () => {
  const setting = { device: new ReferenceDevice(), precision: "fp32", model: MODEL } as const;
  const expected = wholeLogits(setting, TEXT);
  for (const lengths of CUTS) {
    const { pieces, ends } = cut(TEXT, lengths);
    const worst = worstDifference(piecewiseLogits(setting, pieces), expected, ends);
    // Both sum in float64, the cached one over the same terms in the same order.
    assert(worst < 1e-10, `pieces of ${lengths}: ${worst}`);
  }
});

Deno.test("sequences shorter than the window bound what a token sees", () => {
  const device = new ReferenceDevice();
  const text = TEXT.slice(0, 70);
  const setting = { device, precision: "fp32", model: { ...MODEL, window: 1000 } } as const;
  const narrow = { ...setting, model: { ...MODEL, window: SEQUENCE } };
  assertEquals(contextOf(setting.model, SEQUENCE), SEQUENCE);
  const { pieces, ends } = cut(text, [50]);
  assert(worstDifference(piecewiseLogits(setting, pieces), wholeLogits(narrow, text), ends) < 1e-10);
});

Deno.test("the tokens drawn are those that the whole program's logits give for the same seed", () => {
  const setting = { device: new ReferenceDevice(), precision: "fp32", model: MODEL } as const;
  const [whole, cached] = [openModel(setting, { logits: true }), openModel(setting, { predict: true })];
  const sight = { context: contextOf(MODEL, SEQUENCE), eos: MODEL.eos };
  const options = { temperature: 0.8, topK: 20, seed: 3, vocabulary: MODEL.vocab };
  const sampler = new Sampler(new Predictor(cached, sight), options);
  const random = new RandomStream(options.seed, SAMPLING_STREAM);
  const text = TEXT.slice(0, 9);
  let fresh = text.slice();
  for (let i = 0; text.length < SEQUENCE; i++) {
    whole.write(INPUTS.tokens, text);
    whole.run("logits");
    const logits = whole.read("logits", (text.length - 1) * MODEL.vocab, MODEL.vocab);
    fresh = [sampler.next(fresh)];
    assertEquals(fresh, [drawToken(logits, options, random.unit(i))], `token ${i}`);
    text.push(...fresh);
  }
  assert(new Set(text.slice(9)).size > 10, "the draws differ");
  [whole, cached].forEach((executor) => executor.close());
});

/** A device's logits against the reference device's, within the marks of golden files. */
function assertWithinMarks(
  device: Device,
  precision: Precision,
  length: number,
  expected: Float64Array[],
): Float64Array[] {
  const { pieces, ends } = cut(TEXT.slice(0, length), [100]);
  const found = piecewiseLogits({ device, precision, model: MODEL }, pieces, true);
  const worst = worstDifference(found, expected, ends);
  assert(worst < MARKS[precision].logits, `${device.describe().isa} ${precision}: ${worst}`);
  return found;
}

const PRECISIONS = ["fp32", "bf16"] as const;

Deno.test("every instruction set keeps the marks, with the same bits on one thread and on two", () => {
  const expected = wholeLogits({ device: new ReferenceDevice(), precision: "fp32", model: MODEL }, TEXT);
  for (const set of cpuSets()) {
    for (const precision of PRECISIONS) {
      const [one, two] = [1, 2].map((threads) => {
        const device = openSet(set, threads);
        try {
          return assertWithinMarks(device, precision, LENGTH, expected);
        } finally {
          device.close();
        }
      });
      assertEquals(one, two, `${set.isa} ${precision}`);
    }
  }
});

Deno.test({
  name: "the emulated GPU keeps the marks",
  ignore: NO_EMULATED,
  fn() {
    const expected = wholeLogits({ device: new ReferenceDevice(), precision: "fp32", model: MODEL }, TEXT);
    for (const precision of PRECISIONS) {
      const device = openEmulated();
      try {
        assertWithinMarks(device, precision, 120, expected);
      } finally {
        device.close();
      }
    }
  },
});
