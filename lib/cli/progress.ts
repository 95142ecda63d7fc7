// How a run looks on a terminal: one line that is drawn over and over, and plain lines where there is no terminal.
// Formats and draws; decides nothing, and knows nothing of what is shown, which cannot move the cursor either: only this
// does, within its own line. May import its neighbours and lib/base.

import { printable, printableLine } from "../base/printable.ts";
import { err } from "./output.ts";
import { terminalSize } from "./terminal.ts";

export { formatBar, formatBytes, formatCount, formatDuration } from "../base/units.ts";

/** The line at the bottom of the terminal. Without a terminal nothing is drawn and lines print as they are. */
export class StatusLine {
  readonly #live: boolean;
  #shown = "";

  constructor(live = isTerminal()) {
    this.#live = live;
  }

  /** Whether the status is drawn. */
  get live(): boolean {
    return this.#live;
  }

  /** Draws the status over the one before. */
  draw(text: string): void {
    if (!this.#live) return;
    this.#shown = printableLine(text).slice(0, terminalSize().columns - 1);
    err.write(`\r\x1b[2K${this.#shown}`);
  }

  /** Prints a line that stays, above the status. */
  line(text: string): void {
    const shown = printable(text);
    if (this.#live) err.write(`\r\x1b[2K${shown}\n${this.#shown}`);
    else err.line(shown);
  }

  /** Takes the status away. */
  clear(): void {
    if (this.#live && this.#shown) err.write("\r\x1b[2K");
    this.#shown = "";
  }
}

function isTerminal(): boolean {
  return Deno.stderr.isTerminal();
}
