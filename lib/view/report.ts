// A report of runs as one file that needs nothing else: the page with the runs in it, or a figure of their losses. Reads
// runs and writes that one file, under its name only when it is whole; changes nothing in the runs. May import lib/base,
// lib/run and its neighbours.

import { VERSION } from "../base/version.ts";
import { writeWhole } from "../run/run_log.ts";
import { buildPage } from "./html.ts";
import { viewRun } from "./page_data.ts";
import type { RunView } from "./page_model.ts";
import { readRun } from "./run_data.ts";
import { lossFigure } from "./svg.ts";

/** The report that a run leaves in its own folder. */
export const REPORT_FILE = "report.html";

/**
 * Writes a report of the runs (folders, or logs in the speedrun's form) to `out`; `page` is the folder of the page's
 * parts. UserError where there is no run or no page, RunError where it cannot be written.
 */
export async function writeReport(paths: readonly string[], out: string, page: string): Promise<void> {
  const made = new Date().toISOString().slice(0, 16).replace("T", " ") + " UTC";
  const { html } = await buildPage(page, { kind: "report", version: VERSION, made, runs: readViews(paths) });
  writeWhole(out, html);
}

/** Writes the losses of the runs as an SVG figure; errors as for writeReport(). */
export function writeFigure(paths: readonly string[], out: string): void {
  writeWhole(out, lossFigure(readViews(paths)));
}

/** What a page shows of each run, under names that differ. */
function readViews(paths: readonly string[]): RunView[] {
  const names = new Map<string, number>();
  return paths.map((path) => {
    const view = viewRun(readRun(path), false);
    const count = (names.get(view.name) ?? 0) + 1;
    names.set(view.name, count);
    return count === 1 ? view : { ...view, name: `${view.name} (${count})` };
  });
}
