// nanogpt check: golden files, or a run against a stored loss curve, or every op of the table against the reference
// device; prints a table of the worst errors and PASS or FAIL, with --json one object a file. The checks themselves are
// lib/run's. Imports lib/run, options and output.

import type { Device, DeviceDescription } from "../../ffi/device.ts";
import { UserError } from "../base/errors.ts";
import { formatTable } from "../base/units.ts";
import { OP_NAMES } from "../graph/op.ts";
import { checkGolden, type GoldenReport } from "../run/check_golden.ts";
import { checkOp, type OpResult } from "../run/check_ops.ts";
import { checkCurve, curveLines } from "../run/curve.ts";
import { openDevice, type Precision } from "../run/devices.ts";
import { readGolden } from "../run/golden_file.ts";
import type { Context } from "./context.ts";
import { chosenDevice, PRECISIONS } from "./device_options.ts";
import type { CheckOptions } from "./options.ts";
import { out } from "./output.ts";

/** Problems shown of one op: the first ones tell most. */
const MOST_PROBLEMS = 3;

/** Runs the checks; returns 0 when all pass, else 1. */
export function check(options: CheckOptions, context: Context): number {
  if (options.curve) return checkRun(options.curve, options);
  const { kind = "auto", precision } = chosenDevice(options);
  if (kind === "reference" && options.golden.length === 0) {
    throw new UserError(
      "The reference device is what ops are checked against; give --golden, or another --device",
    );
  }
  // Before the device is opened: a file that cannot be read is told first.
  const goldens = options.golden.map((path) => ({ path, golden: readGolden(path) }));
  const device = openDevice({
    kind,
    threads: 0,
    pin: false,
    libraries: context.assets.libraries,
    environment: context.environment,
  });
  try {
    if (goldens.length === 0) return checkTable(device, precision ? [precision] : PRECISIONS, options.json);
    const passes = goldens.map(({ path, golden }) => {
      const asked = { precision: precision ?? "bf16", run: "auto" } as const;
      const report = checkGolden(golden, device, asked);
      showGolden(path, report, device.describe(), asked.precision, options.json);
      return report.pass;
    });
    return passes.every((pass) => pass) ? 0 : 1;
  } finally {
    device.close();
  }
}

function verdict(pass: boolean): "PASS" | "FAIL" {
  return pass ? "PASS" : "FAIL";
}

/** What a table or object says of the device. */
function facts({ kind, isa, threads, simulated }: DeviceDescription, precision: Precision | undefined) {
  return { device: kind, isa, threads, simulated, precision: kind === "reference" ? "float64" : precision };
}

function heading(description: DeviceDescription, precision: string): string {
  const { kind, isa, threads, simulated } = description;
  if (kind === "reference") return "reference, float64";
  return `${kind}, ${isa}${simulated ? " (simulated)" : ""}, ${threads} threads, ${precision}`;
}

/** Three digits, as 0.0123 or 1.23e-7. */
function figure(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  return value >= 1e-3 && value < 1e4 ? String(Number(value.toPrecision(3))) : value.toExponential(2);
}

// ---- golden files ----

function showGolden(
  path: string,
  report: GoldenReport,
  description: DeviceDescription,
  precision: Precision,
  json: boolean,
): void {
  if (json) {
    const head = {
      check: "golden",
      file: path,
      ...facts(description, precision),
      verdict: verdict(report.pass),
    };
    out.line(JSON.stringify({ ...head, groups: report.groups, skipped: report.skipped }));
    return;
  }
  out.line(`${path} on ${heading(description, precision)}`);
  const rows = report.groups.map((group) => [
    group.name,
    String(group.count),
    figure(group.error),
    figure(group.mark),
    figure(group.ratio),
    group.pass ? "pass" : "FAIL",
    group.where,
  ]);
  const head = ["", "count", "worst error", "mark", "of allowed", "", "where"];
  for (const line of formatTable([head, ...rows], [0, 5, 6])) out.line(`  ${line}`);
  for (const group of report.groups) {
    if (!group.pass) out.line(`  ${group.name}, ${group.where}: ${group.reason}`);
  }
  for (const what of report.skipped) out.line(`  left out: ${what}`);
  out.line(verdict(report.pass));
}

// ---- ops ----

function checkTable(device: Device, precisions: readonly Precision[], json: boolean): number {
  const results = precisions.flatMap((precision) => OP_NAMES.map((op) => checkOp(device, op, precision)));
  const pass = results.every((result) => result.pass);
  if (json) {
    const { precision: _, ...machine } = facts(device.describe(), undefined);
    out.line(JSON.stringify({ check: "ops", ...machine, verdict: verdict(pass), ops: results }));
  } else {
    out.line(
      `Every op on ${heading(device.describe(), precisions.join(" and "))}, against the reference device`,
    );
    showOps(results);
    out.line(verdict(pass));
  }
  return pass ? 0 : 1;
}

function showOps(results: readonly OpResult[]): void {
  const rows = results.map((result) => [
    result.op,
    result.precision,
    String(result.calls),
    figure(result.worst),
    result.pass ? "pass" : "FAIL",
    result.where,
  ]);
  const head = ["op", "", "calls", "of allowed", "", "worst at"];
  for (const line of formatTable([head, ...rows], [0, 1, 4, 5])) out.line(`  ${line}`);
  for (const { precision, problems } of results) {
    for (const problem of problems.slice(0, MOST_PROBLEMS)) out.line(`  ${precision} ${problem}`);
    if (problems.length > MOST_PROBLEMS) out.line(`  and ${problems.length - MOST_PROBLEMS} more`);
  }
}

// ---- a run against a curve ----

function checkRun({ file, run }: NonNullable<CheckOptions["curve"]>, { json }: CheckOptions): number {
  const result = checkCurve(file, run);
  if (json) out.line(JSON.stringify({ check: "curve", file, run, ...result }));
  else for (const line of curveLines(result)) out.line(line);
  return result.verdict === "PASS" ? 0 : 1;
}
