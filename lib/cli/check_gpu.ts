// nanogpt check on a GPU device: one report to paste back, the first thing to run on a new GPU: machine, driver and library,
// every op in every form, every wrapped instruction, golden files, measured limits, and on a real GPU the speed of products,
// beside cuBLASLt's where that is there, and of training.
// Goes on after a failure, so that one run tells all. Imports ffi/, lib/base, lib/run and its neighbours.

import { join } from "@std/path";
import type { GpuDevice } from "../../ffi/cuda.ts";
import type { DevicePeak } from "../../ffi/device.ts";
import { NANOGPT_ABI_VERSION } from "../../ffi/symbols.ts";
import { formatTable, formatWorkers } from "../base/units.ts";
import { InternalError, RunError } from "../base/errors.ts";
import { VERSION } from "../base/version.ts";
import { benchRecord } from "../run/bench.ts";
import { benchProduct, type ProductFigures, productWorks } from "../run/bench_products.ts";
import type { Precision } from "../run/devices.ts";
import { readGolden } from "../run/golden_file.ts";
import { systemFacts, THIS_SYSTEM } from "../run/system.ts";
import { formatPeak, formatResult } from "./bench.ts";
import { checkGoldens, checkTable, verdict } from "./check_tables.ts";
import type { Context } from "./context.ts";
import { nvidiaLines } from "./info.ts";
import { out } from "./output.ts";
import { commitOf } from "./version.ts";

/** In what, and how it is told. */
export interface GpuCheck {
  readonly precisions: readonly Precision[];
  /** One object a part instead of text. */
  readonly json: boolean;
}

/** Golden files that the single file has too: a whole model with a run of 20 steps, and Newton-Schulz. */
const OWN_GOLDENS = ["odd.safetensors", "newton-schulz.safetensors"];

/** Runs a part, prints it and tells whether it passes. */
type Part = () => boolean | Promise<boolean>;

/** Runs everything and prints it; returns whether all that can pass does. */
export async function reportGpu(device: GpuDevice, request: GpuCheck, context: Context): Promise<boolean> {
  const { precisions, json } = request;
  showMachine(device, context, json);
  const missing = device.openCublasLt();
  const gemm = missing === undefined ? "cublaslt" : "builtin";
  const parts: Readonly<Record<string, Part>> = {
    "ops": () => checkTable(device, precisions, json, gemm),
    "instructions": () => showSelfTest(device.selfTest(), json),
    "golden files": () => checkOwnGoldens(device, precisions, context.assets.goldens, json),
    "products": () => showProducts(device, missing, json),
    "speed": () => showSpeed(device, json),
  };
  let pass = true;
  for (const [name, part] of Object.entries(parts)) pass = await attempt(name, part, json) && pass;
  if (!json) out.line(`\n${verdict(pass)} of all above`);
  return pass;
}

/** A part of the report; that it failed as a whole is its result, so that the others still run. */
async function attempt(name: string, part: Part, json: boolean): Promise<boolean> {
  try {
    return await part();
  } catch (error) {
    if (!(error instanceof RunError || error instanceof InternalError)) throw error;
    if (json) out.line(JSON.stringify({ check: name, verdict: "FAIL", problem: error.message }));
    else out.line(`FAIL: ${name}: ${error.message}`);
    return false;
  }
}

function showMachine(device: GpuDevice, context: Context, json: boolean): void {
  const description = device.describe();
  const { nvidia } = systemFacts(THIS_SYSTEM);
  const commit = commitOf(context);
  if (json) {
    const program = { version: VERSION, commit, abi: NANOGPT_ABI_VERSION };
    out.line(JSON.stringify({ check: "machine", ...description, ...program, nvidia }));
    return;
  }
  const { machine, isa, available } = description;
  const lines: [string, string][] = [
    ["nanogpt", `${VERSION}, commit ${commit}, ABI version ${NANOGPT_ABI_VERSION}`],
    ["machine", `${machine}: ${isa} of ${available.join(", ")}, ${formatWorkers(description)}`],
    ...nvidiaLines(nvidia, true),
  ];
  for (const [name, text] of lines) out.line(`${name.padEnd(13)}${text}`);
  out.line("");
}

