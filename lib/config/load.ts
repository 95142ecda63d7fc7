// From the preset, config.json, --set and flags to one configuration, each value with its source. The later of these
// wins. Reads the one file it is told of; neither environment nor command line. Judges no value: check.ts does, all
// at once. May import lib/base and its neighbours.

import { messageOf, UserError } from "../base/errors.ts";
import { didYouMean } from "../base/nearest.ts";
import { checkedConfig, flatten, type Given, isObject, mismatch, type Problem } from "./check.ts";
import { readOverrides } from "./overrides.ts";
import { DEFAULTS, PRESETS } from "./presets.ts";
import { type Config, PRESET_NAMES, type PresetName } from "./schema.ts";

/** Flags that set a key, as the user wrote them; their keys and source names are in FLAG_KEYS. */
export interface ConfigFlags {
  readonly out?: string | undefined;
  readonly device?: string | undefined;
  readonly precision?: string | undefined;
}

/** What a configuration is made of. Without a preset here or in the file, it is `sample`. */
export interface ConfigRequest {
  readonly file?: string | undefined;
  readonly preset?: string | undefined;
  readonly sets?: readonly string[] | undefined;
  readonly flags?: ConfigFlags | undefined;
  /** Whether values from the file keep the sources that the file records for them, as a run's own config.json does. */
  readonly keepSources?: boolean;
}

/** A configuration, and for each key ("preset", "model.layers") where its value came from. */
export interface ResolvedConfig {
  readonly config: Config;
  readonly sources: Record<string, string>;
}

const DEFAULT_PRESET = "sample";
const FLAG_KEYS = { out: "run.out", device: "device.kind", precision: "device.precision" } as const;
/** Keys of a config file that are about the file itself. */
const IGNORED_KEYS: readonly string[] = ["$schema", "sources"];

/** The configuration of a request. Throws one UserError that lists everything wrong with file, --set and flags. */
export function resolveConfig(request: ConfigRequest): ResolvedConfig {
  const { file, sets = [], flags = {}, keepSources = false } = request;
  const content = file === undefined ? {} : readConfigFile(file);
  const fromFile = flatten(withoutKeys(content, ["preset", ...IGNORED_KEYS]), file ?? "");
  const fromSets = readOverrides(sets);
  const { preset, problems } = choosePreset(request.preset, content.preset, file);
  const given = [
    preset,
    ...flatten(DEFAULTS, "default").given,
    ...flatten(PRESETS[preset.value].values, `preset ${preset.value}`).given,
    ...fromFile.given,
    ...fromSets.given,
    ...flagValues(flags),
  ];
  const found = [...problems, ...fromFile.problems, ...fromSets.problems, ...flagProblems(given)];
  const config = checkedConfig(given, found);
  const recorded = keepSources ? recordedSources(content.sources) : new Map<string, string>();
  const sourceOf = ({ path, source }: Given) => source === file ? recorded.get(path) ?? source : source;
  return { config, sources: Object.fromEntries(given.map((one) => [one.path, sourceOf(one)])) };
}

/** By key, what a config file says of where its values came from. */
function recordedSources(value: unknown): Map<string, string> {
  const entries = isObject(value) ? Object.entries(value) : [];
  return new Map(
    entries.flatMap(([path, source]) => typeof source === "string" ? [[path, source] as const] : []),
  );
}

/**
 * A whole configuration from JSON, as a run or checkpoint stores it: every key must be there. `name` says in error
 * messages where it stands. Throws one UserError that lists everything wrong with it.
 */
export function parseConfig(value: unknown, name: string): Config {
  if (!isObject(value)) {
    throw new UserError(`Cannot use the configuration in ${name}: ${mismatch(value, "an object")}`);
  }
  const { given, problems } = flatten(withoutKeys(value, ["preset", ...IGNORED_KEYS]), name);
  const preset = choosePreset(undefined, value.preset, name);
  return checkedConfig([preset.preset, ...given], [...preset.problems, ...problems]);
}

/** What nanogpt prints and writes for a configuration; reading it back gives the same configuration. */
export function configText({ config, sources }: ResolvedConfig): string {
  return JSON.stringify({ ...config, sources }, null, 2) + "\n";
}

function choosePreset(
  flag: string | undefined,
  inFile: unknown,
  file: string | undefined,
): { preset: Given & { value: PresetName }; problems: Problem[] } {
  const path = "preset";
  const [value, source] = flag !== undefined
    ? [flag, "--preset"]
    : inFile !== undefined
    ? [inFile, file ?? ""]
    : [DEFAULT_PRESET, "default"];
  const known = PRESET_NAMES.find((name) => name === value);
  if (known !== undefined) return { preset: { path, value: known, source }, problems: [] };
  const hint = typeof value === "string" ? didYouMean(value, PRESET_NAMES) : "";
  const text = mismatch(value, `one of ${PRESET_NAMES.join(", ")}`) + hint;
  return { preset: { path, value: DEFAULT_PRESET, source }, problems: [{ path, source, text }] };
}

function flagValues(flags: ConfigFlags): Given[] {
  return (["out", "device", "precision"] as const).flatMap((flag) => {
    const value = flags[flag];
    return value === undefined ? [] : [{ path: FLAG_KEYS[flag], value, source: `--${flag}` }];
  });
}

/** A precision in a preset or file says what fast devices do; asking for one on the reference device is a mistake. */
function flagProblems(given: readonly Given[]): Problem[] {
  const last = (path: string) => given.findLast((one) => one.path === path);
  const precision = last(FLAG_KEYS.precision);
  if (precision?.source !== "--precision" || last(FLAG_KEYS.device)?.value !== "reference") return [];
  const text = "the reference device always computes in float64, leave this flag out";
  return [{ path: precision.path, source: precision.source, text }];
}

function withoutKeys(
  object: Readonly<Record<string, unknown>>,
  keys: readonly string[],
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}

/** The JSON object in a file. Throws UserError where there is none, naming line and column of a syntax error. */
function readConfigFile(file: string): Record<string, unknown> {
  const text = readText(file).replace(/^\uFEFF/, "");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`Cannot read ${file}: not valid JSON at ${placeOf(messageOf(error), text)}`);
  }
  if (isObject(value)) return value;
  throw new UserError(
    `Cannot use ${file}: ${mismatch(value, "a JSON object of sections such as model and data")}`,
  );
}

function readText(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new UserError(`Cannot read ${file}: there is no such file`);
    }
    if (error instanceof Deno.errors.IsADirectory) {
      throw new UserError(`Cannot read ${file}: it is a folder, expected a config.json file`);
    }
    throw new UserError(`Cannot read ${file}: ${messageOf(error)}`);
  }
}

/** "line L, column C (what JSON.parse said)"; the parser gives an offset, or none when the text ends too early. */
function placeOf(message: string, text: string): string {
  const offset = Number(/position (\d+)/.exec(message)?.[1] ?? text.length);
  const lines = text.slice(0, offset).split("\n");
  const said = message.replace(/ in JSON at position.*/s, "");
  return `line ${lines.length}, column ${(lines.at(-1) ?? "").length + 1} (${said})`;
}
