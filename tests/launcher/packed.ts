// Single files as small as can be: the real launcher with a few lines of shell as its runtime, which do what their first
// argument says. And how they are started: alone, with nothing but the environment given. For tests only.

import { assert } from "@std/assert";
import { join } from "@std/path";
import { archiveBytes, type Form } from "../../tools/launcher/archive.ts";
import { type Finished, ROOT } from "../cli/command.ts";

/** What start.c puts before the user's arguments: run, seven flags, the program. */
const OWN_ARGUMENTS = 9;
const RUNTIME = `#!/bin/sh
shift ${OWN_ARGUMENTS}
case $1 in
  words) shift; printf '<%s>' "$@" ;;
  exit) exit "$2" ;;
  env) /usr/bin/env ;;
  copy) cat; echo copied >&2 ;;
  hold) echo ready; exec sleep 60 ;;
  wait) trap 'echo caught; exit 130' INT; echo ready; while :; do sleep 0.05; done ;;
esac
`;

/** How a file that stays open to others is made unreachable: no command of these tests takes longer. */
const LIMIT_MS = 60_000;

/** The launcher of a form as make builds it; undefined, having said so, where there is no zstd to build it with. */
export function launcherOf(form: Form): string | undefined {
  const path = join(ROOT, "build", "launcher", form);
  if (exists(path)) return path;
  assert(form === "zstd", `${path} is missing; run \`make ${path.slice(ROOT.length + 1)}\` first`);
  console.log("Skipped: the compressed form was not built, for libzstd.a is missing (Debian: libzstd-dev)");
  return undefined;
}

/** Files of a small program; `version` makes its content another one. */
export interface Small {
  readonly version?: number;
  readonly form?: Form;
  /** Bytes of a file beside the program; random, so that they do not compress. */
  readonly ballast?: number;
  /** The runtime instead of the few lines of shell. */
  readonly runtime?: string;
}

/** Writes a small single file into `folder` and returns its path. */
export function packSmall(folder: string, name: string, small: Small = {}): string {
  const { version = 1, form = "stored", ballast = 10_000, runtime } = small;
  const launcher = launcherOf(form);
  assert(launcher !== undefined, `no launcher of the form ${form}`);
  const parts = join(folder, "parts");
  Deno.mkdirSync(parts, { recursive: true });
  const write = (file: string, bytes: Uint8Array) => {
    Deno.writeFileSync(join(parts, file), bytes);
    return join(parts, file);
  };
  const text = (words: string) => new TextEncoder().encode(words);
  const files = [
    { path: "nanogpt", from: runtime ?? write("runtime", text(RUNTIME)), mode: 0o755 },
    { path: "app/main.js", from: write("main.js", text(`version ${version}`)), mode: 0o644 },
    { path: "app/build/ballast file.bin", from: write("ballast.bin", noise(ballast)), mode: 0o644 },
  ];
  const bytes = archiveBytes(Deno.readFileSync(launcher), files, form, join(folder, "results"));
  const path = join(folder, name);
  Deno.writeFileSync(path, bytes, { mode: 0o755 });
  return path;
}

/** Bytes that do not compress: xorshift32 from a fixed start. */
function noise(count: number): Uint8Array {
  let state = 0x9e3779b9;
  return Uint8Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 255;
  });
}

/** How a single file is started; its environment is what is given here and nothing else. */
export interface StartOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** As nobody, with setpriv(1); the caller must be root. */
  readonly unprivileged?: boolean;
}

/** The command that starts a program, alone in its environment. */
export function commandOf(
  program: string,
  args: readonly string[],
  options: StartOptions = {},
): Deno.Command {
  const drop = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const words = [...(options.unprivileged ? drop : []), program, ...args];
  return new Deno.Command(words[0] ?? program, {
    args: words.slice(1),
    env: options.env ?? {},
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(LIMIT_MS),
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
}

/** Runs a program to its end. */
export async function start(
  program: string,
  args: readonly string[],
  options: StartOptions = {},
): Promise<Finished> {
  const { code, stdout, stderr } = await commandOf(program, args, options).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** A folder whose name holds spaces, open to all users; removed afterwards. */
export async function inOpenFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "single file " });
  try {
    await Deno.chmod(folder, 0o755);
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Whether tests may become another user; says so where not. */
export function mayDropRights(): boolean {
  const may = Deno.uid() === 0 && exists("/usr/bin/setpriv");
  if (!may) console.log("Skipped: becoming another user takes root and setpriv");
  return may;
}

/** Runs shell lines in a mount namespace of their own; see unshare(1). */
export function mounting(lines: string): Promise<Finished> {
  const args = ["--map-root-user", "--mount", "sh", "-c", lines];
  return start("/usr/bin/unshare", args, { env: { PATH: "/usr/bin:/bin:/usr/sbin:/sbin" } });
}

/** Whether small disks can be mounted; says so where not. */
export async function mayMount(): Promise<boolean> {
  if (!exists("/usr/bin/unshare")) return false;
  const { code, stderr } = await mounting("mount -t tmpfs -o size=100k tmpfs /mnt");
  if (code !== 0) console.log(`Skipped: no small disk can be mounted here: ${stderr.trim()}`);
  return code === 0;
}

export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
