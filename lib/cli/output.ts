// Standard output and standard error that outlive their reader: once the other side is gone (EPIPE, a closed
// terminal) nothing more is written and nothing fails. Commands print through here, never by console.log. Formats
// nothing and adds nothing but the end of a line. Imports nothing.

const encoder = new TextEncoder();

/** One of the two standard streams. */
class Output {
  readonly #stream: { writeSync(bytes: Uint8Array): number };
  #open = true;

  constructor(stream: { writeSync(bytes: Uint8Array): number }) {
    this.#stream = stream;
  }

  /** Writes all of `text`. Returns whether somebody may still be reading. */
  write(text: string): boolean {
    let bytes = encoder.encode(text);
    while (this.#open && bytes.length > 0) {
      try {
        bytes = bytes.subarray(this.#stream.writeSync(bytes));
      } catch (error) {
        // A full pipe that does not block is tried again; anything else (EPIPE, EIO of a dead terminal) is the end.
        if (!(error instanceof Deno.errors.WouldBlock)) this.#open = false;
      }
    }
    return this.#open;
  }

  /** Writes `text` and a line feed. Returns whether somebody may still be reading. */
  line(text: string): boolean {
    return this.write(text + "\n");
  }
}

/** Results: what the user asked for. */
export const out: Output = new Output(Deno.stdout);

/** Everything else: errors, progress, remarks. */
export const err: Output = new Output(Deno.stderr);
