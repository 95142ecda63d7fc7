// nanogpt --version: what this program is made of, for a report of a fault or a speed. Says "checkout" for the commit
// where it does not run from the single file, and asks git nothing. Opens the kernel libraries to ask which instruction
// sets they can use here, and which ABI those for GPUs have, and says why when that fails. May import ffi/, lib/base and
// output.

import { CpuDevice } from "../../ffi/cpu.ts";
import { type LibraryState, libraryState } from "../../ffi/native.ts";
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
  const { libraries } = context.assets;
  out.line(`instruction sets ${instructionSets(libraries.cpu)}`);
  for (const kind of ["cuda", "emulated"] as const) {
    out.line(`${kind} kernels ${formatState(libraryState(libraries[kind], kind))}`);
  }
  return 0;
}

/** "ABI 2", or why not. */
function formatState(state: LibraryState): string {
  return "why" in state ? state.why : `ABI ${state.abi}`;
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
