// The runs that a page knows, each with its colour, which it keeps for as long as it is shown; adds to them what a run
// under way sends. Fetches nothing, draws nothing and judges no number. Browser code; may import types of the page's
// model.

import type { Numbers, RunMore, RunTable, RunView } from "../page_model.ts";

/** The columns of a table that hold a number or null each. */
const COLUMNS = [
  "seconds",
  "trainLoss",
  "valLoss",
  "tokensPerSecond",
  "peakShare",
  "stepMs",
] as const satisfies readonly (keyof RunTable)[];

/** A run on the page. */
export interface ShownRun {
  readonly view: RunView;
  /** Number of its colour. */
  readonly color: number;
}

/** The runs that are shown, in the order in which they were added. */
export class Runs {
  readonly #runs = new Map<string, ShownRun>();

  /** Adds a run, or takes the place of the one of that name. */
  put(view: RunView): void {
    this.#runs.set(view.name, { view, color: this.#runs.get(view.name)?.color ?? this.#freeColor() });
  }

  remove(name: string): void {
    this.#runs.delete(name);
  }

  has(name: string): boolean {
    return this.#runs.has(name);
  }

  get(name: string): ShownRun | undefined {
    return this.#runs.get(name);
  }

  all(): readonly ShownRun[] {
    return [...this.#runs.values()];
  }

  /** Adds the new rows of a run; the rest takes the place of what was there. */
  extend(name: string, { rows, ...rest }: RunMore): void {
    const run = this.#runs.get(name);
    if (!run) return;
    append(run.view.table, rows);
    Object.assign(run.view, rest);
  }

  #freeColor(): number {
    const used = new Set(this.all().map(({ color }) => color));
    let color = 0;
    while (used.has(color)) color++;
    return color;
  }
}

function append(table: RunTable, rows: RunTable): void {
  const before = table.step.length;
  table.step.push(...rows.step);
  for (const name of COLUMNS) table[name].push(...rows[name]);
  for (const { name, ms } of rows.phases) {
    const known = table.phases.find((phase) => phase.name === name);
    if (known) known.ms.push(...ms);
    else table.phases.push({ name, ms: [...new Array<null>(before).fill(null), ...ms] });
  }
  for (const { ms } of table.phases) fill(ms, table.step.length);
}

function fill(column: Numbers, length: number): void {
  while (column.length < length) column.push(null);
}

/** The last number of a column. */
export function lastNumber(column: Numbers): number | undefined {
  return column.findLast((value) => value !== null) ?? undefined;
}
