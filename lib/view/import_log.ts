// Logs in the form of the Modded-NanoGPT speedrun, as that writes them and as this project's log.txt does: the loss lines
// among the source code and machine facts that such a log embeds. Gives records for the columns of a run; what a log does
// not say (tokens, learning rate) is not made up. Imports its neighbour only.

import type { ColumnsBuilder } from "./columns.ts";

/** A loss line: "step:125/1875 val_loss:3.9123 train_time:20069ms step_avg:160.55ms". */
const LOSS_LINE = /^step:(\d+)\/(\d+) (train|val)_loss:(\S+)(?: train_time:(\S+)ms)?/;
/** What nanogpt writes into its log where a run starts (after step 0) or goes on. */
const START_LINE = /^nanogpt \S+ .*\bfrom step:(\d+)\/\d+/;

/** Reads a log line by line into columns. */
export class LogImporter {
  readonly #columns: ColumnsBuilder;
  /** Steps that the run was to do, as its last loss line says. */
  steps: number | undefined;
  /** The step at which the log's clock was seen to start again, if it was. */
  clockStart: number | undefined;
  /** Seconds of the run before it was resumed: nanogpt's clock starts at 0 then. */
  #before = 0;

  constructor(columns: ColumnsBuilder) {
    this.#columns = columns;
  }

  /** Takes a line; one that is no loss line is passed over. */
  add(line: string): void {
    const start = START_LINE.exec(line);
    if (start) {
      this.#columns.cutFrom(Number(start[1]) + 1);
      this.#before = this.#columns.lastSeconds;
      return;
    }
    const [, step, steps, kind, loss, ms] = LOSS_LINE.exec(line) ?? [];
    if (step === undefined) return;
    this.steps = Number(steps);
    const record = { step: Number(step), [kind === "val" ? "valLoss" : "trainLoss"]: Number(loss) };
    if (ms === undefined) return this.#columns.add(record);
    const seconds = this.#before + Number(ms) / 1000;
    // The speedrun leaves out its first steps, which compile and warm up: what it had counted for them is void.
    if (seconds < this.#columns.lastSeconds && record.step >= this.#columns.lastStep) {
      this.#columns.forgetSeconds();
      this.clockStart = record.step;
    }
    this.#columns.add({ ...record, seconds });
  }
}
