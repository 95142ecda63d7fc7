// Writes what is appended to the launcher, in the form that archive.h describes and archive.c reads. Makes the same bytes
// from the same files; what was compressed before is taken from a folder of its results, found by content. Opens no
// archive and chooses no files. May import lib/base and @std/path.

import { createHash } from "node:crypto";
import zlib from "node:zlib";
import { join } from "@std/path";

/** How packed files are stored: as one zstd frame each, or as they are. */
export type Form = "zstd" | "stored";

/** A file to be packed. */
export interface Packed {
  /** Where it will lie, from the folder it is unpacked into. */
  readonly path: string;
  readonly from: string;
  readonly mode: number;
}

const MAGIC = "NANOGPT1";
const FOOTER_BYTES = 8 + 3 * 8 + 128;
/** Level 19 saves up to a third of the bytes and takes thirty times as long: minutes for the runtime, of 100 MB. */
function levelFor(bytes: number): number {
  return bytes < 32 << 20 ? 19 : 12;
}
/** Repetitions are looked for as far back as every decoder allows by default: 128 MB. */
const WINDOW_LOG = 27;

/** The launcher with these files appended, the runtime first. `results` is where compressed files are kept. */
export function archiveBytes(
  launcher: Uint8Array,
  files: readonly Packed[],
  form: Form,
  results: string,
): Uint8Array {
  const parts = [launcher];
  const lines: string[] = [];
  const used = new Set<string>();
  let offset = launcher.length;
  for (const { path, from, mode } of files) {
    const bytes = Deno.readFileSync(from);
    const hash = blake2b(bytes);
    const stored = form === "zstd" ? compressed(bytes, join(results, hash)) : bytes;
    used.add(hash);
    lines.push([mode.toString(8), form, offset, stored.length, bytes.length, hash, path].join(" "));
    parts.push(stored);
    offset += stored.length;
  }
  const index = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
  parts.push(index, footer(index, offset));
  if (form === "zstd") forgetOthers(results, used);
  return joined(parts);
}

function footer(index: Uint8Array, offset: number): Uint8Array {
  const bytes = new Uint8Array(FOOTER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MAGIC), 0);
  const sizes = [offset, index.length, offset + index.length + FOOTER_BYTES];
  sizes.forEach((size, i) => view.setBigUint64(8 + 8 * i, BigInt(size), true));
  bytes.set(new TextEncoder().encode(blake2b(index)), 32);
  return bytes;
}

function blake2b(bytes: Uint8Array): string {
  return createHash("blake2b512").update(bytes).digest("hex");
}

/** One zstd frame of `bytes`; the file `result` holds it from an earlier time, or from now on. */
function compressed(bytes: Uint8Array, result: string): Uint8Array {
  try {
    return Deno.readFileSync(result);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const options = {
    pledgedSrcSize: bytes.length, // else zstd takes, and clears, tables for the longest of files: half a second for each
    params: {
      [zlib.constants.ZSTD_c_compressionLevel]: levelFor(bytes.length),
      [zlib.constants.ZSTD_c_enableLongDistanceMatching]: 1,
      [zlib.constants.ZSTD_c_windowLog]: WINDOW_LOG,
    },
  };
  const made = zlib.zstdCompressSync(bytes, options);
  Deno.mkdirSync(join(result, ".."), { recursive: true });
  Deno.writeFileSync(`${result}.new`, made);
  Deno.renameSync(`${result}.new`, result);
  return made;
}

/** Removes the results of files that are packed no more. */
function forgetOthers(results: string, used: ReadonlySet<string>): void {
  for (const { name } of [...Deno.readDirSync(results)]) {
    if (!used.has(name)) Deno.removeSync(join(results, name));
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}
