// Every way a configuration can be wrong: the message names key, source, what was found and what was expected, and one
// message holds them all.

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { UserError } from "../../lib/base/errors.ts";
import { resolveConfig } from "../../lib/config/load.ts";

/** The lines of the one UserError that `sets` over the sample preset lead to, without its first line. */
function problems(...sets: string[]): string[] {
  const error = assertThrows(() => resolveConfig({ sets }), UserError);
  return error.message.split("\n").slice(1).map((line) => line.trim());
}

/** What --set gives and the one complaint about it. */
const CASES: Record<string, [string[], string]> = {
  "misspelt key": [["model.layer=6"], 'model.layer (--set): unknown key, did you mean "model.layers"?'],
  "misspelt long key": [
    ["data.sequenceLenght=8"],
    'data.sequenceLenght (--set): unknown key, did you mean "data.sequenceLength"?',
  ],
  "key of another section": [
    ["data.window=8"],
    'data.window (--set): unknown key, did you mean "model.window"?',
  ],
  "key without its section": [["layers=8"], 'layers (--set): unknown key, did you mean "model.layers"?'],
  "misspelt section": [["modle.layers=8"], 'modle.layers (--set): unknown key, did you mean "model.layers"?'],
  "key like nothing": [
    ["schedule.zzzzzz=8"],
    "schedule.zzzzzz (--set): unknown key, known here: steps, warmupSteps, warmdownSteps",
  ],
  "inherited name": [
    ["schedule.constructor=8"],
    "schedule.constructor (--set): unknown key, known here: steps, warmupSteps, warmdownSteps",
  ],
  "no value": [["model.layers"], 'model.layers (--set): found no "=", expected key.path=value'],
  "a section": [
    ["schedule=1"],
    "schedule (--set): a section, expected one of its keys: " +
    "schedule.steps, schedule.warmupSteps, schedule.warmdownSteps",
  ],
  "preset by --set": [["preset=tiny"], "preset (--set): a preset is chosen by --preset or in config.json"],
  "text for a number": [
    ["model.dim=wide"],
    'model.dim (--set): found "wide", expected a whole number from 2 to 65536',
  ],
  "nothing for a number": [
    ["model.dim="],
    'model.dim (--set): found "", expected a whole number from 2 to 65536',
  ],
  "not a number": [
    ["optim.muonLr=NaN"],
    'optim.muonLr (--set): found "NaN", expected a number from 0 to 1000',
  ],
  "infinity": [
    ["optim.muonLr=1e999"],
    'optim.muonLr (--set): found "1e999", expected a number from 0 to 1000',
  ],
  "half a layer": [
    ["model.layers=2.5"],
    "model.layers (--set): found 2.5, expected an even whole number from 2 to 1024",
  ],
  "odd number of layers": [
    ["model.layers=3"],
    "model.layers (--set): found 3, expected an even whole number from 2 to 1024",
  ],
  "no layers": [
    ["model.layers=0"],
    "model.layers (--set): found 0, expected an even whole number from 2 to 1024",
  ],
  "no heads": [["model.heads=0"], "model.heads (--set): found 0, expected a whole number from 1 to 1024"],
  "dim not divisible by heads": [
    ["model.dim=255"],
    "model.dim (--set): found 255, expected a multiple of model.heads (2)",
  ],
  "odd head width": [
    ["model.dim=254"],
    "model.dim (--set): found 254, expected an even head width: dim / heads, with model.heads 2, a multiple of 2",
  ],
  "vocabulary too large for 16 bits": [
    ["model.vocab=65537"],
    "model.vocab (--set): found 65537, expected a whole number from 2 to 65536",
  ],
  "eos outside the vocabulary": [
    ["model.eos=50304"],
    "model.eos (--set): found 50304, expected a token below model.vocab (50304)",
  ],
  "vocabulary below eos": [
    ["model.vocab=50256"],
    "model.eos (preset sample): found 50256, expected a token below model.vocab (50256)",
  ],
  "window 0": [
    ["model.window=0"],
    "model.window (--set): found 0, expected a whole number from 1 to 1000000000",
  ],
  "softcap 0": [
    ["model.softcap=0"],
    "model.softcap (--set): found 0, expected a number above 0, at most 1000000",
  ],
  "normEps 0": [["model.normEps=0"], "model.normEps (--set): found 0, expected a number above 0, at most 1"],
  "sequence length 0": [
    ["data.sequenceLength=0"],
    "data.sequenceLength (--set): found 0, expected a whole number from 1 to 1000000000",
  ],
  "batch not divisible": [
    ["data.batchSequences=3"],
    "data.batchSequences (--set): found 3, expected a multiple of data.deviceBatchSequences (2)",
  ],
  "microbatch 0": [
    ["data.deviceBatchSequences=0"],
    "data.deviceBatchSequences (--set): found 0, expected a whole number from 1 to 1000000",
  ],
  "validation not of whole sequences": [
    ["data.valTokens=2049"],
    "data.valTokens (--set): found 2049, expected a multiple of data.sequenceLength (2048)",
  ],
  "microbatch beyond 32 bits": [
    [
      "data.sequenceLength=1000000000",
      "data.valTokens=1000000000",
      "data.batchSequences=4",
      "data.deviceBatchSequences=4",
    ],
    "data.deviceBatchSequences (--set): found 4, expected at most 2147483647 tokens in a microbatch, " +
    "of sequences of 1000000000",
  ],
  "no data": [["data.train="], 'data.train (--set): found "", expected text that is not empty'],
  "momentum 1": [
    ["optim.momentumEnd=1"],
    "optim.momentumEnd (--set): found 1, expected a number from 0 to below 1",
  ],
  "negative momentum": [
    ["optim.momentumStart=-0.1"],
    "optim.momentumStart (--set): found -0.1, expected a number from 0 to below 1",
  ],
  "beta 1": [["optim.beta1=1"], "optim.beta1 (--set): found 1, expected a number from 0 to below 1"],
  "beta above 1": [
    ["optim.beta2=1.5"],
    "optim.beta2 (--set): found 1.5, expected a number from 0 to below 1",
  ],
  "adamEps 0": [["optim.adamEps=0"], "optim.adamEps (--set): found 0, expected a number above 0, at most 1"],
  "negative rate": [
    ["optim.embedLr=-1"],
    "optim.embedLr (--set): found -1, expected a number from 0 to 1000",
  ],
  "no Newton-Schulz steps": [
    ["optim.nsSteps=0"],
    "optim.nsSteps (--set): found 0, expected a whole number from 1 to 100",
  ],
  "no steps": [
    ["schedule.steps=0"],
    "schedule.steps (--set): found 0, expected a whole number from 1 to 1000000000",
  ],
  "negative warm-down": [
    ["schedule.warmdownSteps=-1"],
    "schedule.warmdownSteps (--set): found -1, expected a whole number from 0 to 1000000000",
  ],
  "seed beyond exact numbers": [
    ["run.seed=9007199254740993"],
    "run.seed (--set): found 9007199254740992, expected a whole number from 0 to 9007199254740991",
  ],
  "no checkpoints kept": [
    ["run.keepCheckpoints=0"],
    "run.keepCheckpoints (--set): found 0, expected a whole number from 1 to 1000000",
  ],
  "neither true nor false": [
    ["run.deterministic=yes"],
    'run.deterministic (--set): found "yes", expected true or false',
  ],
  "unknown device": [
    ["device.kind=gpu"],
    'device.kind (--set): found "gpu", expected one of auto, cpu, cuda, emulated, reference',
  ],
  "unknown precision": [
    ["device.precision=fp16"],
    'device.precision (--set): found "fp16", expected one of fp32, bf16',
  ],
};

for (const [name, [sets, expected]] of Object.entries(CASES)) {
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
