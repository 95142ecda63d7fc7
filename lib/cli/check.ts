// nanogpt check: golden files, or a run against a stored loss curve, or every op of the table against the reference
// device, which on a GPU is one report of everything (check_gpu.ts); prints a table of the worst errors and PASS or FAIL, with
// --json one object a file. The checks themselves are lib/run's. Imports ffi/, lib/run, options and neighbours.

import { GpuDevice } from "../../ffi/cuda.ts";
import { UserError } from "../base/errors.ts";
import { checkCurve, curveLines } from "../run/curve.ts";
import { openDevice } from "../run/devices.ts";
import { readGolden } from "../run/golden_file.ts";
import { reportGpu } from "./check_gpu.ts";
import { checkGoldens, checkTable } from "./check_tables.ts";
import type { Context } from "./context.ts";
import { chosenDevice, PRECISIONS } from "./device_options.ts";
import type { CheckOptions } from "./options.ts";
import { out } from "./output.ts";

/** Runs the checks; returns 0 when all pass, else 1. */
export async function check(options: CheckOptions, context: Context): Promise<number> {
  if (options.curve) return checkRun(options.curve, options);
  const { kind = "auto", precision } = chosenDevice(options);
  if (kind === "reference" && options.golden.length === 0) {
    throw new UserError(
      "The reference device is what ops are checked against; give --golden, or another --device",
    );
  }
  // Before the device is opened: a file that cannot be read is told first.
  const goldens = options.golden.map((path) => ({ path, golden: readGolden(path) }));
  const { assets: { libraries }, environment } = context;
  const device = openDevice({ kind, threads: 0, pin: false, libraries, environment });
  const { json } = options;
  const precisions = precision ? [precision] : PRECISIONS;
  try {
    const pass = goldens.length > 0
      ? checkGoldens(device, goldens, precision ?? "bf16", json)
      : device instanceof GpuDevice
      ? await reportGpu(device, { precisions, json }, context)
      : checkTable(device, precisions, json);
    return pass ? 0 : 1;
  } finally {
    device.close();
  }
}

function checkRun({ file, run }: NonNullable<CheckOptions["curve"]>, { json }: CheckOptions): number {
  const result = checkCurve(file, run);
  if (json) out.line(JSON.stringify({ check: "curve", file, run, ...result }));
  else for (const line of curveLines(result)) out.line(line);
  return result.verdict === "PASS" ? 0 : 1;
}
