// Makes the stage: the folder with everything that the single file holds, as the program finds it beside main.js. Run from
// the root of the project: `deno run --allow-all tools/launcher/stage.ts STAGE ASSET...`. Each ASSET, a file or a folder
// with all that is in it, keeps its path, so that main.ts names it the same way here and in a checkout.
// Refuses a bundle that still names a source file, and a folder that is no stage. May import lib/base and @std/path.

import { dirname, join } from "@std/path";
import { messageOf, UserError } from "../../lib/base/errors.ts";
import { filesBelow, runTool } from "./tool.ts";

/** The program and its worker; each becomes a .js file of that name. */
const ENTRIES = ["main.ts", "worker.ts"];
/** As main.ts starts the worker, and as it must be once bundled. deno bundle leaves such addresses alone. */
const WORKER_SOURCE = 'new URL("./worker.ts", import.meta.url)';
const WORKER_BUNDLED = 'new URL("./worker.js", import.meta.url)';

/** Makes the stage of this checkout in `stage`, in place of an older one. */
export async function makeStage(stage: string, assets: readonly string[]): Promise<void> {
  removeOld(stage);
  await run(Deno.execPath(), [
    "bundle",
    "--quiet",
    "--platform",
    "deno",
    "--code-splitting",
    "--outdir",
    stage,
    ...ENTRIES,
  ]);
  const bundled = filesBelow(stage).filter((name) => name.endsWith(".js"));
  const texts = bundled.map((name) => ({ name, text: Deno.readTextFileSync(join(stage, name)) }));
  for (const { name, text } of redirectWorker(texts)) Deno.writeTextFileSync(join(stage, name), text);
  for (const asset of assets) copyAsset(asset, stage);
  Deno.writeTextFileSync(join(stage, "commit.txt"), `${await describeCommit()}\n`);
}

/** A bundled file. */
interface Bundled {
  readonly name: string;
  readonly text: string;
}

/**
 * The bundled files with the worker's address made that of its bundle. UserError when the address is not there exactly
 * once, or when any other address of a source file is left.
 */
export function redirectWorker(files: readonly Bundled[]): Bundled[] {
  const found = files.reduce((sum, { text }) => sum + text.split(WORKER_SOURCE).length - 1, 0);
  if (found !== 1) {
    throw new UserError(
      `Cannot bundle: the worker's address, written ${WORKER_SOURCE}, was found ${found} times, expected once, in main.ts`,
    );
  }
  const redirected = files.map(({ name, text }) => ({
    name,
    text: text.replace(WORKER_SOURCE, () => WORKER_BUNDLED),
  }));
  for (const { name, text } of redirected) {
    const left = /new URL\(\s*(["'`])[^"'`]*\.ts\1/.exec(text)?.[0];
    if (left !== undefined) {
      throw new UserError(`Cannot bundle: ${name} names a source file, which the single file lacks: ${left}`);
    }
  }
  return redirected;
}

/** Removes an older stage. UserError for a folder that holds something else. */
function removeOld(stage: string): void {
  let names: string[];
  try {
    names = [...Deno.readDirSync(stage)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw new UserError(`Cannot make the stage ${stage}: ${messageOf(error)}`);
  }
  if (names.length > 0 && !names.includes("main.js")) {
    throw new UserError(`Cannot make the stage ${stage}: it holds other files; choose an empty folder`);
  }
  Deno.removeSync(stage, { recursive: true });
}

function copyAsset(asset: string, stage: string): void {
  let files: string[];
  try {
    files = Deno.statSync(asset).isDirectory ? filesBelow(asset).map((name) => join(asset, name)) : [asset];
  } catch (error) {
    throw new UserError(`Cannot lay ${asset} into the stage: ${messageOf(error)}; make it first (\`make\`)`);
  }
  for (const file of files) {
    Deno.mkdirSync(join(stage, dirname(file)), { recursive: true });
    Deno.copyFileSync(file, join(stage, file));
  }
}

/** The commit of this checkout, "-dirty" where files differ from it; "unknown" without git. */
async function describeCommit(): Promise<string> {
  try {
    return await run("git", ["describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]);
  } catch {
    return "unknown";
  }
}

/** What a command prints. UserError with its complaint when it fails. */
async function run(command: string, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args] }).output();
  const [said, complaint] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
  if (!success) throw new UserError(`${command} ${args[0]} failed: ${complaint}`);
  return said ?? "";
}

if (import.meta.main) {
  const [stage, ...assets] = Deno.args;
  await runTool(async () => {
    if (stage === undefined) throw new UserError("Usage: stage.ts STAGE ASSET...");
    await makeStage(stage, assets);
  });
}
