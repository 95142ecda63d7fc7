// Makes the single file with the launcher: the launcher, the runtime and the stage in one. Run from the root of the
// project: `deno run --allow-all tools/launcher/pack.ts LAUNCHER FORM STAGE RESULTS OUT [RUNTIME]`, FORM being zstd or stored,
// RESULTS a folder for what was compressed before, RUNTIME the deno that runs this unless given. Leaves OUT alone when it
// would get the same bytes.
// Refuses a stage without program. May import lib/base and @std/path.

import { Buffer } from "node:buffer";
import { join } from "@std/path";
import { UserError } from "../../lib/base/errors.ts";
import { archiveBytes, type Form, type Packed } from "./archive.ts";
import { filesBelow, runTool } from "./tool.ts";

/** The runtime and the staged files, where the launcher expects them (start.c). */
export function packedFiles(runtime: string, stage: string): Packed[] {
  const staged = filesBelow(stage);
  if (!staged.includes("main.js")) throw new UserError(`Cannot pack ${stage}: it holds no main.js`);
  return [
    { path: "nanogpt", from: runtime, mode: 0o755 },
    ...staged.map((path) => ({ path: `app/${path}`, from: join(stage, path), mode: 0o644 })),
  ];
}

function parseForm(form: string | undefined): Form {
  if (form === "zstd" || form === "stored") return form;
  throw new UserError(`The form is "${form}", expected zstd or stored`);
}

/** Whether the file holds these bytes. */
function holds(path: string, bytes: Uint8Array): boolean {
  try {
    return Buffer.compare(Deno.readFileSync(path), bytes) === 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function pack(args: readonly string[]): void {
  const [launcher, form, stage, results, out, runtime = Deno.execPath()] = args;
  if (!launcher || !stage || !results || !out) {
    throw new UserError("Usage: pack.ts LAUNCHER FORM STAGE RESULTS OUT [RUNTIME]");
  }
  const files = packedFiles(runtime, stage);
  const bytes = archiveBytes(Deno.readFileSync(launcher), files, parseForm(form), results);
  const what = `${out}: ${(bytes.length / 1e6).toFixed(1)} MB, ${files.length} files`;
  if (holds(out, bytes)) {
    console.log(`${what}, unchanged`);
    return;
  }
  Deno.writeFileSync(`${out}.new`, bytes, { mode: 0o755 });
  Deno.renameSync(`${out}.new`, out);
  console.log(what);
}

if (import.meta.main) await runTool(() => pack(Deno.args));
