// Judges a configuration: finds everything that is wrong with it and says it in one message. Knows nothing of files,
// flags or presets: it is given values by key and where each came from. Corrects nothing and fills nothing in. May
// import lib/base and its neighbours.

import { UserError } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import { brokenRules } from "./rules.ts";
import { type Config, configSchema, isSection, KEYS, SECTION_NAMES, SECTIONS } from "./schema.ts";

/** One thing wrong: at which key, in which source, and what is wrong there. */
export interface Problem {
  readonly path: string;
  readonly source: string;
  readonly text: string;
}

/** A value given for a key ("model.dim"), and where it came from ("config.json", "--set", "preset sample"). */
export interface Given {
  readonly path: string;
  readonly value: unknown;
  readonly source: string;
}

/** Throws one UserError that lists all problems; returns when there are none. */
export function refuse(problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const lines = problems.map(({ path, source, text }) => `  ${path} (${source}): ${text}`);
  const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
  throw new UserError([`The configuration has ${count}:`, ...lines].join("\n"));
}

/** "found ..., expected ..." for a value that does not do. */
export function mismatch(value: unknown, expected: string): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return `found ${text.length > 80 ? `${text.slice(0, 77)}...` : text}, expected ${expected}`;
}

/** Whether a JSON value is an object, neither null nor a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The problem of a name that is neither section nor key, with the name that was probably meant: a key of that very name
 * in another section first, then the most similar one.
 */
export function unknownKey(path: string, source: string): Problem {
  const [section = "", name] = path.split(".");
  const namesake = [...KEYS.values()].find((key) => key.name === (name ?? section));
  const [wanted, known, prefix] = name !== undefined && isSection(section)
    ? [name, Object.keys(SECTIONS[section].shape), `${section}.`]
    : [section, ["preset", ...SECTION_NAMES], ""];
  const similar = nearest(wanted, known);
  const meant = namesake?.path ?? (similar === undefined ? undefined : prefix + similar);
  const hint = meant === undefined ? `, known here: ${known.join(", ")}` : `, did you mean "${meant}"?`;
  return { path, source, text: `unknown key${hint}` };
}

/** Splits a JSON object of sections into single values; what is no section or no key becomes a problem. */
export function flatten(
  object: Readonly<Record<string, unknown>>,
  source: string,
): { given: Given[]; problems: Problem[] } {
  const given: Given[] = [];
  const problems: Problem[] = [];
  for (const [section, content] of Object.entries(object)) {
    if (!isSection(section)) {
      problems.push(unknownKey(section, source));
    } else if (!isObject(content)) {
      const text = mismatch(content, `an object with keys of ${section}`);
      problems.push({ path: section, source, text });
    } else {
      for (const [name, value] of Object.entries(content)) {
        const path = `${section}.${name}`;
        if (KEYS.has(path)) given.push({ path, value, source });
        else problems.push(unknownKey(path, source));
      }
    }
  }
  return { given, problems };
}

/**
 * The configuration of these values; of two for one key, the later wins. Throws one UserError with every problem: those
 * found before, values of a wrong type or outside their limits, keys without a value, broken dependencies between keys.
 */
export function checkedConfig(given: Iterable<Given>, found: readonly Problem[]): Config {
  const byPath = new Map([...given].map((one) => [one.path, one]));
  const problems = [...found];
  const complain = (path: string, expected: string) => {
    const { value, source } = byPath.get(path) ?? { value: undefined, source: "missing" };
    problems.push({ path, source, text: mismatch(value, expected) });
  };
  const right = new Map<string, unknown>();
  for (const { path, schema } of KEYS.values()) {
    const verdict = schema.safeParse(byPath.get(path)?.value);
    if (verdict.success) right.set(path, verdict.data);
    else complain(path, verdict.error.issues[0]?.message ?? "another value");
  }
  for (const { path, expected } of brokenRules((path) => right.get(path))) complain(path, expected);
  refuse(problems);
  return configSchema.parse({ preset: byPath.get("preset")?.value, ...sectionsOf(right) });
}

/** Single values back into an object of sections. */
function sectionsOf(values: ReadonlyMap<string, unknown>): Record<string, Record<string, unknown>> {
  const sections: Record<string, Record<string, unknown>> = {};
  for (const { section, name, path } of KEYS.values()) {
    (sections[section] ??= {})[name] = values.get(path);
  }
  return sections;
}
