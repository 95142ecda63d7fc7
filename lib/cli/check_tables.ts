// What nanogpt check prints of ops and golden files: tables of the worst errors with PASS or FAIL, or with --json one object
// each. Runs the checks of which the tables are; compares nothing itself. Imports lib/run, the graph, device types and
// output.

import type { Device, DeviceDescription } from "../../ffi/device.ts";
import { InternalError, RunError } from "../base/errors.ts";
import { formatTable, formatWorkers } from "../base/units.ts";
import type { OpName } from "../graph/op.ts";
import { KERNEL_OPS } from "../graph/ops.ts";
import { checkGolden, type GoldenReport } from "../run/check_golden.ts";
import { checkOp, type KernelChoice, kernelChoices, type OpResult } from "../run/check_ops.ts";
import { type Precision, targetOf } from "../run/devices.ts";
import type { Golden } from "../run/golden_file.ts";
import { out } from "./output.ts";

/** Problems shown of one op: the first ones tell most. */
const MOST_PROBLEMS = 3;

/** PASS or FAIL. */
export function verdict(pass: boolean): "PASS" | "FAIL" {
  return pass ? "PASS" : "FAIL";
}

/** What a table or object says of the device. */
function facts({ kind, isa, threads, simulated }: DeviceDescription, precision: Precision | undefined) {
  return { device: kind, isa, threads, simulated, precision: kind === "reference" ? "float64" : precision };
}

function heading(description: DeviceDescription, precision: string): string {
  const { kind, isa, simulated } = description;
  if (kind === "reference") return "reference, float64";
  return `${kind}, ${isa}${simulated ? " (simulated)" : ""}, ${formatWorkers(description)}, ${precision}`;
}

/** Three digits, as 0.0123 or 1.23e-7. */
function figure(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  return value >= 1e-3 && value < 1e4 ? String(Number(value.toPrecision(3))) : value.toExponential(2);
}

// ---- golden files ----

/** A golden file that was read, and where from. */
export interface GoldenFile {
  readonly path: string;
  readonly golden: Golden;
}

/** Checks each file and shows its table, or its object; returns whether all pass. */
export function checkGoldens(
  device: Device,
  files: readonly GoldenFile[],
  precision: Precision,
  json: boolean,
): boolean {
  const passes = files.map(({ path, golden }) => {
    const report = checkGolden(golden, device, { precision, run: "auto" });
    showGolden(path, report, device.describe(), precision, json);
    return report.pass;
  });
  return passes.every((pass) => pass);
}

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

/** Checks every op and shows the table, or one object; returns whether all pass. `gemm`: with cuBLASLt's form, once opened. */
export function checkTable(
  device: Device,
  precisions: readonly Precision[],
  json: boolean,
  gemm = device.gemm,
): boolean {
  const target = { ...targetOf(device), gemm };
  const results = precisions.flatMap((precision) =>
    KERNEL_OPS.flatMap((op) =>
      kernelChoices(op, precision, target).map((choice) => attempt(device, op, precision, choice))
    )
  );
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
  return pass;
}

/** The check of one op; that a kernel refused, or failed as a whole, is its result. */
function attempt(
  device: Device,
  op: OpName,
  precision: Precision,
  choice: KernelChoice | undefined,
): OpResult {
  try {
    return checkOp(device, op, precision, choice);
  } catch (error) {
    if (!(error instanceof RunError || error instanceof InternalError)) throw error;
    const form = choice && { form: choice.form };
    const problems = [`${op}: ${error.message}`];
    return { op, precision, ...form, calls: 0, worst: Infinity, where: "", problems, pass: false };
  }
}

function showOps(results: readonly OpResult[]): void {
  const rows = results.map((result) => [
    result.op,
    result.form === undefined ? result.precision : `${result.precision} ${result.form}`,
    String(result.calls),
    figure(result.worst),
    result.pass ? "pass" : "FAIL",
    result.where,
  ]);
  const head = ["op", "", "calls", "of allowed", "", "worst at"];
  for (const line of formatTable([head, ...rows], [0, 1, 4, 5])) out.line(`  ${line}`);
  for (const { precision, form, problems } of results) {
    const which = form === undefined ? precision : `${precision} ${form}`;
    for (const problem of problems.slice(0, MOST_PROBLEMS)) out.line(`  ${which} ${problem}`);
    if (problems.length > MOST_PROBLEMS) out.line(`  and ${problems.length - MOST_PROBLEMS} more`);
  }
}
