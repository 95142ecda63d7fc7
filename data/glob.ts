// From a path pattern of a config or flag to the shard files it names, in name order. Knows *, ?, [..] and {..} in
// any part of the path; ** is not special. Refuses a pattern that matches nothing. Opens no file that it finds. May
// import lib/base and @std/path only.

import { globToRegExp, isGlob, join } from "@std/path";
import { messageOf, UserError } from "../lib/base/errors.ts";

/** The entries of `folder` that a part of a pattern matches; hidden ones only where the part begins with a dot. */
async function matchFolder(folder: string, part: string, describe: string): Promise<string[]> {
  const expression = globToRegExp(part, { extended: false, globstar: false });
  const paths: string[] = [];
  try {
    for await (const entry of Deno.readDir(folder === "" ? "." : folder)) {
      if (entry.name.startsWith(".") && !part.startsWith(".")) continue;
      if (expression.test(entry.name)) paths.push(folder === "" ? entry.name : join(folder, entry.name));
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return [];
    throw new UserError(`Cannot list the folder ${folder || "."} for ${describe}: ${messageOf(error)}`);
  }
  return paths;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    return true; // whatever hinders looking is told by whoever opens it
  }
}

/**
 * The files that `pattern` names, sorted by their whole path. A path that exists as it is written names itself, even
 * with glob characters in it. Relative patterns are from the current folder. `what` is the key or flag the pattern
 * came from ("data.train", "--val"), for the UserError when nothing matches; `hint` says there what to do.
 */
export async function expandGlob(
  pattern: string,
  what: string,
  hint = "check the path, or fetch the data first (`nanogpt data fineweb10B`, `nanogpt data tokenize`)",
): Promise<string[]> {
  const describe = `${what} ${JSON.stringify(pattern)}`;
  if (pattern.trim() === "") {
    throw new UserError(`${what} is empty: expected a path or a pattern such as data/*.bin`);
  }
  if (await exists(pattern)) return [pattern];
  const parts = pattern.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.some((part) => part.split("{").length !== part.split("}").length)) {
    throw new UserError(`${describe} cannot be read: {..} must open and close within one part of the path`);
  }
  let found = [pattern.startsWith("/") ? "/" : ""];
  for (const part of parts) {
    const next: string[] = [];
    for (const folder of found) {
      if (isGlob(part)) next.push(...await matchFolder(folder, part, describe));
      else next.push(folder === "" ? part : join(folder, part));
    }
    const checks = await Promise.all(next.map(exists));
    found = next.filter((_, i) => checks[i]);
    if (found.length === 0) {
      const where = isGlob(part) ? `no name matches ${part}` : `${part} does not exist`;
      throw new UserError(`No file matches ${describe}: ${where}; ${hint}`);
    }
  }
  return found.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
