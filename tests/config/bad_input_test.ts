// Every way a configuration can be wrong: the message names key, source, what was found and what was expected, and one
// message holds them all.

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { UserError } from "../../lib/base/errors.ts";
import { resolveConfig } from "../../lib/config/load.ts";
import { BAD_SETS } from "./bad_sets.ts";

/** The lines of the one UserError that `sets` over the sample preset lead to, without its first line. */
function problems(...sets: string[]): string[] {
  const error = assertThrows(() => resolveConfig({ sets }), UserError);
  return error.message.split("\n").slice(1).map((line) => line.trim());
}

for (const [name, [sets, expected]] of Object.entries(BAD_SETS)) {
  Deno.test(`refused: ${name}`, () => assertEquals(problems(...sets), [expected]));
}

Deno.test("all problems are told at once", () => {
  const found = problems("model.layer=6", "model.dim=255", "data.sequenceLength=0", "optim.beta1=2");
  assertEquals(found.map((line) => line.split(" ")[0]), [
    "model.layer",
    "data.sequenceLength",
    "optim.beta1",
    "model.dim",
  ]);
});

Deno.test("an unknown preset is told together with the rest", () => {
  const error = assertThrows(() => resolveConfig({ preset: "sampel", sets: ["model.dim=0"] }), UserError);
  assertStringIncludes(error.message, "The configuration has 2 problems:");
  assertStringIncludes(error.message, 'preset (--preset): found "sampel", expected one of sample, tiny, ');
  assertStringIncludes(error.message, 'did you mean "sample"?');
  assertStringIncludes(error.message, "model.dim (--set): found 0");
});

/** Text of a config.json and what the message must say after the file's name. */
const FILES: Record<string, [string, string]> = {
  "empty file": ["", ": not valid JSON at line 1, column 1 (Unexpected end of JSON input)"],
  "comma missing": ['{\n  "model": {"layers": 4 "dim": 8}\n}', ": not valid JSON at line 2, column 25 ("],
  "cut short": ['{"model":\n{"layers"', ": not valid JSON at line 2, column 10 ("],
  "list": ["[1, 2]", ": found [1,2], expected a JSON object"],
  "null": ["null", ": found null, expected a JSON object"],
  "unknown section": ['{"modell": {}}', '\n  modell (FILE): unknown key, did you mean "model"?'],
  "inherited section": ['{"__proto__": {}}', "\n  __proto__ (FILE): unknown key, known here: preset, model"],
  "unknown key": [
    '{"model": {"head": 2}}',
    '\n  model.head (FILE): unknown key, did you mean "model.heads"?',
  ],
  "section of a wrong type": [
    '{"model": 3}',
    "\n  model (FILE): found 3, expected an object with keys of model",
  ],
  "text for a number": ['{"model": {"dim": "256"}}', '\n  model.dim (FILE): found "256", expected a whole'],
  "null for a number": ['{"model": {"dim": null}}', "\n  model.dim (FILE): found null, expected a whole"],
  "number for text": ['{"data": {"train": 5}}', "\n  data.train (FILE): found 5, expected text"],
  "zero character in a path": ['{"data": {"train": "a\\u0000b"}}', "\n  data.train (FILE): found "],
  "preset of a wrong type": ['{"preset": 7}', "\n  preset (FILE): found 7, expected one of sample, "],
};

for (const [name, [text, expected]] of Object.entries(FILES)) {
  Deno.test(`refused file: ${name}`, () => {
    const folder = Deno.makeTempDirSync();
    try {
      const file = join(folder, "config.json");
      Deno.writeTextFileSync(file, text);
      const error = assertThrows(() => resolveConfig({ file }), UserError);
      assertStringIncludes(error.message, expected.replace("FILE", file));
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });
}

Deno.test("refused file: missing, or a folder", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const missing = join(folder, "nothing.json");
    assertThrows(
      () => resolveConfig({ file: missing }),
      UserError,
      `Cannot read ${missing}: there is no such`,
    );
    assertThrows(() => resolveConfig({ file: folder }), UserError, `Cannot read ${folder}: it is a folder`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("the largest model and microbatch that are let through fit the kernels' 32-bit counts", () => {
  const { model } =
    resolveConfig({ sets: ["model.dim=32766", "model.heads=129", "model.vocab=65536"] }).config;
  assert(4 * model.dim * model.dim < 2 ** 32 && model.vocab * model.dim < 2 ** 32);
  // 2047 * 512 rows of 4 * 1024 are 4096 * 512 below 2^32; one sequence more is refused in BAD_SETS.
  const sets = [
    "model.dim=1024",
    "model.heads=8",
    "data.deviceBatchSequences=511",
    "data.batchSequences=511",
  ];
  const { data } = resolveConfig({ sets }).config;
  assert(data.deviceBatchSequences * data.sequenceLength * 4 * 1024 < 2 ** 32);
});
