// Which instruction sets the tests can run: those of this machine with the native library, the others with the library
// that simulates them. Says what is missing and how to build it. For tests only.

import { join } from "@std/path";
import { CpuDevice, ISA_NAMES, type IsaName } from "../../ffi/cpu.ts";
import { ROOT } from "../cli/command.ts";

/** An instruction set, and the library to run it with. */
export interface CpuSet {
  readonly isa: IsaName;
  readonly library: string;
  readonly simulated: boolean;
}

/** Opens the set with that many threads. */
export function openSet({ isa, library }: CpuSet, threads: number): CpuDevice {
  return new CpuDevice({ library, threads, pin: false, isa });
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function nativeSets(library: string): readonly string[] {
  const device = new CpuDevice({ library, threads: 1, pin: false, isa: "auto" });
  try {
    return device.describe().available;
  } finally {
    device.close();
  }
}

/** Every set that can run, weakest first. What cannot run is printed with the reason. */
export function cpuSets(): CpuSet[] {
  const native = join(ROOT, "build", "libnanogpt_cpu.so");
  const simulated = join(ROOT, "build", "libnanogpt_cpu_simulated.so");
  const own = isFile(native) ? nativeSets(native) : [];
  if (own.length === 0) {
    console.log(`No ${native}: tests on this machine's own sets are left out (make kernels)`);
  }
  return ISA_NAMES.filter((isa) => isa !== "auto").flatMap((isa): CpuSet[] => {
    if (own.includes(isa)) return [{ isa, library: native, simulated: false }];
    if (isFile(simulated)) return [{ isa, library: simulated, simulated: true }];
    console.log(
      `This machine lacks ${isa} and there is no ${simulated}: tests of it are left out (make test builds it)`,
    );
    return [];
  });
}
