// Reads --set key.path=value, typed by the schema. A value that does not fit its key is passed on as it is: the check
// of the whole configuration says so together with everything else. Throws nothing: what names no key comes back as a
// list of problems. May import its neighbours only.

import { type Given, type Problem, unknownKey } from "./check.ts";
import { isSection, KEYS, type SectionName, SECTIONS, typedValue } from "./schema.ts";

const SOURCE = "--set";

/** The values that --set gives, in order, and what is wrong with those that name no key. */
export function readOverrides(sets: readonly string[]): { given: Given[]; problems: Problem[] } {
  const given: Given[] = [];
  const problems: Problem[] = [];
  for (const text of sets) {
    const split = text.indexOf("=");
    const path = (split < 0 ? text : text.slice(0, split)).trim();
    const key = KEYS.get(path);
    if (split < 0) {
      problems.push({ path, source: SOURCE, text: 'found no "=", expected key.path=value' });
    } else if (key) {
      given.push({ path, value: typedValue(key, text.slice(split + 1)), source: SOURCE });
    } else {
      problems.push(noSuchKey(path));
    }
  }
  return { given, problems };
}

function noSuchKey(path: string): Problem {
  if (path === "preset") {
    return { path, source: SOURCE, text: "a preset is chosen by --preset or in config.json" };
  }
  if (isSection(path)) {
    return { path, source: SOURCE, text: `a section, expected one of its keys: ${keysOf(path).join(", ")}` };
  }
  return unknownKey(path, SOURCE);
}

function keysOf(section: SectionName): string[] {
  return Object.keys(SECTIONS[section].shape).map((key) => `${section}.${key}`);
}
