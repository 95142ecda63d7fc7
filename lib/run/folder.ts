// Where a run lies: which folder a command means, whether it may be started there. Creates only what a run owns and
// removes nothing but an empty folder; refuses a folder that holds a run already. What lies in the files is known to
// those who write them. May import lib/base and @std/path.

import { basename, dirname, globToRegExp, join, resolve } from "@std/path";
import { messageOf, UserError } from "../base/errors.ts";

/** The parts of a run's folder. */
export const RUN_FILES = {
  config: "config.json",
  log: "log.txt",
  metrics: "metrics.jsonl",
  samples: "samples.jsonl",
  checkpoints: "checkpoints",
} as const;

/** Whether a folder holds a run: any of its own files. */
export function holdsRun(folder: string): boolean {
  return Object.values(RUN_FILES).some((name) => exists(join(folder, name)));
}

/** The configuration that a run wrote into its folder, if it is there. */
export function ownConfig(folder: string): string | undefined {
  const path = join(folder, RUN_FILES.config);
  return exists(path) ? path : undefined;
}

/**
 * The run folder that a path means: itself, or, for one of its checkpoints, the folder above `checkpoints`.
 * UserError when there is nothing.
 */
export function runFolderOf(path: string): string {
  const full = resolve(path);
  if (!exists(full)) {
    throw new UserError(`There is no run or checkpoint at ${path}; give a folder that training made`);
  }
  return basename(dirname(full)) === RUN_FILES.checkpoints ? dirname(dirname(full)) : full;
}

/** The newest folder that a pattern such as runs/sample-{date} has been expanded to, if any holds a run. */
export function newestRun(pattern: string): string | undefined {
  const full = resolve(pattern);
  const parent = dirname(full);
  if (!exists(parent) || parent.includes("{date}")) return undefined;
  const names = globToRegExp(basename(full).replaceAll("{date}", "[0-9]*-[0-9]*"));
  return [...Deno.readDirSync(parent)].map((entry) => entry.name).filter((name) => names.test(name)).sort()
    .reverse()
    .map((name) => join(parent, name)).find(holdsRun);
}

/**
 * Makes the folder of a new run; returns whether it was not there before. UserError if it holds a run already or cannot
 * be written to.
 */
export function createRunFolder(folder: string): boolean {
  if (holdsRun(folder)) {
    throw new UserError(
      `The folder ${folder} already holds a run; choose another with --out, or go on with --resume auto --out ${folder}`,
    );
  }
  const isNew = !exists(folder);
  makeWritable(folder);
  return isNew;
}

/** Makes sure that a run may write into its folder. UserError if not. */
export function makeWritable(folder: string): void {
  try {
    Deno.mkdirSync(folder, { recursive: true });
    const probe = join(folder, ".writable");
    Deno.writeTextFileSync(probe, "");
    Deno.removeSync(probe);
  } catch (error) {
    throw new UserError(
      `Cannot write to the run's folder ${folder}: ${messageOf(error)}; choose another with --out`,
    );
  }
}

/** Removes the folder of a run that came to nothing, if it is empty, so that the next attempt may use its name. */
export function removeEmpty(folder: string): void {
  try {
    Deno.removeSync(folder);
  } catch {
    // Not empty, or gone: there is nothing to tidy up.
  }
}

/** Whether there is anything at `path`. UserError where that cannot be told. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw new UserError(`Cannot look at ${path}: ${messageOf(error)}`);
  }
}
