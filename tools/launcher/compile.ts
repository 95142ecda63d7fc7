// Makes the single file with `deno compile`, from the same stage as the launcher. Run from the root of the project:
// `deno run --allow-all tools/launcher/compile.ts STAGE OUT`. Deno's base runtime comes from DENORT_BIN, or else over the
// network from Deno's release site. Refuses a result that is not this program: a full deno as the base, say, makes one
// that takes the user's arguments for its own. May import lib/base and @std/path.

import { resolve } from "@std/path";
import { messageOf, UserError } from "../../lib/base/errors.ts";
import { VERSION } from "../../lib/base/version.ts";
import { runTool } from "./tool.ts";

const HOW_ELSE =
  `give the denort of Deno ${Deno.version.deno} as DENORT_BIN, let this machine reach dl.deno.land, or use ` +
  "PACK=launcher, which needs neither";

/** What deno compile is told in the stage: all of it goes in, for only the modules that main.js imports do so unasked. */
export function compileArguments(stage: string, out: string): string[] {
  const others = [...Deno.readDirSync(stage)].map(({ name }) => name).filter((name) => name !== "main.js")
    .sort();
  return [
    "compile",
    "--no-config",
    // Of bundled JavaScript, checked as TypeScript before: comments of packages in it may name files that are not there.
    "--no-check",
    "--no-prompt",
    "--allow-all",
    ...others.flatMap((name) => ["--include", name]),
    "--output",
    resolve(out),
    "main.js",
  ];
}

/** Compiles the stage; returns what deno says of it, with the tree of the embedded files. UserError when it cannot. */
export async function compileStage(stage: string, out: string, baseRuntime?: string): Promise<string> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: compileArguments(stage, out),
    cwd: stage,
    // A package.json above the stage would embed node_modules, the toolchain included.
    env: { DENO_NO_PACKAGE_JSON: "1", NO_COLOR: "1", ...(baseRuntime && { DENORT_BIN: baseRuntime }) },
  }).output();
  const said = new TextDecoder().decode(stderr);
  if (!success) throw new UserError(`${said.trimEnd()}\nCannot compile ./nanogpt; ${HOW_ELSE}`);
  return said;
}

/** Refuses a compiled file that does not answer as this program does. */
async function checkAnswer(out: string): Promise<void> {
  let answer: string;
  try {
    const { stdout } = await new Deno.Command(out, { args: ["--version"] }).output();
    answer = new TextDecoder().decode(stdout);
  } catch (error) {
    answer = messageOf(error);
  }
  const first = answer.split("\n")[0];
  if (first === `nanogpt ${VERSION}`) return;
  throw new UserError(
    `Cannot use what deno compile made: it answers --version with "${first}", expected "nanogpt ${VERSION}"; its base ` +
      `runtime is none: ${HOW_ELSE}`,
  );
}

async function compile(args: readonly string[]): Promise<void> {
  const [stage, out] = args;
  if (!stage || !out) throw new UserError("Usage: compile.ts STAGE OUT");
  const made = resolve(`${out}.new`);
  try {
    console.log((await compileStage(stage, made)).trimEnd());
    await checkAnswer(made);
    Deno.renameSync(made, out);
  } finally {
    await Deno.remove(made).catch(() => {}); // there only when it was refused
  }
}

if (import.meta.main) await runTool(() => compile(Deno.args));
