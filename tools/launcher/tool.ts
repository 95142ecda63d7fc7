// What the tools of this folder share: how one ends when it fails, and which files a folder holds. Knows nothing of stages
// and archives. The tools are run from the root of the project and take paths from there.
// May import lib/base and @std/path.

import { join } from "@std/path";
import { UserError } from "../../lib/base/errors.ts";

/** Runs a tool; a UserError is shown as its message, with exit code 1. Anything else is a bug and shows its stack. */
export async function runTool(tool: () => void | Promise<void>): Promise<void> {
  try {
    await tool();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}

/** The files below a folder, as paths from it, sorted by code units: the same on every machine. */
export function filesBelow(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(join(folder, name)).map((path) => `${name}/${path}`) : [name]
  ).sort();
}
