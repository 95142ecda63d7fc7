// nanogpt info: what this program is, what machine it runs on, what of it the kernels can use, and whether anything
// stands in the way of training: the text for a report of a fault. Opens the kernel library to ask it and writes one
// nameless file to time the disk; leaves nothing. Exit code 1 where `nanogpt train` could not run. May import ffi/,
// lib/base, lib/config, lib/run and output.

import { dirname, join } from "@std/path";
import { builtinPaths } from "../../data/corpus.ts";
import { CpuDevice, parseIsa } from "../../ffi/cpu.ts";
import { type LibraryState, libraryState } from "../../ffi/native.ts";
import { NANOGPT_ABI_VERSION } from "../../ffi/symbols.ts";
import type { Assets } from "../base/assets.ts";
import { messageOf } from "../base/errors.ts";
import { isThere } from "../base/files.ts";
import { formatBytes, formatQuantity } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import { resolveConfig } from "../config/load.ts";
import { type DiskFacts, diskFacts, sameDisk } from "../run/disk.ts";
import { canTrain, type Check, diagnose, type KernelFacts } from "../run/doctor.ts";
import { type SystemFacts, systemFacts, THIS_SYSTEM } from "../run/system.ts";
import { planTraining } from "../run/trainer.ts";
import type { Context } from "./context.ts";
import { out } from "./output.ts";
import { commitOf } from "./version.ts";

/** Where presets put runs and look for data, from the current folder. */
const RUNS = "runs";
const DATA = "data";

/** Everything that is told; with --json as it stands. */
interface Info {
  readonly version: string;
  /** Of the single file; of a checkout what git says, "-dirty" with changed files, or "checkout" where it says nothing. */
  readonly commit: string;
  readonly deno: string;
  readonly v8: string;
  readonly os: string;
  readonly arch: string;
  readonly system: SystemFacts;
  readonly kernels: KernelFacts & {
    readonly library: string;
    readonly abi: number;
    readonly forced: boolean;
  };
  /** The libraries with the GPU kernels. */
  readonly gpuKernels: Readonly<Record<"cuda" | "emulated", LibraryState & { readonly library: string }>>;
  readonly corpus: string | null;
  readonly disks: readonly (DiskFacts & { readonly for: readonly string[] })[];
  readonly checks: readonly Check[];
  readonly canTrain: boolean;
}

/** Prints the facts and checks; returns 0 where `nanogpt train` could run, else 1. */
export function info(options: { readonly json: boolean }, context: Context): number {
  const found = gather(context);
  if (options.json) out.line(JSON.stringify(found));
  else show(found);
  return found.canTrain ? 0 : 1;
}

function gather(context: Context): Info {
  const { assets, environment } = context;
  const system = systemFacts(THIS_SYSTEM);
  const kernels = kernelFacts(assets.libraries.cpu, environment.isa);
  const corpus = Object.values(builtinPaths(assets.corpus)).every(isThere) ? assets.corpus : null;
  const runs = diskFacts(RUNS);
  const sampleBytes = planTraining(resolveConfig({ sets: [] }).config, { kind: "cpu" }).plannedBytes;
  const checks = diagnose({
    system,
    kernels,
    forcedIsa: environment.isa,
    corpus: corpus !== null,
    runs,
    sampleBytes,
  });
  return {
    version: VERSION,
    commit: checkoutCommit(assets) ?? commitOf(context),
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    os: `${Deno.build.os} ${Deno.osRelease()}`,
    arch: Deno.build.arch,
    system,
    kernels: {
      ...kernels,
      library: assets.libraries.cpu,
      abi: NANOGPT_ABI_VERSION,
      forced: environment.isa !== undefined,
    },
    gpuKernels: { cuda: gpuKernels("cuda", assets), emulated: gpuKernels("emulated", assets) },
    corpus,
    disks: sameDisk(RUNS, DATA)
      ? [{ ...runs, for: [RUNS, DATA] }]
      : [{ ...runs, for: [RUNS] }, { ...diskFacts(DATA), for: [DATA] }],
    checks,
    canTrain: canTrain(checks),
  };
}

function kernelFacts(library: string, isa: string | undefined): KernelFacts {
  try {
    const device = new CpuDevice({ library, threads: 0, pin: false, isa: parseIsa(isa) });
    const { isa: used, available, threads, simulated } = device.describe();
    device.close();
    return { isa: used, available, threads, simulated };
  } catch (error) {
    return { why: messageOf(error) };
  }
}

function gpuKernels(kind: "cuda" | "emulated", { libraries }: Assets): Info["gpuKernels"][typeof kind] {
  const library = libraries[kind];
  return { library, ...libraryState(library, kind) };
}

/** What git says of the folder the program runs from; null where that is no checkout or there is no git. */
function checkoutCommit({ libraries }: Assets): string | null {
  const root = dirname(dirname(libraries.cpu));
  if (!isThere(join(root, ".git"))) return null; // git would look for one in the folders above
  try {
    const args = ["-C", root, "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"];
    const { success, stdout } = new Deno.Command("git", { args, stdin: "null" }).outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  } catch {
    return null;
  }
}

