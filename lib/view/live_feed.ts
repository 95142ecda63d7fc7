// A run as a stream of server-sent events, for any number of readers: each gets the whole run and then what is new. Looks
// at the run's files only while somebody reads; a reader that is slow gets the whole run again when it reads on, so that
// nothing is kept for it. Writes no file. May import lib/base and its neighbours.

import { messageOf } from "../base/errors.ts";
import { fillsStretch, latestSamples, logEnd, meansOf, tableOf, viewRun } from "./page_data.ts";
import { MORE_EVENT, RUN_EVENT, type RunMore } from "./page_model.ts";
import { type RunData, RunFollower } from "./run_data.ts";

const POLL_MS = 1000;
/** After so many new rows the whole run is sent anew, with as few rows as it needs. */
const MOST_NEW_ROWS = 2000;
const RETRY_MS = 2000;

const encoder = new TextEncoder();

/** A reader: its stream, and whether it has missed something. */
interface Reader {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  isBehind: boolean;
}

/** The stream of one run. */
export class LiveFeed {
  readonly #folder: string;
  readonly #note: (text: string) => void;
  readonly #pollMs: number;
  readonly #readers = new Set<Reader>();
  #follower: RunFollower | undefined;
  #run: RunData | undefined;
  #live = true;
  #newRows = 0;
  /** The message with the whole run as it is now, once somebody has needed it. */
  #whole: Uint8Array | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isNoted = false;

  /** `note` is told, once, when the files cannot be read; they are looked at every `pollMs`. */
  constructor(folder: string, note: (text: string) => void, pollMs = POLL_MS) {
    this.#folder = folder;
    this.#note = note;
    this.#pollMs = pollMs;
  }

  /** How many are reading. */
  get readers(): number {
    return this.#readers.size;
  }

  /** The stream for one more reader. */
  open(): ReadableStream<Uint8Array> {
    let reader: Reader;
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        reader = { controller, isBehind: true };
        this.#readers.add(reader);
        if (this.#timer === undefined) this.#poll();
        controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n`));
      },
      pull: () => {
        if (reader.isBehind) this.#catchUp(reader);
      },
      cancel: () => {
        this.#readers.delete(reader);
      },
    });
  }

  /** Sends what is new, and that no more will come. */
  end(): void {
    this.#live = false;
    if (this.#readers.size === 0) return;
    this.#whole = undefined;
    if (!this.#read() && this.#run) this.#send(this.#more(this.#run, this.#run.columns.step.length));
  }

  /** Ends all streams. */
  close(): void {
    clearTimeout(this.#timer);
    for (const { controller } of this.#readers) controller.close();
    this.#readers.clear();
  }

  #poll(): void {
    this.#timer = undefined;
    if (this.#readers.size === 0) return;
    this.#read();
    this.#timer = setTimeout(() => this.#poll(), this.#pollMs);
  }

  /** Sends what has come since; returns whether there was anything. */
  #read(): boolean {
    const before = this.#run;
    const now = this.#next();
    if (now === undefined) return false;
    this.#run = now;
    this.#whole = undefined;
    const rows = now.columns.step.length - (before?.columns.step.length ?? 0);
    this.#newRows += rows;
    if (before !== undefined && goesOn(before, now) && this.#newRows <= MOST_NEW_ROWS) {
      this.#send(this.#more(now, before.columns.step.length));
    } else {
      this.#newRows = 0;
      for (const reader of this.#readers) this.#catchUp(reader);
    }
    return true;
  }

  #next(): RunData | undefined {
    try {
      this.#follower ??= new RunFollower(this.#folder);
      return this.#follower.poll();
    } catch (error) {
      if (!this.#isNoted) this.#note(`The page cannot follow the run: ${messageOf(error)}`);
      this.#isNoted = true;
      return undefined;
    }
  }

  #send(message: Uint8Array): void {
    for (const reader of this.#readers) {
      if (reader.isBehind || (reader.controller.desiredSize ?? 0) <= 0) reader.isBehind = true;
      else reader.controller.enqueue(message);
    }
  }

  /** Sends the whole run, now if the reader has read everything before, else when it has. */
  #catchUp(reader: Reader): void {
    const whole = this.#wholeRun();
    reader.isBehind = whole === undefined || (reader.controller.desiredSize ?? 0) <= 0;
    if (whole !== undefined && !reader.isBehind) reader.controller.enqueue(whole);
  }

  #wholeRun(): Uint8Array | undefined {
    if (this.#run !== undefined) this.#whole ??= message(RUN_EVENT, viewRun(this.#run, this.#live));
    return this.#whole;
  }

  /** The records from this one on. */
  #more(run: RunData, from: number): Uint8Array {
    const records = run.columns.step.length;
    const more: RunMore = {
      live: this.#live,
      records,
      rows: tableOf(run, Array.from({ length: records - from }, (_, i) => from + i)),
      ...(fillsStretch(from, records) && { means: meansOf(run) }),
      samples: latestSamples(run),
      notes: [...run.notes],
      log: logEnd(run),
    };
    return message(MORE_EVENT, more);
  }
}

function message(event: string, data: unknown): Uint8Array {
  return encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

/** Whether what was known of the run still holds. */
function goesOn({ columns: before, config }: RunData, { columns: now, config: newConfig }: RunData): boolean {
  const last = before.step.length - 1;
  if (config !== newConfig || now.step.length <= last) return false;
  const isSame = (a: Float64Array, b: Float64Array) => last < 0 || Object.is(a[last], b[last]);
  return isSame(before.step, now.step) && isSame(before.valLoss, now.valLoss) &&
    isSame(before.trainLoss, now.trainLoss) && isSame(before.stepMs, now.stepMs);
}
