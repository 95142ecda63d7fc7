// The lines of a text file that another process is writing: each read gives the whole lines that were appended since,
// and says when the file is another one than before (replaced, cut off), so that the reader starts over. Opens for
// reading only and closes again at once: it never disturbs the writer. Understands no line. Imports lib/base only.

import { messageOf, UserError } from "../base/errors.ts";

/** How many bytes before the reading position are compared with what stood there, to notice another file. */
const MARK_BYTES = 256;

/** What a read found. */
export interface Tail {
  /** Whether what was read before is void: these lines are those from the file's beginning. */
  readonly restarted: boolean;
  readonly lines: readonly string[];
  /** What stands after the last line feed: a line being written, or one that was left half-written. */
  readonly rest: string;
}

/** One file, read from where the last read ended. */
export class LineTail {
  readonly path: string;
  /** Bytes read, up to and including the last line feed. */
  #offset = 0;
  /** The file that they were read from, and its last bytes before #offset. */
  #file: number | null = null;
  #mark: Uint8Array = new Uint8Array();

  constructor(path: string) {
    this.path = path;
  }

  /** What was appended; a file that is not there is as an empty one. UserError if it cannot be read. */
  read(): Tail {
    try {
      using file = Deno.openSync(this.path, { read: true });
      const { ino, size } = file.statSync();
      const restarted = this.#offset > 0 && !this.#isSame(file, ino, size);
      if (restarted) this.#offset = 0;
      this.#file = ino;
      return { restarted, ...this.#appended(readFrom(file, this.#offset, size)) };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw new UserError(`Cannot read ${this.path}: ${messageOf(error)}`);
      }
      const restarted = this.#offset > 0;
      this.#offset = 0;
      return { restarted, lines: [], rest: "" };
    }
  }

  /** Makes the next read start over. */
  rewind(): void {
    this.#file = null;
  }

  /** The number of a file is used again once it is gone, so the bytes are looked at too. */
  #isSame(file: Deno.FsFile, ino: number | null, size: number): boolean {
    if (ino !== this.#file || size < this.#offset) return false;
    const there = readFrom(file, this.#offset - this.#mark.length, this.#offset);
    return there.every((byte, i) => byte === this.#mark[i]);
  }

  #appended(bytes: Uint8Array): { lines: string[]; rest: string } {
    const end = bytes.lastIndexOf(10) + 1;
    const decoder = new TextDecoder();
    const rest = decoder.decode(bytes.subarray(end));
    if (end === 0) return { lines: [], rest };
    this.#offset += end;
    this.#mark = bytes.slice(Math.max(0, end - MARK_BYTES), end);
    return { lines: decoder.decode(bytes.subarray(0, end - 1)).split("\n"), rest };
  }
}

/** The bytes from one position to another, fewer where the file ends before. */
function readFrom(file: Deno.FsFile, from: number, to: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, to - from));
  file.seekSync(from, Deno.SeekMode.Start);
  let done = 0;
  while (done < bytes.length) {
    const count = file.readSync(bytes.subarray(done));
    if (count === null) break;
    done += count;
  }
  return bytes.subarray(0, done);
}
