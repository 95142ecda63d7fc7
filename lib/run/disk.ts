// The disk below a folder: free bytes, and its speed by writing and reading a temporary file of bounded size. The file
// loses its name as soon as it is open, so that nothing remains however the program ends. Makes no folder: what does not
// exist yet is measured at the nearest folder above that does. May import lib/base and @std/path.

import { statfsSync } from "node:fs";
import { dirname, join, resolve } from "@std/path";
import { messageOf } from "../base/errors.ts";
import { writeAll } from "../base/files.ts";

/** Bytes written at most, and read back. */
const MOST_BYTES = 256 << 20;
/** Synced to the disk piece by piece, so that a slow one is noticed early. */
const PIECE_BYTES = 32 << 20;
/** No further piece is written after this time. */
const MOST_MS = 4000;
/** With less free space than this nothing is written. */
const LEAST_FREE_BYTES = 1e9;

/** What was found of one disk. */
export interface DiskFacts {
  /** The folder looked at, which exists. */
  readonly folder: string;
  /** Null where the system does not tell. */
  readonly freeBytes: number | null;
  /** Null where nothing was measured. */
  readonly speed: DiskSpeed | null;
  /** Why nothing was measured; null where it was. */
  readonly why: string | null;
  readonly writable: boolean;
}

/** Bytes per second. Writing includes fsync; reading back may come from the system's cache, and mostly does. */
export interface DiskSpeed {
  readonly bytes: number;
  readonly writeBytesPerSecond: number;
  readonly readBytesPerSecond: number;
}

/** How to look; the defaults are those of `nanogpt info`. */
export interface DiskProbe {
  readonly mostBytes?: number;
  readonly leastFreeBytes?: number;
  readonly free?: (folder: string) => number;
}

/** Looks at the disk of `path`, or of the nearest folder above it that exists. */
export function diskFacts(path: string, probe: DiskProbe = {}): DiskFacts {
  const { mostBytes = MOST_BYTES, leastFreeBytes = LEAST_FREE_BYTES, free = freeIn } = probe;
  const folder = nearestFolder(path);
  const freeBytes = freeOf(folder, free);
  const nothing = { folder, freeBytes, speed: null };
  let file: Deno.FsFile;
  try {
    file = openNameless(folder);
  } catch (error) {
    return { ...nothing, why: `cannot write there: ${messageOf(error)}`, writable: false };
  }
  try {
    if (freeBytes !== null && freeBytes < leastFreeBytes) {
      return { ...nothing, why: "not measured: less than 1 GB is free", writable: true };
    }
    return { folder, freeBytes, speed: speedOf(file, mostBytes), why: null, writable: true };
  } catch (error) {
    return { ...nothing, why: `writing failed: ${messageOf(error)}`, writable: false };
  } finally {
    file.close();
  }
}

/** Whether two folders lie on one file system, so that measuring one is enough. */
export function sameDisk(one: string, other: string): boolean {
  return Deno.statSync(nearestFolder(one)).dev === Deno.statSync(nearestFolder(other)).dev;
}

function nearestFolder(path: string): string {
  for (let folder = resolve(path);; folder = dirname(folder)) {
    try {
      if (Deno.statSync(folder).isDirectory) return folder;
    } catch {
      // looked for further up
    }
    if (folder === dirname(folder)) return folder;
  }
}

function freeIn(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return Number(bavail) * Number(bsize);
}

function freeOf(folder: string, free: (folder: string) => number): number | null {
  try {
    return free(folder);
  } catch {
    return null;
  }
}

function openNameless(folder: string): Deno.FsFile {
  const path = join(folder, `.nanogpt-info-${crypto.randomUUID()}`);
  const file = Deno.openSync(path, { createNew: true, read: true, write: true });
  Deno.removeSync(path);
  return file;
}

function speedOf(file: Deno.FsFile, mostBytes: number): DiskSpeed {
  // Noise, for a file system may compress.
  const piece = new Uint8Array(Math.min(PIECE_BYTES, mostBytes));
  for (let at = 0; at < piece.length; at += 65536) {
    crypto.getRandomValues(piece.subarray(at, at + 65536));
  }
  let bytes = 0;
  const started = performance.now();
  while (bytes + piece.length <= mostBytes && performance.now() - started < MOST_MS) {
    writeAll(file, piece);
    file.syncSync();
    bytes += piece.length;
  }
  const written = performance.now();
  file.seekSync(0, Deno.SeekMode.Start);
  while (file.readSync(piece) !== null); // to the end
  const read = performance.now();
  return {
    bytes,
    writeBytesPerSecond: bytes / (written - started) * 1000,
    readBytesPerSecond: bytes / (read - written) * 1000,
  };
}
