// For tests of runs: a model so small that a run of it takes about a second, shards for it, and the real command line
// as a process that is watched while it runs, sent signals, and killed when it takes too long. Not a test itself.

import { assert } from "@std/assert";
import { join } from "@std/path";
import { putShard, randomBelow } from "../data/helpers.ts";
import { type Finished, ROOT } from "./command.ts";

/** No command of these tests takes longer unless it hangs; then it is killed. */
const LIMIT_MS = 60_000;
const VOCAB = 256;
/** Tokens of a step: 4 sequences of 16. */
export const STEP_TOKENS = 64;

/** The settings of the small model, but for its data. */
const SMALL: Readonly<Record<string, string | number>> = {
  "model.vocab": VOCAB,
  "model.eos": 0,
  "model.dim": 16,
  "model.window": 8,
  "data.sequenceLength": 16,
  "device.threads": 1, // the threads of runs side by side would wait for each other
  "data.valTokens": 256,
};

/** `--set key=value` for each. */
export function sets(values: Readonly<Record<string, string | number | boolean>>): string[] {
  return Object.entries(values).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
}

/** Tokens with some structure to learn: documents of changing length, opened by token 0. */
export function someTokens(count: number, seed: number): number[] {
  const below = randomBelow(seed);
  return Array.from(
    { length: count },
    (_, i) => i === 0 || below(37) === 0 ? 0 : 1 + below(20) * (1 + below(9)),
  );
}

/** A folder with two training shards (steps 11 and 25 are the first of a shard) and one for validation. */
export async function inRunFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "nanogpt run " });
  try {
    await putShard(folder, "train_0.bin", someTokens(10 * STEP_TOKENS + 1, 1));
    await putShard(folder, "train_1.bin", someTokens(14 * STEP_TOKENS + 9, 2));
    await putShard(folder, "val.bin", someTokens(300, 3));
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** `train` of the small model on the shards in `folder`; `values` are further settings. */
export function trainArgs(
  folder: string,
  values: Readonly<Record<string, string | number | boolean>> = {},
): string[] {
  const data = { "data.train": join(folder, "train_*.bin"), "data.val": join(folder, "val.bin") };
  return ["train", "--preset", "tiny", ...sets({ ...SMALL, ...data, ...values })];
}

/** How to start a command. */
interface StartOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Another copy of main.ts. */
  readonly main?: string;
  /** After how long it is killed, if not as most commands. */
  readonly limitMs?: number;
}

/** Arguments of Deno that start nanogpt. */
export function denoArgs(args: readonly string[], main: string = join(ROOT, "main.ts")): string[] {
  return ["run", "--quiet", "--allow-all", "--no-prompt", main, ...args];
}

/** A command under way. */
export class Started {
  readonly #child: Deno.ChildProcess;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #limitMs: number;
  readonly #out: Gathered;
  readonly #err: Gathered;
  #late = false;

  constructor(args: readonly string[], options: StartOptions = {}) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: denoArgs(args, options.main),
      cwd: options.cwd ?? ROOT,
      env: { NO_COLOR: "1", ...options.env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#limitMs = options.limitMs ?? LIMIT_MS;
    this.#timer = setTimeout(() => {
      this.#late = true;
      this.#child.kill("SIGKILL");
    }, this.#limitMs);
    this.#out = new Gathered(this.#child.stdout);
    this.#err = new Gathered(this.#child.stderr);
  }

  /** Waits until standard error shows `text`; fails if it ends without. Returns all that it has shown. */
  async shown(text: string): Promise<string> {
    assert(await this.#err.shows(text), `"${text}" was not shown:\n${this.#err.text}`);
    return this.#err.text;
  }

  /** Waits until standard output holds anything; fails if it ends without. */
  async answers(): Promise<string> {
    assert(await this.#out.shows(""), `nothing was said:\n${this.#err.text}`);
    return this.#out.text;
  }

  signal(name: Deno.Signal): void {
    this.#child.kill(name);
  }

  /** Waits for the end. */
  async end(): Promise<Finished> {
    const { code } = await this.#child.status;
    clearTimeout(this.#timer);
    await Promise.all([this.#out.done, this.#err.done]);
    const [stdout, stderr] = [this.#out.text, this.#err.text];
    assert(!this.#late, `The command took more than ${this.#limitMs} ms:\n${stdout}\n${stderr}`);
    return { code, stdout, stderr };
  }
}

/** What a stream has said so far. */
class Gathered {
  text = "";
  readonly done: Promise<void>;
  #waiting: (() => void)[] = [];
  #ended = false;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.done = this.#read(stream);
  }

  async shows(wanted: string): Promise<boolean> {
    while (this.text === "" || !this.text.includes(wanted)) {
      if (this.#ended) return false;
      await new Promise<void>((wake) => this.#waiting.push(wake));
    }
    return true;
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const part of stream) {
      this.text += decoder.decode(part, { stream: true });
      this.#wake();
    }
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

/** Runs a command to its end. */
export function run(args: readonly string[], options: StartOptions = {}): Promise<Finished> {
  return new Started(args, options).end();
}

/** Runs a command that must succeed. */
export async function mustRun(args: readonly string[], options: StartOptions = {}): Promise<Finished> {
  const finished = await run(args, options);
  assert(finished.code === 0, `exit code ${finished.code}:\n${finished.stderr}`);
  return finished;
}

/** The lines of a run's metrics.jsonl as they were written. */
export function metricsOf(folder: string): Record<string, unknown>[] {
  return Deno.readTextFileSync(join(folder, "metrics.jsonl")).trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
}

/** Names in a folder, sorted. */
export function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
}

/** The bytes of the three files of a checkpoint as one text for comparing. */
export async function checkpointDigest(folder: string, step: number): Promise<string> {
  const path = join(folder, "checkpoints", `step-${String(step).padStart(6, "0")}`);
  const digests = namesIn(path).map(async (name) => {
    const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(join(path, name)));
    return `${name} ${new Uint8Array(digest).toHex()}`;
  });
  return (await Promise.all(digests)).join("\n");
}

/** Inverts one bit of a file. */
export function flipBit(path: string, at: number): void {
  const bytes = Deno.readFileSync(path);
  const byte = bytes[at];
  if (byte === undefined) throw new RangeError(`${path} has ${bytes.length} bytes`);
  bytes[at] = byte ^ 1;
  Deno.writeFileSync(path, bytes);
}
