// nanogpt check on a GPU device: one report to paste back, the first thing to run on a new GPU: machine, driver and library,
// every op in every form, every wrapped instruction, golden files, measured limits, and on a real GPU the speed of training.
// Goes on after a failure, so that one run tells all. Imports ffi/, lib/base, lib/run and its neighbours.

import { join } from "@std/path";
import type { GpuDevice } from "../../ffi/cuda.ts";
import type { DevicePeak } from "../../ffi/device.ts";
import { NANOGPT_ABI_VERSION } from "../../ffi/symbols.ts";
import { formatWorkers } from "../base/units.ts";
import { InternalError, RunError } from "../base/errors.ts";
import { VERSION } from "../base/version.ts";
import { benchRecord } from "../run/bench.ts";
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
  const parts: Readonly<Record<string, Part>> = {
    "ops": () => checkTable(device, precisions, json),
    "instructions": () => showSelfTest(device.selfTest(), json),
    "golden files": () => checkOwnGoldens(device, precisions, context.assets.goldens, json),
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