// ---- as text ----

function show(info: Info): void {
  const { system, kernels } = info;
  const facts: [string, string][] = [
    ["nanogpt", `${info.version}, commit ${info.commit}`],
    ["deno", `${info.deno}, V8 ${info.v8}`],
    ["system", `${info.os}, ${info.arch}`],
    ["processor", system.processor ?? "unknown"],
    ["cores", coresText(system.cores)],
    ["memory", memoryText(system.memory)],
    ["huge pages", hugePagesText(system.hugePages)],
    ["open files", system.openFiles === null ? "unknown" : `at most ${system.openFiles}`],
    ...kernelLines(kernels),
    ["cuda", gpuKernelsText(info.gpuKernels.cuda)],
    ["emulated", gpuKernelsText(info.gpuKernels.emulated)],
    ["corpus", info.corpus ?? "not made yet"],
    ...info.disks.map((disk): [string, string] => ["disk", diskText(disk)]),
    ...nvidiaLines(system.nvidia, "abi" in info.gpuKernels.cuda),
  ];
  for (const [name, fact] of facts) out.line(`${name.padEnd(12)}${fact}`);
  out.line("");
  for (const { name, state, found, fix } of info.checks) {
    out.line(`${state.padEnd(9)}${name}: ${found}`);
    if (fix !== null) out.line(`${" ".repeat(9)}fix: ${fix}`);
  }
  out.line("");
  out.line(info.canTrain ? "nanogpt train can run here" : "nanogpt train cannot run here yet");
}

function coresText({ machine, allowed, cgroup }: SystemFacts["cores"]): string {
  const limit = cgroup === null ? "no limit by a cgroup" : `a cgroup grants the time of ${cgroup.toFixed(1)}`;
  return `${machine ?? "unknown"}, this process may use ${allowed ?? "unknown"}; ${limit}`;
}

function memoryText({ total, available, cgroup, usable }: SystemFacts["memory"]): string {
  const bytes = (value: number | null) => value === null ? "unknown" : formatBytes(value);
  const limit = cgroup === null ? "no limit by a cgroup" : `a cgroup allows ${formatBytes(cgroup)}`;
  return `${bytes(total)}, ${bytes(available)} of it available; ${limit}; a run may take ${bytes(usable)}`;
}

/** Transparent huge pages, which the kernels ask for; and how many are reserved, which they do not use. */
function hugePagesText({ transparent, reserved }: SystemFacts["hugePages"]): string {
  return `transparent: ${transparent ?? "unknown"}; reserved: ${reserved ?? "unknown"}`;
}

function kernelLines(kernels: Info["kernels"]): [string, string][] {
  if ("why" in kernels) return [["kernels", kernels.why]];
  const { library, abi, isa, available, threads, simulated, forced } = kernels;
  return [
    ["kernels", `${library}, ABI version ${abi}${simulated ? ", simulated" : ""}`],
    ["isa", `${isa}${forced ? ", forced by NANOGPT_ISA" : ""}; available: ${available.join(", ")}`],
    ["threads", String(threads)],
  ];
}

function gpuKernelsText(state: Info["gpuKernels"]["cuda"]): string {
  return "why" in state ? state.why : `${state.library}, ABI version ${state.abi}`;
}

function diskText(disk: Info["disks"][number]): string {
  const { folder, freeBytes, speed, why } = disk;
  const free = freeBytes === null ? "free space unknown" : `${formatQuantity(freeBytes, "B")} free`;
  const measured = speed === null
    ? why
    : `wrote ${formatBytes(speed.bytes)} with fsync at ${
      formatQuantity(speed.writeBytesPerSecond, "B/s")
    }, ` +
      `read back, mostly from the cache, at ${formatQuantity(speed.readBytesPerSecond, "B/s")}`;
  return `${folder} (${disk.for.join(" and ")}): ${free}; ${measured}`;
}

/** Driver, devices and libraries; `usable`: whether this build has kernels for them. */
export function nvidiaLines(
  { driver, devices, libraries }: SystemFacts["nvidia"],
  usable: boolean,
): [string, string][] {
  const nodes = devices.length === 0 ? "no /dev/nvidia*" : devices.join(", ");
  const gpu = driver === null
    ? `no NVIDIA driver (no /proc/driver/nvidia/version), ${nodes}`
    : `NVIDIA driver ${driver}, ${nodes}; ${
      usable ? "nanogpt check --device cuda tries it" : "this build has no kernels for it (make cuda)"
    }`;
  return [
    ["gpu", gpu],
    ...libraries.map(({ what, name, version, why }): [string, string] => [
      "",
      `${what}: ${why ?? `${name}, version ${version ?? "not stated"}`}`,
    ]),
  ];
}
