// Runs the real command line in a process of its own, as a user does. For tests only.

import { join } from "@std/path";

/** The root of the project. */
export const ROOT = join(import.meta.dirname ?? ".", "..", "..");

/** What a command left. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `nanogpt ...args` to its end, in `cwd`, with `env` added to the environment. */
export async function nanogpt(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Record<string, string> } = {},
): Promise<Finished> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", "--no-prompt", join(ROOT, "main.ts"), ...args],
    cwd: options.cwd ?? ROOT,
    env: { NO_COLOR: "1", ...options.env },
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}
