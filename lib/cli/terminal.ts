// What the terminal can show, as the environment tells it, and a screen to draw frames on: the terminal's other screen
// buffer, so that what was there before comes back. Draws what it is given; decides nothing about runs. May import its
// neighbours only; the environment comes in from main.ts.

import { out } from "./output.ts";

/** What may be written to the terminal. */
export interface Terminal {
  /** More than ASCII: the locale says UTF-8. */
  readonly unicode: boolean;
  /** Colours: NO_COLOR is not set. */
  readonly color: boolean;
  /** Moving the cursor: TERM names a terminal that can. */
  readonly cursor: boolean;
}

/** The terminal by its environment variables, as POSIX ranks the locale's and no-color.org says of NO_COLOR. */
export function terminalOf(variable: (name: string) => string | undefined): Terminal {
  const locale = variable("LC_ALL") || variable("LC_CTYPE") || variable("LANG") || "";
  const term = variable("TERM") || "dumb";
  return {
    unicode: /utf-?8/i.test(locale),
    color: !variable("NO_COLOR") && term !== "dumb",
    cursor: term !== "dumb",
  };
}

/** Columns and rows of the terminal; 80 x 24 where they cannot be told. */
export function terminalSize(): { columns: number; rows: number } {
  try {
    const { columns, rows } = Deno.consoleSize();
    return columns > 0 && rows > 0 ? { columns, rows } : { columns: 80, rows: 24 };
  } catch {
    return { columns: 80, rows: 24 };
  }
}

/** The whole terminal as a place to draw on until it is disposed of; keys are read without waiting for a line. */
export class Screen implements Disposable {
  readonly #raw = Deno.stdin.isTerminal();

  constructor() {
    if (this.#raw) Deno.stdin.setRaw(true, { cbreak: true }); // Ctrl-C stays a signal
    out.write("\x1b[?1049h\x1b[?25l\x1b[?7l"); // other buffer, no cursor, long lines are cut
  }

  /** Draws a frame over the one before. Returns whether anybody may still be looking. */
  draw(lines: readonly string[]): boolean {
    const rows = Array.from({ length: terminalSize().rows }, (_, row) => lines[row] ?? "");
    // Each row is emptied before it is written: after a full one that would take its last character.
    return out.write(rows.map((line, row) => `\x1b[${row + 1}H\x1b[2K${line}`).join(""));
  }

  /** Calls `pressed` with each key from now on; nothing where standard input is no terminal. */
  async readKeys(pressed: (key: string) => void): Promise<void> {
    if (!this.#raw) return;
    const buffer = new Uint8Array(64);
    for (let count = await Deno.stdin.read(buffer); count !== null; count = await Deno.stdin.read(buffer)) {
      for (const key of new TextDecoder().decode(buffer.subarray(0, count))) pressed(key);
    }
  }

  [Symbol.dispose](): void {
    out.write("\x1b[?7h\x1b[?25h\x1b[?1049l");
    if (this.#raw) Deno.stdin.setRaw(false);
  }
}
