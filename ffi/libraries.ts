// Which libraries of others this machine has: opens them by name as the system's loader finds them, asks their version
// and closes them. Starts no driver and uses no device; a library that is missing is a fact with its reason, not an
// error. Knows no name of a library. May import lib/base.

import { messageOf } from "../lib/base/errors.ts";

/** How to find a library and ask its version. */
export interface LibraryQuery {
  /** Names to try in order, such as libcuda.so.1. */
  readonly names: readonly string[];
  /** A function int f(int* version). */
  readonly version: string;
}

/** The library that opened, with its version as it states it (null: it did not say); or why none did. */
export type LibraryFound =
  | { readonly name: string; readonly version: number | null }
  | { readonly why: string };

/** Opens the first of the names that the system has; `why` is about the first name, the usual one. */
export function findLibrary({ names, version }: LibraryQuery): LibraryFound {
  const problems: string[] = [];
  for (const name of names) {
    try {
      return { name, version: versionOf(name, version) };
    } catch (error) {
      problems.push(messageOf(error).replaceAll("Could not open library: ", ""));
    }
  }
  return { why: problems[0] ?? "no name to look for" };
}

function versionOf(name: string, symbol: string): number | null {
  const library = Deno.dlopen(name, {
    version: { name: symbol, parameters: ["buffer"], result: "i32", optional: true },
  });
  try {
    const out = new Int32Array(1);
    return library.symbols.version?.(new Uint8Array(out.buffer)) === 0 ? out[0] ?? null : null;
  } finally {
    library.close();
  }
}
