// nanogpt watch: a run as it goes on, in a terminal of its own; once where there is no terminal. Reads the run's files
// and never writes to its folder. Ends by itself with the run, else by q or Ctrl-C: exit code 0, for nothing was
// interrupted. May import lib/base, lib/run, lib/view, its neighbours and @std/path.

import { join } from "@std/path";
import { RUN_FILES } from "../run/folder.ts";
import { readRun, type RunData, RunFollower } from "../view/run_data.ts";
import { type FrameOptions, hasEnded, watchFrame } from "../view/watch_frame.ts";
import type { Context } from "./context.ts";
import type { WatchOptions } from "./options.ts";
import { out } from "./output.ts";
import { Screen, type Terminal, terminalSize } from "./terminal.ts";

/** How often the run's files are looked at, and how often a frame is drawn though they say nothing new. */
const POLL_MS = 500;
const REDRAW_MS = 5000;

/** Shows the run until it ends or the user leaves; returns the exit code. */
export async function watch({ run: path, once }: WatchOptions, { terminal }: Context): Promise<number> {
  const live = !once && terminal.cursor && Deno.stdout.isTerminal();
  const run = live ? await follow(path, terminal) : readRun(path);
  // What is printed here stays: in colour only on a terminal, and with a row to spare for the prompt below it.
  const { columns, rows } = terminalSize();
  const color = terminal.color && Deno.stdout.isTerminal();
  const size = { columns, rows: rows - 1 };
  frameOf(run, path, { ...terminal, color, ...size }, "").forEach((line) => out.line(line.trimEnd()));
  return 0;
}

/** Draws the run until it has ended or q or Ctrl-C is pressed; returns it as it was last seen. */
async function follow(path: string, terminal: Terminal): Promise<RunData | undefined> {
  const follower = new RunFollower(path);
  let run = follower.poll();
  let left = false;
  const pause = new Pause();
  const redraw = () => pause.end();
  const leave = () => {
    left = true;
    pause.end();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) Deno.addSignalListener(signal, leave);
  Deno.addSignalListener("SIGWINCH", redraw);
  using screen = new Screen();
  screen.readKeys((key) => key === "q" || key === "Q" ? leave() : redraw()).catch(() => {}); // a terminal that is gone
  let isDue = true;
  let drawnAt = 0;
  while (!left && (run === undefined || !hasEnded(run))) {
    if (isDue) {
      if (!screen.draw(frameOf(run, path, { ...terminal, ...terminalSize() }, "q: leave"))) break;
      drawnAt = performance.now();
    }
    const wasEnded = await pause.wait(POLL_MS);
    const fresh = follower.poll();
    run = fresh ?? run;
    isDue = wasEnded || fresh !== undefined || performance.now() - drawnAt > REDRAW_MS;
  }
  return run; // the handlers stay: a second Ctrl-C must not end the program before the terminal is as it was
}

/** A wait that can be ended before its time. */
class Pause {
  #end: (() => void) | undefined;

  /** Waits; returns whether it was ended before its time. */
  wait(ms: number): Promise<boolean> {
    return new Promise((done) => {
      const timer = setTimeout(() => done(false), ms);
      this.#end = () => {
        clearTimeout(timer);
        done(true);
      };
    });
  }

  end(): void {
    this.#end?.();
  }
}

function frameOf(
  run: RunData | undefined,
  path: string,
  look: Omit<FrameOptions, "hint" | "idleSeconds">,
  hint: string,
): string[] {
  return watchFrame(run, path, { ...look, hint, idleSeconds: idleSeconds(path) });
}

/** Seconds since the run's metrics, or a log, were last written. */
function idleSeconds(path: string): number | undefined {
  for (const file of [join(path, RUN_FILES.metrics), path]) {
    try {
      const { mtime } = Deno.statSync(file);
      return mtime === null ? undefined : (Date.now() - mtime.getTime()) / 1000;
    } catch {
      // No folder, or no metrics yet: the next one tells.
    }
  }
  return undefined;
}
