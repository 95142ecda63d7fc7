// nanogpt compare: runs and groups of runs beside each other, as a table or as one JSON object. Compares nothing itself:
// lib/view does. Only reads, and refuses a group without a single run in it. May import lib/base, lib/view, data/ and
// its neighbours.

import { expandGlob } from "../../data/glob.ts";
import { UserError } from "../base/errors.ts";
import { printableLine } from "../base/printable.ts";
import { compareRuns, type RunGroup } from "../view/compare.ts";
import { comparisonLines } from "../view/compare_text.ts";
import { holdsRunData, readRun } from "../view/run_data.ts";
import type { CompareOptions } from "./options.ts";
import { err, out } from "./output.ts";

/** Prints the comparison; returns the exit code. */
export async function compare(options: CompareOptions): Promise<number> {
  const { runs, groups, target, json } = options;
  const singles = runs.map((path): RunGroup => {
    const run = readRun(path);
    return { name: run.name, runs: [run] };
  });
  const all = [...singles, ...await readGroups(groups)];
  if (all.length === 0) {
    throw new UserError("There is nothing to compare: give runs, or groups with --group name=glob");
  }
  const comparison = compareRuns(distinctNames(all), target);
  if (json) out.line(JSON.stringify(comparison, null, 2));
  else comparisonLines(comparison).forEach((line) => out.line(line));
  return 0;
}

/** Runs of one base name are told apart by their whole path. */
function distinctNames(groups: readonly RunGroup[]): RunGroup[] {
  const names = groups.map((group) => group.name);
  return groups.map((group) => {
    const [only] = group.runs;
    const isAlone = names.indexOf(group.name) === names.lastIndexOf(group.name);
    return isAlone || only === undefined || group.runs.length > 1 ? group : { ...group, name: only.path };
  });
}

/** --group name=glob; several of one name make one group. What a glob matches beside runs is left out, and said. */
async function readGroups(words: readonly string[]): Promise<RunGroup[]> {
  const groups = new Map<string, string[]>();
  for (const word of words) {
    const [, name, glob] = /^([^=]+)=(.+)$/.exec(word) ?? [];
    if (name === undefined || glob === undefined) {
      throw new UserError(
        `Cannot use --group ${word}: expected name=glob, such as --group small='runs/small-*'`,
      );
    }
    const matches = await expandGlob(glob, `--group ${name}`, "give run folders or log files");
    const found = matches.filter(holdsRunData);
    const others = matches.filter((path) => !found.includes(path));
    if (found.length === 0) {
      throw new UserError(
        `--group ${name} matches no run, only ${matches.join(", ")}; give run folders or log files`,
      );
    }
    if (others.length > 0) {
      err.line(printableLine(`--group ${name} leaves out what is no run: ${others.join(", ")}`));
    }
    groups.set(name, [...groups.get(name) ?? [], ...found]);
  }
  return [...groups].map(([name, paths]) => ({ name, runs: paths.map(readRun) }));
}
