// The options of each command, as program.ts hands them over: what the user wrote, typed, undefined where left out.
// Types only: no defaults, which are in the configuration or with the command. Names are those of the command line in
// camel case. May import types of lib/config.

import type { ConfigFlags } from "../config/load.ts";

/** What chooses a configuration; see resolveConfig. */
export interface ConfigOptions {
  readonly file: string | undefined;
  readonly preset: string | undefined;
  readonly sets: readonly string[];
}

/** nanogpt train [config.json] */
export interface TrainOptions extends ConfigOptions {
  /** --out, --device, --precision. */
  readonly flags: ConfigFlags;
  /** "auto", or a checkpoint or run folder. */
  readonly resume: string | undefined;
  /** Workers that share each step; undefined: as many GPUs as can. */
  readonly ranks: number | undefined;
  /** The live page; undefined: none. */
  readonly serve: { readonly port: number | undefined; readonly host: string | undefined } | undefined;
}

/** nanogpt report RUN... */
export interface ReportOptions {
  readonly runs: readonly string[];
  readonly out: string | undefined;
  /** The figure instead of the page. */
  readonly svg: boolean;
}

/** Which device to use, and in which precision. */
export interface DeviceOptions {
  readonly device: string | undefined;
  readonly precision: string | undefined;
}

/** nanogpt eval CHECKPOINT: on validation shards, or (`hellaswag`) on a file of questions. */
export interface EvalOptions extends DeviceOptions {
  readonly checkpoint: string;
  readonly val: string | undefined;
  readonly tokens: number | undefined;
  readonly hellaswag: string | undefined;
  /** Questions at most. */
  readonly limit: number | undefined;
  readonly json: boolean;
}

/** nanogpt sample CHECKPOINT */
export interface SampleOptions {
  readonly checkpoint: string;
  readonly prompt: string | undefined;
  readonly tokens: number | undefined;
  readonly temperature: number | undefined;
  readonly topK: number | undefined;
  readonly seed: number | undefined;
}

/** nanogpt plan [config.json] */
export interface PlanOptions extends ConfigOptions {
  /** --device, --precision. */
  readonly flags: ConfigFlags;
  readonly text: boolean;
  readonly json: boolean;
  /** Machine to project a training step onto, by name. */
  readonly target: string | undefined;
}

/** nanogpt bench [WORKLOAD] */
export interface BenchOptions extends DeviceOptions {
  readonly workload: string | undefined;
  readonly json: boolean;
  readonly byStep: boolean;
  /** A Python with torch. */
  readonly peer: string | undefined;
  readonly threads: number | undefined;
}

/** nanogpt check: golden files, or (`curve`) a run against a stored loss curve, or with neither every op. */
export interface CheckOptions extends DeviceOptions {
  readonly golden: readonly string[];
  readonly json: boolean;
  readonly curve: { readonly file: string; readonly run: string } | undefined;
}

/** nanogpt config [config.json] */
export interface ConfigCommandOptions extends ConfigOptions {
  readonly schema: boolean;
}

/** nanogpt compare RUN... */
export interface CompareOptions {
  readonly runs: readonly string[];
  /** --group name=glob, as written. */
  readonly groups: readonly string[];
  readonly target: number | undefined;
  readonly json: boolean;
}

/** nanogpt watch RUN */
export interface WatchOptions {
  readonly run: string;
  readonly once: boolean;
}

/** nanogpt sweep [config.json] */
export interface SweepOptions extends ConfigOptions {
  /** --over key=a,b,c, as written. */
  readonly over: readonly string[];
  /** Seeds of each combination. */
  readonly seeds: number;
  /** Nats behind the best run at which a run is stopped. */
  readonly stopBehind: number | undefined;
  readonly out: string | undefined;
}

/** nanogpt data tokenize OUT FILES... */
export interface TokenizeCommandOptions {
  readonly folder: string;
  readonly files: readonly string[];
  readonly shardTokens: number | undefined;
  readonly valFraction: number | undefined;
  /** Field of an object, or column, with the text. */
  readonly field: string | undefined;
  /** What standard input holds: a file's ending without the dot. */
  readonly format: string | undefined;
  readonly workers: number | undefined;
}

/** nanogpt data inspect FILE */
export interface InspectOptions {
  readonly file: string;
  readonly json: boolean;
}

/** nanogpt data hellaswag */
export interface FetchCommandOptions {
  /** --out. */
  readonly folder: string | undefined;
  readonly baseUrl: string | undefined;
  readonly verify: boolean;
}

/** nanogpt data fineweb10B [SHARDS] */
export interface FinewebOptions extends FetchCommandOptions {
  readonly shards: number | undefined;
}
