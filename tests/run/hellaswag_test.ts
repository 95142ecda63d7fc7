// Answering questions: packed documents keep apart (each ending's losses are those of scoring it alone), choices and
// their errors by hand, and what does not fit. Imports lib/run, the cpu device and data/.

import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { type Question, readQuestions } from "../../data/hellaswag.ts";
import { EOS } from "../../data/tokenizer.ts";
import type { Device } from "../../ffi/device.ts";
import { ReferenceDevice } from "../../ffi/reference/device.ts";
import { compare } from "../../lib/base/compare.ts";
import { RunError, UserError } from "../../lib/base/errors.ts";
import { RandomStream } from "../../lib/base/random.ts";
import { elementCount } from "../../lib/base/shape.ts";
import { type ModelConfig, parameterSpecs } from "../../lib/model/parameters.ts";
import { Executor } from "../../lib/run/executor.ts";
import {
  packQuestions,
  requireFit,
  requireGpt2Tokens,
  type Score,
  scoreQuestions,
} from "../../lib/run/hellaswag.ts";
import { planRun } from "../../lib/run/programs.ts";
import { tokenLosses } from "../../lib/run/validate.ts";
import { ROOT } from "../cli/command.ts";
import { cpuSets, openSet } from "../ffi/cpu_sets.ts";

const SMALL = join(ROOT, "tests", "data", "hellaswag_small.jsonl");

/** A window shorter than the documents, so that it matters where it begins. */
const MODEL: ModelConfig = {
  layers: 2,
  heads: 2,
  dim: 16,
  vocab: 50304,
  window: 8,
  eos: EOS,
  softcap: 30,
  ropeBase: 10000,
  normEps: 2 ** -7,
};

/** An executor for sequences of `rows` tokens in fp32 (float64 on the reference device); its parameters are zeros. */
function emptyModel(device: Device, rows: number, model = MODEL): Executor {
  const plan = planRun({
    model,
    kind: device.kind,
    precision: "fp32",
    sequenceLength: rows,
    deviceBatchSequences: 1,
    evaluate: true,
  });
  return new Executor(plan, device);
}

/** Its parameters drawn, none zero: as from a trained model. */
function drawnModel(device: Device, rows: number): Executor {
  const executor = emptyModel(device, rows);
  const random = new RandomStream(7, 0);
  // Drawn once, of a prime length, so that no two rows of a parameter are the same.
  const values = Float32Array.from({ length: 10007 }, (_, i) => 0.6 * random.unit(i) - 0.3);
  for (const { name, shape } of parameterSpecs(MODEL)) {
    const count = elementCount(shape);
    for (let first = 0; first < count; first += values.length) {
      executor.write(name, values.subarray(0, Math.min(values.length, count - first)), first);
    }
  }
  executor.refresh();
  return executor;
}

/** The losses of an ending's tokens, its document alone in a sequence; eos fills the rest. */
function lossesAlone(
  executor: Executor,
  rows: number,
  context: readonly number[],
  ending: readonly number[],
) {
  const document = [EOS, ...context, ...ending];
  const tokens = new Int32Array(rows).fill(EOS);
  const targets = new Int32Array(rows).fill(EOS);
  tokens.set(document.slice(0, -1));
  targets.set(document.slice(1));
  return tokenLosses(executor, { tokens, targets }).slice(context.length, document.length - 1);
}

Deno.test("packed endings have the losses of endings alone, on every instruction set in fp32", async () => {
  const questions = await readQuestions(SMALL, 8);
  for (const set of cpuSets().filter(({ simulated }) => !simulated)) {
    const device = openSet(set, 2);
    const [packed, alone] = [drawnModel(device, 256), drawnModel(device, 40)];
    try {
      let endings = 0, longest = 0;
      for (const pack of packQuestions(questions, 256)) {
        assert(pack.endings.length > 2 || endings > 25, "many documents share a sequence");
        const losses = tokenLosses(packed, pack);
        for (const { question, ending, first, count } of pack.endings) {
          const { context = [], endings: texts = [] } = questions[question] ?? {};
          const text = texts[ending] ?? [];
          assertEquals(count, text.length);
          const found = losses.slice(first, first + count);
          // Other rotary positions and other tiles: rounding alone, 1e-7 relative in some hundred operations.
          const result = compare(found, lossesAlone(alone, 40, context, text), { absolute: 1e-4 });
          assert(result.pass, `${set.isa}, question ${question} ending ${ending}: ${result.reason}`);
          endings++;
          longest = Math.max(longest, context.length + text.length);
        }
      }
      assertEquals(endings, 32);
      assert(longest > MODEL.window * 2, "the window cuts documents off");
    } finally {
      packed.close();
      alone.close();
      device.close();
    }
  }
});

