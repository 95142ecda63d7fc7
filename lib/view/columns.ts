// Columns of numbers that grow by one record at a time, for runs of any length and runs under way. What was handed out
// stays as it was while more is added, but for the last record, which may be completed. Knows how records follow each other (a resumed run goes back), not where they
// come from. Imports nothing.

/** Columns of a run, all of one length (one entry a record, ascending step); NaN where a record has no such value. */
export interface RunColumns {
  readonly step: Float64Array;
  /** Tokens trained on up to this step; NaN where the tokens of a step are not known. */
  readonly tokens: Float64Array;
  /** Seconds of training up to this step: without start-up, validation, samples and checkpoints. */
  readonly seconds: Float64Array;
  /** Mean cross-entropy of the step's tokens before its update, in nats. */
  readonly trainLoss: Float64Array;
  /** Validation loss after the update, in nats. */
  readonly valLoss: Float64Array;
  readonly lrScale: Float64Array;
  readonly momentum: Float64Array;
  readonly tokensPerSecond: Float64Array;
  /** Share of the machine's measured peak, 0 to 1. */
  readonly peakShare: Float64Array;
  readonly stepMs: Float64Array;
}

/** The name of a column. */
export type ColumnName = keyof RunColumns;

const COLUMN_NAMES: readonly ColumnName[] = [
  "step",
  "tokens",
  "seconds",
  "trainLoss",
  "valLoss",
  "lrScale",
  "momentum",
  "tokensPerSecond",
  "peakShare",
  "stepMs",
];

/** One record: its step, and what else is known of it. */
export type ColumnRecord = Readonly<Partial<Record<ColumnName, number>>> & { readonly step: number };

/** Numbers in an array that doubles when it is full. */
class Column {
  #values = new Float64Array(1024);
  length = 0;

  set(at: number, value: number): void {
    while (at >= this.#values.length) {
      const larger = new Float64Array(2 * this.#values.length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values.fill(NaN, this.length, at);
    this.#values[at] = value;
    this.length = Math.max(this.length, at + 1);
  }

  at(i: number): number {
    return i >= 0 && i < this.length ? this.#values[i] ?? NaN : NaN;
  }

  /** Cuts it off; what was handed out keeps its values. */
  cut(length: number): void {
    this.#values = this.#values.slice();
    this.length = length;
  }

  view(length: number): Float64Array {
    if (length > this.length) this.set(length - 1, NaN);
    return this.#values.subarray(0, length);
  }
}

/** The columns of one run as they grow. */
export class ColumnsBuilder {
  readonly #columns: Readonly<Record<ColumnName, Column>> = {
    step: new Column(),
    tokens: new Column(),
    seconds: new Column(),
    trainLoss: new Column(),
    valLoss: new Column(),
    lrScale: new Column(),
    momentum: new Column(),
    tokensPerSecond: new Column(),
    peakShare: new Column(),
    stepMs: new Column(),
  };
  readonly #phases = new Map<string, Column>();
  #length = 0;

  /** How many records there are. */
  get length(): number {
    return this.#length;
  }

  /** The step of the last record; -Infinity: there is none. */
  get lastStep(): number {
    return this.#length === 0 ? -Infinity : this.#columns.step.at(this.#length - 1);
  }

  /** The seconds of the last record that has any; 0: none has. */
  get lastSeconds(): number {
    for (let i = this.#length - 1; i >= 0; i--) {
      const value = this.#columns.seconds.at(i);
      if (!Number.isNaN(value)) return value;
    }
    return 0;
  }

  /**
   * Adds a record. One of the last record's step completes that record; one of an earlier step comes from a run that
   * went back, and all from that step on is void.
   */
  add(record: ColumnRecord, phaseMs: Readonly<Record<string, number>> = {}): void {
    if (record.step < this.lastStep) this.cutFrom(record.step);
    if (record.step > this.lastStep) this.#length++;
    const at = this.#length - 1;
    for (const name of COLUMN_NAMES) {
      const value = record[name];
      if (value !== undefined) this.#columns[name].set(at, value);
    }
    for (const name in phaseMs) {
      let column = this.#phases.get(name);
      if (column === undefined) this.#phases.set(name, column = new Column());
      column.set(at, phaseMs[name] ?? NaN);
    }
  }

  /** Drops the records from this step on. */
  cutFrom(step: number): void {
    while (this.#length > 0 && this.lastStep >= step) this.#length--;
    for (const column of [...Object.values(this.#columns), ...this.#phases.values()]) {
      if (column.length > this.#length) column.cut(this.#length);
    }
  }

  /** Forgets the seconds so far: the clock started only now. */
  forgetSeconds(): void {
    this.#columns.seconds.cut(0);
  }

  /** The columns so far. */
  columns(): RunColumns {
    const view = (name: ColumnName) => this.#columns[name].view(this.#length);
    return {
      step: view("step"),
      tokens: view("tokens"),
      seconds: view("seconds"),
      trainLoss: view("trainLoss"),
      valLoss: view("valLoss"),
      lrScale: view("lrScale"),
      momentum: view("momentum"),
      tokensPerSecond: view("tokensPerSecond"),
      peakShare: view("peakShare"),
      stepMs: view("stepMs"),
    };
  }

  /** Milliseconds by phase so far. */
  phaseMs(): ReadonlyMap<string, Float64Array> {
    return new Map([...this.#phases].map(([name, column]) => [name, column.view(this.#length)]));
  }
}
