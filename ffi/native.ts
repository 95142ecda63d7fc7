// Opens a kernel library: checks that it has this program's ABI and every symbol of it, and turns what goes wrong
// into errors that say what to do. Opens nothing at import, builds nothing, and never falls back to another library.
// May import lib/base and the generated symbol table.

import { messageOf, RunError } from "../lib/base/errors.ts";
import { isThere } from "../lib/base/files.ts";
import { NANOGPT_ABI_VERSION, SYMBOLS } from "./symbols.ts";

/** An address, a size or a scalar. */
export type NativeArg = bigint | number;

/** An exported function; returns a status (or, for the version, a number). */
export type NativeFunction = (...args: NativeArg[]) => number;

/** An opened kernel library. */
export interface NativeLibrary {
  readonly path: string;
  /** The function `symbol` of kernels/abi.h. */
  functionOf(symbol: string): NativeFunction;
  close(): void;
}

/** Opens the shared object at `path` (a file path or URL); `target` is what make builds it as. */
export function openLibrary(path: string | URL, target: string): NativeLibrary {
  const rebuild = `rebuild the kernels with \`make ${target}\``;
  const version = libraryVersion(path, rebuild);
  if (version !== NANOGPT_ABI_VERSION) {
    const found = `The kernel library ${path} has ABI version ${version}`;
    throw new RunError(`${found}, this program expects ${NANOGPT_ABI_VERSION}; ${rebuild}`);
  }
  const definitions: Record<string, Deno.ForeignFunction> = SYMBOLS;
  const library = dlopen(path, definitions, rebuild);
  const functions = new Map<string, NativeFunction>();
  for (const [name, symbol] of Object.entries(library.symbols)) {
    functions.set(name, (...args) => Number(symbol(...args)));
  }
  return {
    path: String(path),
    functionOf(symbol) {
      const found = functions.get(symbol);
      if (!found) throw new RunError(`${path} has no function ${symbol}; ${rebuild}`);
      return found;
    },
    close: () => library.close(),
  };
}

/** A kernel library as a report tells it: with its ABI version, or why it has none to tell. */
export type LibraryState = { readonly abi: number } | { readonly why: string };

/** Asks a library for its ABI version and opens nothing else of it; `target` is what make builds it as. */
export function libraryState(path: string, target: string): LibraryState {
  if (!isThere(path)) return { why: `not built (make ${target})` };
  try {
    return { abi: libraryVersion(path, `make ${target}`) };
  } catch (error) {
    return { why: messageOf(error) };
  }
}

/** Address of a JavaScript buffer, valid while the buffer is alive. */
export function addressOf(buffer: ArrayBufferView<ArrayBuffer>): bigint {
  const pointer = Deno.UnsafePointer.of(buffer);
  return pointer === null ? 0n : Deno.UnsafePointer.value(pointer);
}

/** The text in a NUL-terminated buffer. */
export function textIn(buffer: Uint8Array): string {
  const end = buffer.indexOf(0);
  return new TextDecoder().decode(buffer.subarray(0, end < 0 ? buffer.length : end));
}

/** The ABI version that the library at `path` was built with; what goes wrong ends with the words `fix`. */
function libraryVersion(path: string | URL, fix: string): number {
  const probe = dlopen(path, { nanogpt_abi_version: SYMBOLS.nanogpt_abi_version }, fix);
  const version = probe.symbols.nanogpt_abi_version();
  probe.close();
  return version;
}

function dlopen<S extends Deno.ForeignLibraryInterface>(
  path: string | URL,
  symbols: S,
  fix: string,
): Deno.DynamicLibrary<S> {
  try {
    return Deno.dlopen(path, symbols);
  } catch (error) {
    throw new RunError(`Could not open the kernel library ${path}: ${messageOf(error)}; ${fix}`);
  }
}