/** The instructions' own test; what the library does not have cannot fail. */
function showSelfTest(lines: readonly string[] | undefined, json: boolean): boolean {
  const pass = (lines ?? []).every((line) => !line.startsWith("FAIL"));
  if (json) {
    out.line(
      JSON.stringify({ check: "instructions", verdict: lines ? verdict(pass) : null, lines: lines ?? [] }),
    );
    return pass;
  }
  if (!lines) {
    out.line("\nInstructions: left out, this GPU lacks those of sm_90a");
    return pass;
  }
  out.line("\nEvery wrapped instruction, on random data");
  for (const line of lines) out.line(`  ${line}`);
  out.line(verdict(pass));
  return pass;
}

/** The golden files that come with the program; an emulation would take minutes over them. */
function checkOwnGoldens(
  device: GpuDevice,
  precisions: readonly Precision[],
  folder: string,
  json: boolean,
): boolean {
  if (device.kind === "emulated") {
    if (!json) out.line("\nGolden files: left out, an emulation takes minutes over them; give --golden FILE");
    return true;
  }
  const goldens = OWN_GOLDENS.map((name) => ({ path: name, golden: readGolden(join(folder, name)) }));
  return precisions.map((precision) => checkGoldens(device, goldens, precision, json)).every((pass) => pass);
}

function showPeak(peak: DevicePeak | undefined, json: boolean): void {
  if (json) out.line(JSON.stringify({ check: "peak", ...peak }));
  else out.line(`\npeak         ${formatPeak(peak)}`);
}

/** Most time and runs of a form of a product: there are four of nine products. */
const PRODUCT_BUDGET = { ms: 500, mostRuns: 9 };

/** The record's products by our kernels and, unless it says what is `missing`, by cuBLASLt. */
async function showProducts(device: GpuDevice, missing: string | undefined, json: boolean): Promise<boolean> {
  if (device.kind === "emulated") {
    if (!json) out.line("\nProducts: left out, an emulation's speed says nothing of a GPU's");
    return true;
  }
  const rows: string[][] = [];
  for (const work of productWorks(device.kind)) {
    const figures = await benchProduct(work, device, "bf16", PRODUCT_BUDGET, missing === undefined);
    if (json) { for (const figure of figures) out.line(JSON.stringify({ check: "product", ...figure })); }
    rows.push(productRow(figures));
  }
  if (json) return true;
  out.line(
    `\nThe record's products, TFLOP/s${missing === undefined ? "" : `; beside them not there: ${missing}`}`,
  );
  const head = ["", "m", "n", "k", "ours", "", "cuBLASLt", "ours of it"];
  for (const line of formatTable([head, ...rows], [0, 5])) out.line(`  ${line}`);
  return true;
}

/** "forward  65536  768  768  612  wgmma  701  87%". */
export function productRow(figures: readonly ProductFigures[]): string[] {
  const ours = figures.findLast(({ form }) => form !== "cublaslt");
  const theirs = figures.find(({ form }) => form === "cublaslt");
  if (!ours) throw new InternalError("A product has no kernel");
  const rateOf = ({ flops, timing }: ProductFigures) => flops / timing.medianMs / 1e9;
  const beside = theirs
    ? [rateOf(theirs).toFixed(0), `${(100 * rateOf(ours) / rateOf(theirs)).toFixed(0)}%`]
    : ["", ""];
  const { use, m, n, k, form = "" } = ours;
  return [use, ...[m, n, k].map(String), rateOf(ours).toFixed(0), form, ...beside];
}

/** Most time and runs of each of the two timings. */
const BUDGET = { ms: 12_000, mostRuns: 9 };

/** Measured limits, and the record's 65,536 tokens a GPU: as training runs them, then each step of the plan by itself. */
async function showSpeed(device: GpuDevice, json: boolean): Promise<boolean> {
  const peak = device.measurePeak();
  showPeak(peak, json);
  if (device.kind === "emulated") {
    if (!json) out.line("train-124m   left out: an emulation's speed says nothing of a GPU's");
    return true;
  }
  for (const byStep of [false, true]) {
    const result = await benchRecord(device, peak, { precision: "bf16", budget: BUDGET, byStep });
    if (json) out.line(JSON.stringify(result));
    else out.write(formatResult(result));
  }
  return true;
}
