// nanogpt eval --hellaswag as a user drives it: a model that has learnt the right endings answers the questions, in text
// and in JSON, on two devices; a file that is malformed, empty or has a question longer than the model's sequences.

import { assert, assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { encode, EOS } from "../../data/tokenizer.ts";
import { putShard } from "../data/helpers.ts";
import { ROOT } from "./command.ts";
import { inRunFolder, mustRun, run, trainArgs } from "./small_run.ts";

const SMALL = join(ROOT, "tests", "data", "hellaswag_small.jsonl");

/** Trains on each context with its right ending, over and over; returns the run's folder. */
async function trainOnAnswers(folder: string): Promise<string> {
  const lines = (await Deno.readTextFile(SMALL)).trimEnd().split("\n").map((line) => JSON.parse(line));
  const once = lines.flatMap(({ ctx, endings, label }) => [EOS, ...encode(`${ctx} ${endings[label]}`)]);
  const tokens = Array.from({ length: 40 * 128 + 1 }, (_, i) => once[i % once.length] ?? EOS);
  const values = {
    "model.vocab": 50304,
    "model.eos": EOS,
    "data.sequenceLength": 32,
    "data.train": await putShard(folder, "answers.bin", tokens),
    "data.val": await putShard(folder, "answers_val.bin", tokens),
    "data.valTokens": 32,
    "schedule.steps": 40,
  };
  const out = join(folder, "answers");
  await mustRun([...trainArgs(folder, values), "--out", out]);
  return out;
}

/** Files that are no questions for the model of the run `out`. */
async function refusals(folder: string, out: string): Promise<void> {
  const path = join(folder, "questions.jsonl");
  const question = { ctx: "word ".repeat(31), endings: ["a", "b", "c", "d"], label: 1 };
  const cases: [string, RegExp][] = [
    ["", /^.*questions\.jsonl holds no question; expected HellaSwag's \.jsonl, one object a line\n$/],
    [
      "{}\n",
      /^.*questions\.jsonl line 1 must have a field "ctx" that is a string; it has none\n$/,
    ],
    [
      JSON.stringify(question),
      /^.*questions\.jsonl line 1 is too long: .* take 33 tokens, .* holds 32; leave/,
    ],
  ];
  for (const [text, said] of cases) {
    await Deno.writeTextFile(path, text);
    const { code, stdout, stderr } = await run(["eval", out, "--hellaswag", path]);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, said);
  }
  const { code, stderr } = await run(["eval", out, "--hellaswag", join(folder, "none.jsonl")]);
  assertEquals(code, 1);
  assertMatch(stderr, /none\.jsonl: it does not exist; check the path/);
}

Deno.test("nanogpt eval --hellaswag", (t) =>
  inRunFolder(async (folder) => {
    const out = await trainOnAnswers(folder);
    const all = JSON.parse((await mustRun(["eval", out, "--hellaswag", SMALL, "--json"])).stdout);

    await t.step("a model that has learnt the answers gives nearly all of them", () => {
      assertEquals([all.step, all.device, all.precision, all.questions], [40, "cpu", "bf16", 20]);
      // By chance it would be 0.25, more than 0.8 with a probability below 1e-6.
      assert(all.accuracy > 0.8, `accuracy ${all.accuracy}`);
      const { accuracy: p, unnormalisedAccuracy: q } = all;
      assertAlmostEquals(all.standardError, Math.sqrt(p * (1 - p) / 20), 1e-15);
      assertAlmostEquals(all.unnormalisedStandardError, Math.sqrt(q * (1 - q) / 20), 1e-15);
      assert(all.tokens > 20 * 4 * 15 && all.tokensPerSecond > 0);
    });
    await t.step("the same figures as a line, with nothing on standard error", async () => {
      const { stdout, stderr } = await mustRun(["eval", out, "--hellaswag", SMALL]);
      const line = `step:40 hellaswag:${all.accuracy.toFixed(4)} standard_error:${
        all.standardError.toFixed(4)
      } unnormalised:${
        all.unnormalisedAccuracy.toFixed(4)
      } questions:20 tokens:${all.tokens} tokens_per_second:`;
      assertEquals([stdout.slice(0, line.length), stderr], [line, ""]);
      assertMatch(stdout.slice(line.length), /^[\d.]+[kM]?\n$/);
    });
    await t.step("--limit, and the reference device in float64", async () => {
      const answers = (...options: string[]) =>
        mustRun(["eval", out, "--hellaswag", SMALL, "--limit", "2", "--json", ...options]);
      const [cpu, reference] = [
        JSON.parse((await answers("--precision", "fp32")).stdout),
        JSON.parse((await answers("--device", "reference")).stdout),
      ];
      assertEquals([reference.device, reference.precision], ["reference", "float64"]);
      assertEquals([cpu.questions, cpu.accuracy, cpu.tokens], [
        2,
        reference.accuracy,
        reference.tokens,
      ]);
    });
    await t.step("bits per byte: none where a token of the shards is no text of GPT-2's", async () => {
      const tokens = Array.from({ length: 65 }, (_, i) => i === 40 ? 50300 : 500 + i);
      const foreign = await putShard(folder, "foreign.bin", tokens);
      const evaluate = (...options: string[]) => mustRun(["eval", out, "--val", foreign, ...options]);
      const { stdout, stderr } = await evaluate("--tokens", "64", "--json");
      const { bitsPerByte, bytes, valLoss } = JSON.parse(stdout);
      assertEquals([bitsPerByte, bytes, valLoss > 0], [null, null, true]);
      assertEquals(stderr, "No bits per byte: these tokens are not GPT-2's text\n");
      assertMatch((await evaluate("--tokens", "32")).stdout, / bits_per_byte:\d+\.\d{4} tokens:32 /);
    });
    await t.step("what it refuses", () => refusals(folder, out));
  }));
