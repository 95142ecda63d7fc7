// nanogpt info: what this program is, what machine it runs on and what of it the kernels can use. Opens the kernel
// library to ask it, and says why when that fails, for then this is the command that users are asked to run. Imports
// ffi/, lib/base and output.

import { CpuDevice, parseIsa } from "../../ffi/cpu.ts";
import type { DeviceDescription } from "../../ffi/device.ts";
import { NANOGPT_ABI_VERSION } from "../../ffi/symbols.ts";
import { messageOf } from "../base/errors.ts";
import { VERSION } from "../base/version.ts";
import type { Context } from "./context.ts";
import { out } from "./output.ts";
import { commitOf } from "./version.ts";

const GIB = 2 ** 30;

/** Prints one fact a line; returns the exit code. */
export function info(context: Context): number {
  const { total, available } = Deno.systemMemoryInfo();
  const facts: Record<string, string> = {
    nanogpt: `${VERSION}, commit ${commitOf(context)}`,
    deno: `${Deno.version.deno}, V8 ${Deno.version.v8}`,
    system: `${Deno.build.os} ${Deno.osRelease()}, ${Deno.build.arch}`,
    processor: processorName(),
    cores: String(navigator.hardwareConcurrency),
    memory: `${gib(total)}, ${gib(available)} of it available`,
    "huge pages": hugePages(),
    ...libraryFacts(context),
    corpus: isThere(context.assets.corpus) ? context.assets.corpus : "not made yet (nanogpt data sample)",
  };
  for (const [name, fact] of Object.entries(facts)) out.line(`${name.padEnd(12)}${fact}`);
  return 0;
}

function libraryFacts({ assets, environment }: Context): Record<string, string> {
  let found: DeviceDescription;
  try {
    const isa = parseIsa(environment.isa);
    const device = new CpuDevice({ library: assets.cpuLibrary, threads: 0, pin: false, isa });
    found = device.describe();
    device.close();
  } catch (error) {
    return { kernels: messageOf(error) };
  }
  const forced = environment.isa === undefined ? "" : ", forced by NANOGPT_ISA";
  return {
    kernels: `${assets.cpuLibrary}, ABI version ${NANOGPT_ABI_VERSION}${
      found.simulated ? ", simulated" : ""
    }`,
    isa: `${found.isa}${forced}; available: ${found.available.join(", ")}`,
    threads: String(found.threads),
  };
}

/** The processor's name as Linux tells it. */
function processorName(): string {
  const text = textOf("/proc/cpuinfo");
  return /^model name\s*:\s*(.*)$/m.exec(text)?.[1] ?? "unknown";
}

/** Transparent huge pages: the choice in brackets of "always [madvise] never"; and how many are reserved. */
function hugePages(): string {
  const choice = /\[(\w+)\]/.exec(textOf("/sys/kernel/mm/transparent_hugepage/enabled"))?.[1] ?? "unknown";
  const reserved = /^HugePages_Total:\s*(\d+)$/m.exec(textOf("/proc/meminfo"))?.[1] ?? "unknown";
  return `transparent: ${choice}; reserved: ${reserved}`;
}

/** The text of a file of the system, empty where there is none. */
function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
