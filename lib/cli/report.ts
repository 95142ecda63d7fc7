// nanogpt report: one HTML file about one or more runs, or an SVG figure of their losses. Says where the file is. Reads the
// runs only: trains nothing, opens no device and changes nothing in their folders. May import lib/view, context, options
// and output.

import { writeFigure, writeReport } from "../view/report.ts";
import type { Context } from "./context.ts";
import type { ReportOptions } from "./options.ts";
import { out } from "./output.ts";

/** Writes the report; returns the exit code. */
export async function report(options: ReportOptions, context: Context): Promise<number> {
  const { runs, svg } = options;
  const path = options.out ?? (svg ? "loss.svg" : "report.html");
  if (svg) writeFigure(runs, path);
  else await writeReport(runs, path, context.assets.page);
  out.line(path);
  return 0;
}
