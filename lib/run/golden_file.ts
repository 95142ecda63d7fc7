// Reads golden files: parameters, tokens and float64 answers of one model, or cases of the Newton-Schulz iteration, or
// first starting values at full size. Tells a malformed file from one whose answers a device merely fails to meet: the
// first is a UserError here, the second is check_golden.ts's to find. Imports lib/base, lib/config, model and optimisers.

import { isObject, refuse } from "../config/check.ts";
import { brokenRules } from "../config/rules.ts";
import { SECTIONS } from "../config/schema.ts";
import { messageOf, UserError } from "../base/errors.ts";
import { type Metadata, openSafetensors, type SafetensorsFile } from "../base/safetensors.ts";
import { elementCount, formatShape, sameShape, type Shape } from "../base/shape.ts";
import { gradientName } from "../model/gpt.ts";
import { type ModelConfig, parameterSpecs } from "../model/parameters.ts";
import type { OptimConfig, ScheduleConfig } from "../optim/schedule.ts";

/** Numbers with their shape. */
export interface Tensor {
  readonly shape: Shape;
  readonly values: ArrayLike<number>;
}

/** Answers of a model. */
export interface ModelGolden {
  readonly kind: "model";
  readonly model: ModelConfig;
  readonly optim: OptimConfig;
  readonly schedule: ScheduleConfig;
  readonly sequenceLength: number;
  readonly microbatches: number;
  readonly seed: number;
  /** tokens, targets, loss, logits, param.*, grad.*, train.tokens, train.loss by name; final.* is not read. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** The tokens of each step of the run, microbatches * sequenceLength + 1 of them; none where the file has no run. */
  readonly runSteps: number;
}

/** Cases of the Newton-Schulz iteration. */
export interface NewtonSchulzGolden {
  readonly kind: "newton-schulz";
  readonly steps: number;
  readonly cases: readonly { readonly input: Tensor; readonly output: Tensor }[];
}

/** First starting values of some parameters of the 124M model. */
export interface InitialGolden {
  readonly kind: "initial";
  readonly rows: readonly {
    readonly index: number;
    readonly name: string;
    readonly shape: Shape;
    readonly first: readonly number[];
  }[];
}

export type Golden = ModelGolden | NewtonSchulzGolden | InitialGolden;

/** Reads any golden file. Throws UserError for one that is malformed. */
export function readGolden(path: string): Golden {
  if (path.endsWith(".json")) return readInitial(path);
  using file = openSafetensors(path);
  const names = [...file.tensors.keys()];
  if (names.length > 0 && names.every((name) => /^(in|out)\.\d+$/.test(name))) return readNewtonSchulz(file);
  return readModel(file);
}

function malformed(path: string, found: string): UserError {
  return new UserError(`${path} is no golden file: ${found}; make the file again`);
}

function readTensor(file: SafetensorsFile, name: string): Tensor {
  return { shape: file.place(name).shape, values: file.numbers(name) };
}

/** A whole number of the metadata. */
function whole(path: string, metadata: Metadata, key: string, least: number): number {
  const value = Number(metadata[key] ?? NaN);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw malformed(
    path,
    `its metadata has ${key} ${metadata[key] ?? "missing"}, expected a whole number from ${least}`,
  );
}

// ---- a model ----

const SCHEDULE_KEYS = Object.keys(SECTIONS.schedule.shape);

function readModel(file: SafetensorsFile): ModelGolden {
  const { path, metadata } = file;
  const model = parsed(path, "model", SECTIONS.model, jsonOf(path, metadata, "model"));
  const both = Object.entries(jsonOf(path, metadata, "optim"));
  const isSchedule = ([key]: [string, unknown]) => SCHEDULE_KEYS.includes(key);
  const optim = parsed(path, "optim", SECTIONS.optim, Object.fromEntries(both.filter((e) => !isSchedule(e))));
  const schedule = parsed(path, "schedule", SECTIONS.schedule, Object.fromEntries(both.filter(isSchedule)));
  refuse(
    brokenRules((key) => Object.entries(model).find(([name]) => `model.${name}` === key)?.[1])
      .map((rule) => ({ path: rule.path, source: path, text: `expected ${rule.expected}` })),
  );
  const sequenceLength = whole(path, metadata, "sequenceLength", 1);
  const microbatches = whole(path, metadata, "microbatches", 1);
  const seed = whole(path, metadata, "seed", 0);
  const runSteps = checkTensors(file, { model, sequenceLength, microbatches });
  const wanted = [...file.tensors.keys()].filter((name) => !name.startsWith("final."));
  const tensors = new Map(wanted.map((name) => [name, readTensor(file, name)]));
  checkTokens(path, tensors, model.vocab);
  return { kind: "model", model, optim, schedule, sequenceLength, microbatches, seed, tensors, runSteps };
}

function jsonOf(path: string, metadata: Metadata, key: string): Record<string, unknown> {
  const text = metadata[key];
  if (text === undefined) throw malformed(path, `its metadata lacks ${key}`);
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch (error) {
    throw malformed(path, `its metadata has a ${key} that is no JSON (${messageOf(error)})`);
  }
  throw malformed(path, `its metadata has a ${key} that is no JSON object`);
}

