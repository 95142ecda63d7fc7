// For tests of full disks: a mount namespace of its own, in which a small tmpfs can be mounted and is gone with it. Not a
// test itself.

import { denoArgs } from "./small_run.ts";

interface Mounted {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a shell command line in a mount namespace of its own; see unshare(1). */
export async function mounting(line: string): Promise<Mounted> {
  try {
    const args = ["--map-root-user", "--mount", "timeout", "60", "sh", "-c", line];
    const { success, stdout, stderr } = await new Deno.Command("unshare", { args, env: { NO_COLOR: "1" } })
      .output();
    const text = new TextDecoder();
    return { success, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  } catch (error) {
    return { success: false, stdout: "", stderr: String(error) };
  }
}

/** A command of nanogpt as a shell takes it. */
export function quoted(args: readonly string[]): string {
  return [Deno.execPath(), ...denoArgs(args)].map((word) => `'${word}'`).join(" ");
}
