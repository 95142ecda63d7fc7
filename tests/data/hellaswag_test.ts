// Reading HellaSwag's questions: fields as published and the three that matter alone, their tokens, and every malformed
// line with its place.

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { readQuestions } from "../../data/hellaswag.ts";
import { decode, encode } from "../../data/tokenizer.ts";
import { UserError } from "../../lib/base/errors.ts";
import { ROOT } from "../cli/command.ts";
import { inFolder } from "./helpers.ts";

const SMALL = join(ROOT, "tests", "data", "hellaswag_small.jsonl");

Deno.test("questions come as tokens that say the line's text, a space before each ending", async () => {
  const questions = await readQuestions(SMALL);
  const lines = (await Deno.readTextFile(SMALL)).trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(questions.length, 20);
  assertEquals(
    questions.map(({ place, context, endings, label }) => [
      place,
      decode(context),
      endings.map((ending) => decode(ending)),
      label,
    ]),
    lines.map(({ ctx, endings, label }, i) => [
      `${SMALL} line ${i + 1}`,
      ctx,
      endings.map((ending: string) => ` ${ending}`),
      label,
    ]),
  );
  assertEquals(
    new Set(questions.map(({ label }) => label)),
    new Set([0, 1, 2, 3]),
    "no place is always right",
  );
  // Context and ending apart give the tokens of the whole sentence, for a space begins a word.
  const [{ context, endings }] = [questions[0] ?? { context: [], endings: [] }];
  assertEquals([...context, ...endings[0] ?? []], encode(`${lines[0].ctx} ${lines[0].endings[0]}`));
});

Deno.test("a limit takes the first questions; one beyond the file's end takes all", async () => {
  const all = await readQuestions(SMALL);
  assertEquals(await readQuestions(SMALL, 3), all.slice(0, 3));
  assertEquals((await readQuestions(SMALL, 1000)).length, 20);
});

const good = { ctx: "A man", endings: ["runs.", "eats.", "sings.", "sits."], label: 2 };

/** The second line of a file whose first is good and whose other is blank, and what is said of it. */
const WRONG: [unknown, string][] = [
  ['{"ctx": "A man"', "is not valid JSON: "],
  [[good], 'must be an object with the fields "ctx", "endings" and "label"'],
  [{ ...good, ctx: undefined }, 'must have a field "ctx" that is a string; it has none'],
  [{ ...good, ctx: 7 }, 'must have a field "ctx" that is a string; found 7'],
  [
    { ...good, endings: ["a", "b", "c"] },
    'must have a field "endings" that is an array of 4 strings; found ["a","b","c"]',
  ],
  [{ ...good, endings: ["a", "b", "c", 4] }, 'found ["a","b","c",4]'],
  [
    { ...good, label: undefined },
    'must have a field "label" that is a whole number from 0 to 3; it has none',
  ],
  [{ ...good, label: 4 }, "found 4"],
  [{ ...good, label: "2" }, 'found "2"'],
  [{ ...good, label: 1.5 }, "found 1.5"],
];

Deno.test("a malformed line is refused with file and line", () =>
  inFolder(async (folder) => {
    const path = join(folder, "questions.jsonl");
    for (const [value, said] of WRONG) {
      const line = typeof value === "string" ? value : JSON.stringify(value);
      await Deno.writeTextFile(path, `${JSON.stringify(good)}\n\n${line}\n`);
      const error = await assertRejects(() => readQuestions(path), UserError, said);
      assertEquals(error.message.startsWith(`${path} line 3 `), true, error.message);
      assertEquals((await readQuestions(path, 1)).length, 1, "what is beyond the limit is not judged");
    }
  }));

Deno.test("a file without questions, none at all, a folder, and bytes that are no text", () =>
  inFolder(async (folder) => {
    const path = join(folder, "empty.jsonl");
    for (const text of ["", "\n\n"]) {
      await Deno.writeTextFile(path, text);
      await assertRejects(() => readQuestions(path), UserError, `${path} holds no question; expected`);
    }
    await Deno.writeFile(path, new Uint8Array([0x7b, 0xff, 0x7d]));
    await assertRejects(() => readQuestions(path), UserError, `${path} is not valid UTF-8 at byte 1`);
    await assertRejects(() => readQuestions(join(folder, "none")), UserError, "does not exist");
    await assertRejects(() => readQuestions(folder), UserError, "it is a folder");
  }));
