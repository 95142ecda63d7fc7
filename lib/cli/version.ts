// nanogpt --version: what this program is made of, for a report of a fault or a speed. Says "checkout" for the commit
// where it does not run from the single file, and asks git nothing. Opens the kernel library to ask which instruction
// sets it can use here, and says why when that fails. May import ffi/, lib/base and output.

import { CpuDevice } from "../../ffi/cpu.ts";
import { NANOGPT_ABI_VERSION } from "../../ffi/symbols.ts";
import { messageOf } from "../base/errors.ts";
import { VERSION } from "../base/version.ts";
import type { Context } from "./context.ts";
import { out } from "./output.ts";

/** Prints one fact a line, name and version first; returns the exit code. */
export function version(context: Context): number {
  out.line(`nanogpt ${VERSION}`);
  out.line(`commit ${commitOf(context)}`);
  out.line(`kernel ABI ${NANOGPT_ABI_VERSION}`);
  out.line(`instruction sets ${instructionSets(context.assets.libraries.cpu)}`);
  return 0;
}

/** The commit that the single file was made of. */
export function commitOf({ commitFile }: Context): string {
  try {
    return Deno.readTextFileSync(commitFile).trim();
  } catch {
    return "checkout";
  }
}

function instructionSets(library: string): string {
  try {
    const device = new CpuDevice({ library, threads: 1, pin: false, isa: "auto" });
    const { available } = device.describe();
    device.close();
    return available.join(", ");
  } catch (error) {
    return messageOf(error);
  }
}
