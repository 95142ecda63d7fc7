// The GPU devices that tests can run on: the emulated one in both modes, where its libraries are built; and whether this
// machine has a GPU for the real one. Says what is missing and how to build it. For tests only.

import { join } from "@std/path";
import { GpuDevice } from "../../ffi/cuda.ts";
import { isThere } from "../../lib/base/files.ts";
import { ROOT } from "../cli/command.ts";

/** How to emulate; seed 0: blocks and threads in order. */
export interface EmulatedOptions {
  /** Whether every memory access is watched. */
  readonly checked?: boolean;
  readonly seed?: number;
  readonly processors?: number;
}

const libraryOf = (checked: boolean) =>
  join(ROOT, "build", `libnanogpt_emulated${checked ? "_checked" : ""}.so`);

/** Opens the emulated device; the caller closes it. */
export function openEmulated({ checked = false, seed = 0, processors = 2 }: EmulatedOptions = {}): GpuDevice {
  const device = new GpuDevice({ kind: "emulated", library: libraryOf(checked), isa: "auto", ordinal: 0 });
  device.schedule(seed, processors);
  return device;
}

function lacks(checked: boolean): boolean {
  if (isThere(libraryOf(checked))) return false;
  console.log(`No ${libraryOf(checked)}: tests on it are left out (make emulated)`);
  return true;
}

/** Whether the library of the fast emulation is missing, and of the checked one. */
export const NO_EMULATED = lacks(false);
export const NO_CHECKED = lacks(true);

/** What `--device cuda` says on a machine that cannot run it, from its kernels missing to its GPU. */
export const NO_CUDA =
  /^(This build has no CUDA kernels: `make cuda` builds|Could not start the cuda device: )/;

/** Whether there may be a GPU here, so that `--device cuda` is no error. */
export const HAS_GPU = isThere("/proc/driver/nvidia/version") &&
  isThere(join(ROOT, "build/libnanogpt_cuda.so"));