Deno.test("and those of the reference device in float64", async () => {
  const questions = (await readQuestions(SMALL, 1)).map((question) => ({
    ...question,
    endings: question.endings.slice(2),
  }));
  const [set] = cpuSets();
  assert(set);
  const [device, reference] = [openSet(set, 1), new ReferenceDevice()];
  const [packed, alone] = [drawnModel(device, 64), drawnModel(reference, 32)];
  const [pack] = packQuestions(questions, 64);
  assert(pack);
  const losses = tokenLosses(packed, pack);
  for (const { ending, first, count } of pack.endings) {
    const { context = [], endings = [] } = questions[0] ?? {};
    const expected = lossesAlone(alone, 32, context, endings[ending] ?? []);
    const result = compare(losses.slice(first, first + count), expected, { absolute: 1e-4 });
    assert(result.pass, result.reason);
  }
  packed.close();
  alone.close();
  device.close();
});

const question = (context: number[], endings: number[][], label = 0): Question => ({
  place: "f.jsonl line 7",
  context,
  endings,
  label,
});

Deno.test("packing: documents in order, none torn, eos behind the last, targets of their own", () => {
  const questions = [
    question([1, 2], [[3], [4, 5], [6], [7]]),
    question([8], [[9, 10, 11, 12], [13], [14], [15]]),
  ];
  const packs = [...packQuestions(questions, 7)];
  const E = EOS;
  assertEquals(packs.map(({ tokens }) => [...tokens]), [
    [E, 1, 2, E, 1, 2, 4],
    [E, 1, 2, E, 1, 2, E],
    [E, 8, 9, 10, 11, E, 8],
    [E, 8, E, 8, E, E, E],
  ]);
  assertEquals(packs.map(({ targets }) => [...targets]), [
    [1, 2, 3, 1, 2, 4, 5],
    [1, 2, 6, 1, 2, 7, E],
    [8, 9, 10, 11, 12, 8, 13],
    [8, 14, 8, 15, E, E, E],
  ]);
  assertEquals(packs.map(({ used }) => used), [7, 6, 7, 4]);
  const scored = packs.flatMap(({ targets, endings }) =>
    endings.map(({ question, ending, first, count }) => [
      question,
      ending,
      [...targets.slice(first, first + count)],
    ])
  );
  assertEquals(
    scored,
    questions.flatMap(({ endings }, q) => endings.map((ending, e) => [q, e, ending])),
  );
});

/** Answers of a model that gives token t the loss t, and 13 none, whatever comes before: the executor is posed. */
function scoreByToken(questions: readonly Question[]): Score {
  const device = new ReferenceDevice();
  const executor = emptyModel(device, 16, { ...MODEL, vocab: 16 });
  let targets: number[] = [];
  executor.write = (name, values) => {
    if (name === "targets") targets = [...Array.from(values)];
  };
  executor.run = () => true;
  executor.read = () => Float64Array.from(targets, (token) => token === 13 ? NaN : token);
  const shares: number[] = [];
  const score = scoreQuestions(executor, questions, 16, (share) => shares.push(share));
  executor.close();
  assertEquals(shares.at(-1), 1);
  return score;
}

Deno.test("the choice is that of the least mean loss; unnormalised, of the least sum", () => {
  // Means 2, 3, 5, 6; sums 6, 3, 5, 6: by mean the first, by sum the second.
  const endings = [[2, 2, 2], [3], [5], [6]];
  const score = scoreByToken([
    question([1], endings, 0),
    question([1], endings, 0),
    question([1], endings, 1),
    question([1, 1, 1], endings, 3),
  ]);
  assertEquals(score.questions, 4);
  assertEquals([score.accuracy, score.unnormalisedAccuracy], [0.5, 0.25]);
  assertAlmostEquals(score.standardError, Math.sqrt(0.5 * 0.5 / 4), 1e-15);
  assertAlmostEquals(score.unnormalisedStandardError, Math.sqrt(0.25 * 0.75 / 4), 1e-15);
  assertEquals(score.tokens, 3 * (4 * 1 + 6) + (4 * 3 + 6));
  // Of equal ones the first counts.
  assertEquals(scoreByToken([question([1], [[2], [2], [2], [2]], 0)]).accuracy, 1);
  assertEquals(scoreByToken([question([1], [[2], [2], [2], [2]], 3)]).accuracy, 0);
  assertThrows(
    () => scoreByToken([question([1], [[13], [2], [2], [2]])]),
    RunError,
    "A loss of the question at f.jsonl line 7 is not finite; use an earlier checkpoint",
  );
});

Deno.test("a question longer than a sequence, and a model of another tokenizer, are refused", () => {
  const long = question([1, 2, 3], [[4], [5, 6, 7, 8, 9], [10], [11]]);
  requireFit([long], 8);
  assertEquals([...packQuestions([long], 8)].length, 3);
  const refused =
    "f.jsonl line 7 is too long: context and longest ending take 8 tokens, a sequence of this model " +
    "holds 7; leave the question out, or train with a larger data.sequenceLength";
  assertThrows(() => requireFit([question([1], [[1], [2], [3], [4]]), long], 7), UserError, refused);
  requireGpt2Tokens({ vocab: 50257, eos: EOS });
  for (const model of [{ vocab: 50256, eos: EOS }, { vocab: 50304, eos: 0 }]) {
    assertThrows(() => requireGpt2Tokens(model), UserError, "The questions are GPT-2's tokens: they need");
  }
});
