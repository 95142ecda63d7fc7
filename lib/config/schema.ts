// Every key of config.json: its type, limits and one line of description. The only statement of them: the parser, the
// typing of --set, the error messages, the JSON Schema and the type Config all come from here. Says nothing of values
// (presets.ts) or of how keys depend on each other (rules.ts). Imports zod only.

import { z } from "zod";

/** Names of the built-in presets, as --preset and the key "preset" take them. */
export const PRESET_NAMES = ["sample", "tiny", "speedrun-2024-11-19", "speedrun-1.5b"] as const;

/** The name of a built-in preset. */
export type PresetName = (typeof PRESET_NAMES)[number];

/** Kernels count the elements of a tensor in 32 bits: 4 * dim * dim, the largest of a block, stays below 2^32. */
const MOST_DIM = 32767;
const MILLION = 1e6;
const BILLION = 1e9;

/** A whole number with limits; `expected` completes "expected ..." in error messages. */
function whole(min: number, max: number, about: string) {
  const error = `a whole number from ${min} to ${max}`;
  return z.number({ error }).int({ error }).min(min, { error }).max(max, { error }).describe(about);
}

/** A number with limits, `min` and `max` included. */
function real(min: number, max: number, about: string) {
  const error = `a number from ${min} to ${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error }).describe(about);
}

/** A number above 0, `max` included. */
function positive(max: number, about: string) {
  const error = `a number above 0, at most ${max}`;
  return z.number({ error }).positive({ error }).max(max, { error }).describe(about);
}

/** A share of what was before, as momentum and betas are: 1 is excluded, it would never forget. */
function decay(about: string) {
  const error = "a number from 0 to below 1";
  return z.number({ error }).min(0, { error }).lt(1, { error }).describe(about);
}

function flag(about: string) {
  return z.boolean({ error: "true or false" }).describe(about);
}

/** Text that may be a path: not empty, and without the zero character that no file name can hold. */
function path(about: string) {
  const error = "text that is not empty";
  // deno-lint-ignore no-control-regex -- the zero character is what the pattern refuses
  return z.string({ error }).regex(/^[^\u0000]+$/, { error }).describe(about);
}

function choice<const T extends readonly [string, ...string[]]>(names: T, about: string) {
  return z.enum(names, { error: `one of ${names.join(", ")}` }).describe(about);
}

const evenLayers = "an even whole number from 2 to 1024";

/** The sections of config.json and their keys. Records: keys in the order in which they print. */
export const SECTIONS = {
  model: z.strictObject({
    layers: z.number({ error: evenLayers }).int({ error: evenLayers }).min(2, { error: evenLayers })
      .max(1024, { error: evenLayers }).multipleOf(2, { error: evenLayers })
      .describe("Transformer blocks; even, for the first half skips to the second"),
    heads: whole(1, 1024, "Attention heads; divides dim"),
    dim: whole(2, MOST_DIM, "Width of the residual stream; dim / heads must be even, for rotary positions"),
    vocab: whole(2, 65536, "Rows of embedding and head; at most 65536, for shards hold 16-bit tokens"),
    window: whole(1, BILLION, "How many tokens back attention sees, the token itself included"),
    eos: whole(0, 65535, "The token that opens a document"),
    softcap: positive(MILLION, "Logits z become softcap * tanh(z / softcap)"),
    ropeBase: positive(BILLION, "Base of the rotary angles"),
    normEps: positive(1, "Added to the mean square in every RMS norm"),
  }),
  data: z.strictObject({
    train: path("Training shards: a glob, or builtin:train"),
    val: path("Validation shards: a glob, or builtin:val"),
    sequenceLength: whole(1, BILLION, "Tokens in a sequence"),
    batchSequences: whole(1, MILLION, "Sequences in a step, over all microbatches and ranks"),
    deviceBatchSequences: whole(1, MILLION, "Sequences in a microbatch; divides batchSequences"),
    valTokens: whole(1, Number.MAX_SAFE_INTEGER, "Tokens of a validation; a multiple of sequenceLength"),
  }),
  optim: z.strictObject({
    embedLr: real(0, 1000, "Adam's learning rate for the embedding"),
    headLr: real(0, 1000, "Adam's learning rate for the head"),
    scalarLr: real(0, 1000, "Adam's learning rate for mixes and skip weights"),
    muonLr: real(0, 1000, "Muon's learning rate, for the matrices of the blocks"),
    momentumStart: decay("Muon's momentum at the first step"),
    momentumEnd: decay("Muon's momentum after its warm-up"),
    momentumWarmupSteps: whole(0, BILLION, "Steps over which the momentum goes from start to end"),
    beta1: decay("Adam's decay of the mean gradient"),
    beta2: decay("Adam's decay of the mean squared gradient"),
    adamEps: positive(1, "Added to Adam's denominator"),
    nsSteps: whole(1, 100, "Newton-Schulz iterations of Muon"),
  }),
  schedule: z.strictObject({
    steps: whole(1, BILLION, "Optimiser steps of the run"),
    warmupSteps: whole(0, BILLION, "Steps over which the rate rises to 1"),
    warmdownSteps: whole(0, BILLION, "Last steps, over which the rate falls to 0"),
  }),
  run: z.strictObject({
    seed: whole(0, Number.MAX_SAFE_INTEGER, "Seed of the starting values"),
    valEvery: whole(0, BILLION, "Steps between validations; 0: only at the end"),
    checkpointEvery: whole(0, BILLION, "Steps between checkpoints; 0: only at the end"),
    keepCheckpoints: whole(1, MILLION, "How many checkpoints to keep, the newest"),
    sampleEvery: whole(0, BILLION, "Steps between samples of text; 0: none"),
    deterministic: flag("Same bits for every run, where a device would otherwise be free"),
    out: path("Folder of the run; {preset} and {date} are filled in"),
  }),
  device: z.strictObject({
    kind: choice(["auto", "cpu", "cuda", "emulated", "reference"], "What computes; auto: cuda, else cpu"),
    precision: choice(["fp32", "bf16"], "Of matrix operands and activations"),
    threads: whole(0, 1024, "Threads of the cpu device; 0: one for each core"),
    pin: flag("Tie each thread to a core"),
    gemm: choice(["builtin", "cublaslt"], "Whose matrix products the cuda device uses"),
  }),
};

/** The name of a section of config.json. */
export type SectionName = keyof typeof SECTIONS;

/** The sections in the order in which they print. */
export const SECTION_NAMES: readonly SectionName[] = ["model", "data", "optim", "schedule", "run", "device"];

/** One key of config.json; `path` is "section.key". */
export interface Key {
  readonly section: SectionName;
  readonly name: string;
  readonly path: string;
  readonly schema: z.ZodType;
}

/** Every key by its path, in printing order. */
export const KEYS: ReadonlyMap<string, Key> = new Map(
  SECTION_NAMES.flatMap((section) =>
    Object.entries<z.ZodType>(SECTIONS[section].shape).map(([name, schema]): [string, Key] => {
      const path = `${section}.${name}`;
      return [path, { section, name, path, schema }];
    })
  ),
);

const preset = choice(PRESET_NAMES, "The preset that this configuration changes");

/** A whole configuration, every key there. Keys that depend on each other are checked in rules.ts. */
export const configSchema = z.strictObject({ preset, ...SECTIONS });

/** A whole configuration: what a run is made of. */
export type Config = z.infer<typeof configSchema>;

/** What a config.json file may hold: every key optional, over its preset. */
export const fileSchema = z.strictObject({
  $schema: z.string().optional().describe("Ignored; for editors"),
  preset: preset.optional(),
  model: SECTIONS.model.partial().optional(),
  data: SECTIONS.data.partial().optional(),
  optim: SECTIONS.optim.partial().optional(),
  schedule: SECTIONS.schedule.partial().optional(),
  run: SECTIONS.run.partial().optional(),
  device: SECTIONS.device.partial().optional(),
  sources: z.record(z.string(), z.string()).optional()
    .describe("Ignored; where each value came from, as nanogpt writes it"),
});

/** The JSON Schema of config.json, for editors: describes each key on its own, not how keys depend on each other. */
export function configJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(fileSchema), title: "nanogpt config.json" };
}

/** Whether there is a section of this name. */
export function isSection(name: string): name is SectionName {
  return Object.hasOwn(SECTIONS, name);
}

/** The value that text on the command line stands for at this key; text that does not fit is left for the check. */
export function typedValue(key: Key, text: string): unknown {
  if (key.schema instanceof z.ZodNumber) return text.trim() === "" ? text : numberOr(text);
  if (key.schema instanceof z.ZodBoolean && (text === "true" || text === "false")) return text === "true";
  return text;
}

function numberOr(text: string): number | string {
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}
