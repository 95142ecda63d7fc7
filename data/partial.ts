// A file that is still arriving, under a hidden name that no glob finds, and beside it which of its bytes are there. It
// outlives the process, killed or not: what the note beside it lists was on the disk before it was listed. Publishes
// only when it is told to; judges no content. Imports lib/base, @std/path and this folder.

import { createHash } from "node:crypto";
import { basename, dirname, join } from "@std/path";
import { messageOf, RunError, UserError } from "../lib/base/errors.ts";
import { replaceFile, syncFolder, writeAll } from "../lib/base/files.ts";
import type { RemoteFile } from "./hub.ts";
import { addSpan, lengthOf, missingSpans, type Span } from "./spans.ts";

const VERSION = 1;
const READ_BYTES = 1 << 20;

/** What lies beside a partial file: which file it is to become, and what is there of it. */
interface Note {
  readonly version: number;
  readonly url: string;
  readonly size: number;
  readonly sha256: string | null;
  readonly etag: string | null;
  /** Spans as [start, end] pairs. */
  readonly held: readonly (readonly [number, number])[];
}

export class PartialFile {
  /** The file that it will be. */
  readonly path: string;
  readonly temporary: string;
  readonly #remote: RemoteFile;
  readonly #file: Deno.FsFile;
  #spans: Span[];

  private constructor(path: string, remote: RemoteFile, file: Deno.FsFile, spans: Span[]) {
    this.path = path;
    this.temporary = temporaryOf(path);
    this.#remote = remote;
    this.#file = file;
    this.#spans = spans;
  }

  /** Goes on with what is there of `path`, else begins it; its folder must exist. UserError where it is not writable. */
  static open(path: string, remote: RemoteFile): PartialFile {
    const spans = remote.ranges ? heldSpans(path, remote) : [];
    let file: Deno.FsFile;
    try {
      file = Deno.openSync(temporaryOf(path), { read: true, write: true, create: true });
    } catch (error) {
      throw new UserError(`Cannot write into the folder ${dirname(path)}: ${messageOf(error)}`);
    }
    const partial = new PartialFile(path, remote, file, spans);
    if (spans.length === 0) partial.reset();
    return partial;
  }

  /** How many bytes are there. */
  get held(): number {
    return lengthOf(this.#spans);
  }

  /** What is not there yet, in pieces of at most `most` bytes. */
  missing(most: number): Span[] {
    return missingSpans(this.#spans, this.#remote.size, most);
  }

  /** Puts bytes in their place. */
  write(at: number, bytes: Uint8Array): void {
    this.#onDisk(() => {
      this.#file.seekSync(at, Deno.SeekMode.Start);
      writeAll(this.#file, bytes);
    });
    this.#spans = addSpan(this.#spans, { start: at, end: at + bytes.length });
  }

  /** Forgets all that is there. */
  reset(): void {
    this.#spans = [];
    this.#onDisk(() => this.#file.truncateSync(0));
    remove(noteOf(this.path));
  }

  /** Makes what is there outlive the process: first the bytes, then the note of them. */
  async save(): Promise<void> {
    const { url, size, sha256 = null, etag = null } = this.#remote;
    const held = this.#spans.map(({ start, end }) => [start, end] as const);
    try {
      await this.#file.syncData();
    } catch (error) {
      throw this.#problem(error);
    }
    const note: Note = { version: VERSION, url: url.href, size, sha256, etag, held };
    this.#onDisk(() => replaceFile(noteOf(this.path), JSON.stringify(note)));
  }

  /** SHA-256 (hex) of all that is there. */
  digest(): Promise<string> {
    return digestOf(this.temporary);
  }

  /** Gives the file its name, for good. */
  publish(): void {
    this.#onDisk(() => {
      this.#file.syncSync();
      Deno.renameSync(this.temporary, this.path);
      syncFolder(dirname(this.path));
    });
    remove(noteOf(this.path));
  }

  /** Removes what is there. */
  discard(): void {
    remove(this.temporary);
    remove(noteOf(this.path));
  }

  close(): void {
    this.#file.close();
  }

  #onDisk(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw this.#problem(error);
    }
  }

  #problem(error: unknown): RunError {
    return new RunError(
      `Writing ${this.path} failed: ${
        messageOf(error)
      }; what has arrived is kept beside it: make room, then run the ` +
        "same command again",
    );
  }
}

/** How many bytes of `remote` an earlier attempt left for `path`. */
export function heldBytes(path: string, remote: RemoteFile): number {
  return remote.ranges ? lengthOf(heldSpans(path, remote)) : 0;
}

/** SHA-256 (hex) of a file, read in blocks. */
export async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  const block = new Uint8Array(READ_BYTES);
  try {
    using file = await Deno.open(path, { read: true });
    for (let got = await file.read(block); got !== null; got = await file.read(block)) {
      hash.update(block.subarray(0, got));
    }
  } catch (error) {
    throw new RunError(`Reading ${path} failed: ${messageOf(error)}`);
  }
  return hash.digest("hex");
}

/** `.NAME.part`: hidden, and not ending like the file, so that no pattern for the files names it. */
function temporaryOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.part`);
}

function noteOf(path: string): string {
  return `${temporaryOf(path)}.json`;
}

/** What the note lists, if it is readable, of this very file, and the bytes are there; else nothing. */
function heldSpans(path: string, remote: RemoteFile): Span[] {
  try {
    const note = parseNote(Deno.readTextFileSync(noteOf(path)));
    const last = note?.held.at(-1)?.[1] ?? 0;
    if (!note || !isOf(note, remote) || Deno.statSync(temporaryOf(path)).size < last) return [];
    return note.held.map(([start, end]) => ({ start, end }));
  } catch {
    return []; // no note, no file, or not readable: it is fetched from the start
  }
}

/** The same content: by hash where both know it, else by address and entity tag. */
function isOf(note: Note, remote: RemoteFile): boolean {
  if (note.size !== remote.size) return false;
  if (note.sha256 !== null || remote.sha256 !== undefined) return note.sha256 === remote.sha256;
  return note.url === remote.url.href && note.etag === (remote.etag ?? null);
}

/** A note in the form that `save` writes it, with spans in order and within the size. */
function parseNote(text: string): Note | undefined {
  const note: Partial<Record<keyof Note, unknown>> | null = JSON.parse(text);
  if (note === null || typeof note !== "object") return undefined;
  const { version, url, size, sha256, etag, held } = note;
  const isText = (value: unknown): value is string | null => value === null || typeof value === "string";
  if (version !== VERSION || typeof url !== "string" || typeof size !== "number") return undefined;
  if (!isText(sha256) || !isText(etag) || !Array.isArray(held)) return undefined;
  let before = -1;
  for (const span of held) {
    const [start, end]: unknown[] = Array.isArray(span) ? span : [];
    if (!Number.isSafeInteger(start) || typeof start !== "number" || start <= before) return undefined;
    if (!Number.isSafeInteger(end) || typeof end !== "number" || end <= start || end > size) return undefined;
    before = end;
  }
  return { version, url, size, sha256, etag, held };
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