/** The parsed section, all keys there and none unknown. */
function parsed<T>(
  path: string,
  section: string,
  schema: { safeParse(value: unknown): { success: true; data: T } | { success: false; error: SchemaError } },
  value: Record<string, unknown>,
): T {
  const found = schema.safeParse(value);
  if (found.success) return found.data;
  const problems = found.error.issues.map((issue) =>
    `${[section, ...issue.path].join(".")}: expected ${issue.message}`
  );
  throw malformed(path, problems.join("; "));
}

interface SchemaError {
  readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
}

/**
 * Checks that what the check computes with is there in the right shape, and that nothing unknown is; returns the steps
 * of the run. Gradients, loss and logits are answers: those are compared later, missing ones and all.
 */
function checkTensors(
  file: SafetensorsFile,
  { model, sequenceLength: T, microbatches: M }: Pick<
    ModelGolden,
    "model" | "sequenceLength" | "microbatches"
  >,
): number {
  const { path, tensors } = file;
  const expect = (name: string, shape: Shape) => {
    const found = tensors.get(name)?.shape;
    if (found && sameShape(found, shape)) return;
    const text = found ? `has ${name} of shape ${formatShape(found)}` : `lacks ${name}`;
    throw malformed(path, `it ${text}, expected shape ${formatShape(shape)}`);
  };
  expect("tokens", [M, T]);
  expect("targets", [M, T]);
  for (const { name, shape } of parameterSpecs(model)) expect(`param.${name}`, shape);
  const known = new Set(["tokens", "targets", "loss", "logits", "train.tokens", "train.loss"]);
  for (const { name } of parameterSpecs(model)) {
    known.add(`param.${name}`).add(gradientName(name)).add(`final.${name}`);
  }
  for (const name of tensors.keys()) {
    // A gradient too many is an answer that no device gives.
    if (!known.has(name) && !name.startsWith("grad.")) {
      throw malformed(path, `it has an unknown tensor ${name}`);
    }
  }
  const losses = tensors.get("train.loss"), tokens = tensors.get("train.tokens");
  if (!losses && !tokens) return 0;
  const steps = losses ? elementCount(losses.shape) : 0;
  if (!tokens || steps < 1 || elementCount(tokens.shape) !== steps * (M * T + 1)) {
    const shapes = [tokens, losses].map((tensor) => tensor ? formatShape(tensor.shape) : "missing");
    throw malformed(
      path,
      `train.tokens is ${shapes[0]} and train.loss ${shapes[1]}, expected ${M * T + 1} tokens for each loss`,
    );
  }
  return steps;
}

function checkTokens(path: string, tensors: ReadonlyMap<string, Tensor>, vocab: number): void {
  for (const name of ["tokens", "targets", "train.tokens"]) {
    const values = tensors.get(name)?.values ?? [];
    for (let i = 0; i < values.length; i++) {
      const token = values[i] ?? NaN;
      if (Number.isInteger(token) && token >= 0 && token < vocab) continue;
      throw malformed(path, `${name} holds ${token} at ${i}, expected a token below vocab ${vocab}`);
    }
  }
}

// ---- Newton-Schulz ----

function readNewtonSchulz(file: SafetensorsFile): NewtonSchulzGolden {
  const { path, tensors, metadata } = file;
  const steps = whole(path, metadata, "steps", 1);
  const numbers = [...tensors.keys()].map((name) => Number(name.replace(/^\w+\./, "")));
  const cases = [...new Set(numbers)].sort((a, b) => a - b).map((i) => {
    for (const name of [`in.${i}`, `out.${i}`]) {
      if (!tensors.has(name)) throw malformed(path, `it lacks ${name}`);
    }
    const input = readTensor(file, `in.${i}`), output = readTensor(file, `out.${i}`);
    if (input.shape.length !== 2 || elementCount(input.shape) < 1) {
      throw malformed(path, `in.${i} has shape ${formatShape(input.shape)}, expected a matrix`);
    }
    return { input, output };
  });
  return { kind: "newton-schulz", steps, cases };
}

// ---- starting values ----

function readInitial(path: string): InitialGolden {
  let found: unknown;
  try {
    found = JSON.parse(Deno.readTextFileSync(path));
  } catch (error) {
    throw new UserError(`Cannot read ${path}: ${messageOf(error)}; expected a golden file`);
  }
  if (!Array.isArray(found) || found.length === 0) throw malformed(path, "it is no list of starting values");
  const rows = found.map((row: unknown, i) => {
    if (!isObject(row)) throw malformed(path, `entry ${i} is no object`);
    const { index, name, shape, first } = row;
    if (typeof index !== "number" || typeof name !== "string" || !isNumbers(shape) || !isNumbers(first)) {
      throw malformed(path, `entry ${i} lacks one of index, name, shape, first`);
    }
    return { index, name, shape, first };
  });
  return { kind: "initial", rows };
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === "number");
}
