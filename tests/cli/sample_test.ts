// nanogpt sample on small models: the same seed, the same text; the likeliest token; text that comes as it is drawn; a
// vocabulary smaller than the tokenizer's. One model has the tokenizer's vocabulary, the other its first 256 tokens.

import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import { decode, EOS } from "../../data/tokenizer.ts";
import { putShard } from "../data/helpers.ts";
import { inRunFolder, mustRun, run, Started, trainArgs } from "./small_run.ts";

const SENTENCE = [EOS, 464, 3290, 318, 845, 922, 290, 262, 3797, 318, 845, 2089, 13]; // "The dog is very good and ..."

/** Trains on one sentence over and over; returns the run's folder. */
async function trainOnSentence(folder: string): Promise<string> {
  const tokens = Array.from({ length: 1300 }, (_, i) => SENTENCE[i % SENTENCE.length] ?? EOS);
  const values = {
    "model.vocab": 50304,
    "model.eos": EOS,
    "data.train": await putShard(folder, "sentence.bin", tokens),
    "data.val": await putShard(folder, "sentence_val.bin", tokens),
    "data.valTokens": 16,
    "schedule.steps": 25,
  };
  const out = join(folder, "sentence run");
  await mustRun([...trainArgs(folder, values), "--out", out]);
  return out;
}

Deno.test("nanogpt sample, with the tokenizer's vocabulary", (t) =>
  inRunFolder(async (folder) => {
    const out = await trainOnSentence(folder);
    const text = async (...options: string[]) =>
      (await mustRun(["sample", out, "--tokens", "12", ...options])).stdout;

    await t.step("the same seed gives the same text, another seed another", async () => {
      const [one, again, other] = [
        await text("--seed", "5"),
        await text("--seed", "5"),
        await text("--seed", "6"),
      ];
      assertEquals(one, again);
      assertNotEquals(one, other);
    });
    await t.step("temperature 0 and --top-k 1 both take the likeliest token, whatever the seed", async () => {
      const cold = await text("--temperature", "0", "--seed", "1");
      assertEquals(await text("--temperature", "0", "--seed", "2"), cold);
      assertEquals(await text("--top-k", "1", "--temperature", "1.5", "--seed", "3"), cold);
      assert(cold.length > 3, JSON.stringify(cold));
    });
    await t.step("it has learnt something, and goes on from the prompt", async () => {
      const written = await text("--prompt", "The dog is", "--temperature", "0");
      assert(written.startsWith("The dog is"), written);
      const words = written.slice("The dog is".length).trim().split(/[ .]+/).filter((word) => word !== "");
      const known = words.filter((word) => decode(SENTENCE.slice(1)).includes(word));
      assert(
        words.length > 0 && known.length === words.length,
        `${JSON.stringify(words)} are not of the sentence`,
      );
    });
    await t.step("text comes while it is drawn", async () => {
      const started = new Started(["sample", out, "--tokens", "100", "--temperature", "10"]);
      const first = await started.answers();
      const { code, stdout } = await started.end();
      assertEquals(code, 0);
      assert(
        stdout.startsWith(first) && first.length < stdout.length / 2,
        `${first.length} of ${stdout.length} characters`,
      );
    });
  }));

Deno.test("nanogpt sample, with a vocabulary smaller than the tokenizer's, and what it refuses", (t) =>
  inRunFolder(async (folder) => {
    const out = join(folder, "run");
    await mustRun([...trainArgs(folder, { "run.sampleEvery": 4 }), "--out", out]);
    await t.step("only tokens that the model knows are written", async () => {
      const { stdout } = await mustRun(["sample", out, "--tokens", "30", "--seed", "2"]);
      assert(stdout.length > 1);
    });
    await t.step("a prompt of bytes can be gone on from, one of words not", async () => {
      const { stdout } = await mustRun(["sample", out, "--prompt", "!", "--tokens", "3"]);
      assert(stdout.startsWith("!"));
      const { code, stdout: none, stderr } = await run(["sample", out, "--prompt", "hello"]);
      assertEquals([code, none], [1, ""]);
      assertMatch(
        stderr,
        /^The prompt holds token 31373, this model knows the tokens below 256 only; give another prompt\n$/,
      );
    });
    await t.step("wrong paths", async () => {
      const { code, stdout, stderr } = await run(["sample", join(folder, "nowhere")]);
      assertEquals([code, stdout], [1, ""]);
      assertMatch(stderr, /^There is no checkpoint .*nowhere; check the path\n$/);
    });
  }));
