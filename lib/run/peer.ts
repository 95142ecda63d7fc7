// Runs another program's training on the same work for comparison: starts a script that keeps its model in memory,
// asks it for one run at a time and reads one line of JSON a run. Knows nothing of what the script uses. Imports
// lib/base only.

import { messageOf, RunError, UserError } from "../base/errors.ts";

/** What to start. */
export interface PeerRequest {
  /** The interpreter: a path, or a name on the PATH. */
  readonly python: string;
  /** Path of tests/peers/pytorch_peer.py. */
  readonly script: string;
  readonly precision: string;
  readonly threads: number;
}

/** What the script says of itself when it is ready. */
export interface PeerDescription {
  /** Name and version, as "PyTorch 2.13.0". */
  readonly name: string;
  /** Ways in which it can run forward and backward, as "eager" and "compiled". */
  readonly variants: readonly string[];
  /** What it computes in: float32 also where bf16 was asked for and float32 is faster with it. */
  readonly precision: string;
  /** Tokens of a run. */
  readonly tokens: number;
}

/** Waiting longer than this for a line, compilation included, is taken for a hang. */
const MOST_WAIT_MS = 600_000;

/** A running peer. */
export class Peer {
  readonly description: PeerDescription;
  readonly #process: Deno.ChildProcess;
  readonly #lines: LineReader;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;

  private constructor(
    process: Deno.ChildProcess,
    lines: LineReader,
    description: PeerDescription,
  ) {
    this.#process = process;
    this.#lines = lines;
    this.#writer = process.stdin.getWriter();
    this.description = description;
  }

  /** Starts the script and waits until it is warm. UserError if it cannot run, as where torch is missing. */
  static async start(request: PeerRequest): Promise<Peer> {
    const { python, script, precision, threads } = request;
    let process: Deno.ChildProcess;
    try {
      process = new Deno.Command(python, {
        args: [script, "--serve", "--precision", precision, "--threads", String(threads)],
        stdin: "piped",
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
    } catch (error) {
      throw new UserError(`Cannot start the peer's Python ${python}: ${messageOf(error)}`);
    }
    const lines = new LineReader(process.stdout);
    try {
      return new Peer(process, lines, describe(await lines.next()));
    } catch (error) {
      kill(process);
      throw new UserError(
        `The peer ${script} did not start with ${python}: ${messageOf(error)}; it needs a Python with torch`,
      );
    }
  }

  /** One run of a variant, or of "update"; the seconds it took. */
  async run(what: string): Promise<number> {
    await this.#writer.write(new TextEncoder().encode(`${what}\n`));
    const seconds = Object.entries(await this.#lines.next()).find(([key]) => key === "seconds")?.[1];
    if (typeof seconds === "number") return seconds;
    throw new RunError(`The peer gave no time for ${what}`);
  }

  /** Ends the script. */
  async close(): Promise<void> {
    kill(this.#process);
    await this.#lines.close();
    await this.#writer.close().catch(() => undefined);
    await this.#process.status;
  }
}

function kill(process: Deno.ChildProcess): void {
  try {
    process.kill("SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

function describe(line: object): PeerDescription {
  const field = (key: string): unknown => Object.entries(line).find(([name]) => name === key)?.[1];
  const [name, variants, precision, tokens] = ["name", "variants", "precision", "tokens"].map(field);
  if (
    typeof name === "string" && Array.isArray(variants) && typeof precision === "string" &&
    typeof tokens === "number"
  ) {
    return { name, variants: variants.map(String), precision, tokens };
  }
  throw new RunError(`It said ${JSON.stringify(line)}, expected name, variants, precision and tokens`);
}

/** Lines of JSON objects from a stream. */
class LineReader {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  async next(): Promise<object> {
    while (!this.#text.includes("\n")) {
      const { value, done } = await this.#readInTime();
      if (done) throw new RunError("It ended without an answer");
      this.#text += value;
    }
    const end = this.#text.indexOf("\n");
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed === "object" && parsed !== null) return parsed;
    throw new RunError(`It said ${line}, expected a JSON object`);
  }

  async close(): Promise<void> {
    await this.#reader.cancel().catch(() => undefined);
  }

  async #readInTime(): Promise<ReadableStreamReadResult<string>> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, fail) => {
      timer = setTimeout(() => fail(new RunError("It gave no answer in time")), MOST_WAIT_MS);
    });
    try {
      return await Promise.race([this.#reader.read(), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
