// A checkpoint's state.json: what a run is besides its tensors, as text that is the same for the same state and that
// shows any change by its own checksum. Holds no dates, thread counts, devices or paths. Decides whether a run may go
// on from it. Reads and writes no files (checkpoint.ts does). Imports lib/base, lib/config and types of data/.

import { createHash } from "node:crypto";
import type { ShardRecord } from "../../data/loader.ts";
import { messageOf, UserError } from "../base/errors.ts";
import { type Config, SECTIONS } from "../config/schema.ts";

const FORMAT = "nanogpt checkpoint";
const VERSION = 1;

/** The part of a configuration that decides what is computed; what a resumed run must share. */
export interface TrainedConfig extends Pick<Config, "model" | "optim" | "schedule"> {
  readonly data: Omit<Config["data"], "train" | "val">;
  readonly seed: number;
}

/** Size and SHA-256 (hex) of one file of a checkpoint. */
export interface FileRecord {
  readonly bytes: number;
  readonly sha256: string;
}

/** What state.json holds: `step` updates are done, the next step's tokens start at `loader`. */
export interface CheckpointState {
  readonly step: number;
  readonly loader: { readonly shard: number; readonly position: number };
  readonly config: TrainedConfig;
  /** Length and fingerprint of each training shard, in order. */
  readonly shards: readonly ShardRecord[];
  readonly files: Readonly<Record<(typeof TENSOR_FILES)[number], FileRecord>>;
}

/** Names of a checkpoint's tensor files. */
export const TENSOR_FILES = ["model.safetensors", "optimizer.safetensors"] as const;

/** The part of `config` that a checkpoint keeps. */
export function trainedConfigOf({ model, optim, schedule, data, run }: Config): TrainedConfig {
  const { train: _train, val: _val, ...sizes } = data;
  return parseTrained({ model, optim, schedule, data: sizes, seed: run.seed });
}

/** The text of state.json: the same for the same state, in whatever order its keys are given. */
export function encodeState(state: CheckpointState): string {
  return withChecksum({ format: FORMAT, version: VERSION, ...parseState(state) });
}

/** A JSON object with the SHA-256 of its own text as the last entry. */
function withChecksum(body: object): string {
  const sha256 = createHash("sha256").update(JSON.stringify(body, null, 1)).digest("hex");
  return JSON.stringify({ ...body, sha256 }, null, 1) + "\n";
}

/** The state in the text of the state.json at `path`; UserError for text that is not exactly what was written. */
export function decodeState(path: string, text: string): CheckpointState {
  const damaged = (found: string) =>
    new UserError(`Checkpoint file ${path} is damaged: ${found}; use another checkpoint`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(text === "" ? "it is empty" : `cut short or changed, ${messageOf(error)}`);
  }
  if (typeof value !== "object" || value === null || !("sha256" in value)) {
    throw damaged("it has no checksum");
  }
  const { sha256: _stated, ...body } = value;
  if (withChecksum(body) !== text) throw damaged("its checksum does not match, so it was changed");
  try {
    const { format, version, ...state } = record(body);
    if (format !== FORMAT || version !== VERSION) throw new TypeError(`found ${format}, version ${version}`);
    return parseState(state);
  } catch (error) {
    throw new UserError(
      `Cannot read the checkpoint file ${path}: another version of nanogpt wrote it, expected ${FORMAT}, version ` +
        `${VERSION} (${messageOf(error)})`,
    );
  }
}

// ---- the parts of a state, keys in a fixed order; TypeError or the schema's error for what is none ----

function parseState(value: object): CheckpointState {
  const { step, loader, config, shards, files } = record(value);
  const { shard, position } = record(loader);
  const stored = record(files);
  if (!Array.isArray(shards)) throw new TypeError("shards is no list");
  return {
    step: count(step),
    loader: { shard: count(shard), position: count(position) },
    config: parseTrained(record(config)),
    shards: shards.map(parseShard),
    files: {
      "model.safetensors": parseFile(stored["model.safetensors"]),
      "optimizer.safetensors": parseFile(stored["optimizer.safetensors"]),
    },
  };
}

function parseTrained({ model, optim, schedule, data, seed }: Record<string, unknown>): TrainedConfig {
  return {
    model: SECTIONS.model.parse(model),
    optim: SECTIONS.optim.parse(optim),
    schedule: SECTIONS.schedule.parse(schedule),
    data: SECTIONS.data.omit({ train: true, val: true }).parse(data),
    seed: SECTIONS.run.shape.seed.parse(seed),
  };
}

function parseFile(value: unknown): FileRecord {
  const { bytes, sha256 } = record(value);
  return { bytes: count(bytes), sha256: digest(sha256) };
}

function parseShard(value: unknown): ShardRecord {
  const { tokens, sha256 } = record(value);
  return { tokens: count(tokens), sha256: digest(sha256) };
}

function digest(value: unknown): string {
  if (typeof value === "string") return value;
  throw new TypeError("sha256 is no text");
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw new TypeError(`${value} is no object`);
  return { ...value };
}

function count(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new TypeError(`${value} is no count`);
}

/** What a run that wants to go on from a checkpoint is made of. */
export interface CurrentRun {
  readonly config: TrainedConfig;
  /** Length and fingerprint of each training shard, in order. */
  readonly shards: readonly ShardRecord[];
}

/** Throws a UserError that lists every key in which the checkpoint at `path` and the run differ. */
export function requireSameConfig(path: string, state: CheckpointState, current: CurrentRun): void {
  const before = flatten(state.config), now = flatten(current.config);
  const lines: string[] = [];
  for (const key of new Set([...before.keys(), ...now.keys()])) {
    const [was, is] = [before.get(key), now.get(key)];
    if (was !== is) lines.push(`  ${key}: ${was ?? "nothing"} in the checkpoint, ${is ?? "nothing"} now`);
  }
  lines.push(...shardDifferences(state.shards, current.shards));
  if (lines.length === 0) return;
  throw new UserError(
    [
      `Cannot go on from ${path}: it belongs to another run`,
      ...lines,
      "Give the configuration and the data it was made with, or start a new run in another folder",
    ].join("\n"),
  );
}

/** Keys as config.json spells them. */
function flatten({ seed, ...sections }: TrainedConfig): Map<string, number> {
  const flat = new Map<string, number>([["run.seed", seed]]);
  for (const [section, values] of Object.entries(sections)) {
    for (const [key, value] of Object.entries(values)) flat.set(`${section}.${key}`, value);
  }
  return flat;
}

/** The number of shards, and the first that differs. */
function shardDifferences(before: readonly ShardRecord[], now: readonly ShardRecord[]): string[] {
  const lines: string[] = [];
  if (before.length !== now.length) {
    lines.push(`  data.train: ${before.length} shards in the checkpoint, ${now.length} now`);
  }
  for (const [shard, was] of before.entries()) {
    const is = now[shard];
    if (is === undefined) break;
    if (was.tokens === is.tokens && was.sha256 === is.sha256) continue;
    const difference = was.tokens === is.tokens
      ? "holds other tokens than in the checkpoint, as many"
      : `had ${was.tokens} tokens in the checkpoint, ${is.tokens} now`;
    return [...lines, `  data.train: shard ${shard} ${difference}`];
  }
  return lines;
}
