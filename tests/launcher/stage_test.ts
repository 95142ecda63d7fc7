// The stage: the worker's address, the assets, the same bytes each time; and what deno compile would embed of it.

import { assert, assertEquals, assertNotEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { Buffer } from "node:buffer";
import { UserError } from "../../lib/base/errors.ts";
import { archiveBytes } from "../../tools/launcher/archive.ts";
import { compileStage } from "../../tools/launcher/compile.ts";
import { packedFiles } from "../../tools/launcher/pack.ts";
import { redirectWorker } from "../../tools/launcher/stage.ts";
import { filesBelow } from "../../tools/launcher/tool.ts";
import { ROOT } from "../cli/command.ts";
import { exists, inOpenFolder, launcherOf } from "./packed.ts";

const ASSETS = [
  "build/libnanogpt_cpu.so",
  "build/libnanogpt_emulated.so",
  "build/corpus",
  "tests/golden/odd.safetensors",
  "tests/peers/pytorch_peer.py",
];

/** Runs a tool in the project's folder. */
async function tool(name: string, args: readonly string[], env: Record<string, string> = {}) {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", `tools/launcher/${name}.ts`, ...args],
    cwd: ROOT,
    // With the esbuild that make has laid there.
    env: { NO_COLOR: "1", DENO_DIR: join(ROOT, ".deno_dir"), ...env },
  });
  const { code, stderr } = await command.output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

async function stageIn(folder: string, name: string): Promise<string> {
  const stage = join(folder, name);
  const { code, stderr } = await tool("stage", [stage, ...ASSETS]);
  assertEquals(code, 0, stderr);
  return stage;
}

Deno.test("redirectWorker() points main.ts at the bundled worker, and refuses what would break in the single file", () => {
  const source = 'new Worker(new URL("./worker.ts", import.meta.url), { type: "module" })';
  const files = [{ name: "chunk.js", text: "const a = 1;" }, { name: "main.js", text: `x(${source});` }];
  assertEquals(redirectWorker(files), [
    { name: "chunk.js", text: "const a = 1;" },
    { name: "main.js", text: `x(${source.replace(".ts", ".js")});` },
  ]);
  const refused: [string, string][] = [
    ["no worker at all", "was found 0 times"],
    ["new Worker(new URL('./worker.ts', import.meta.url))", "was found 0 times"],
    [`${source}; ${source}`, "was found 2 times"],
    [
      `${source}; new URL("./other.ts", import.meta.url)`,
      'main.js names a source file, which the single file lacks: new URL("./other.ts"',
    ],
    [`${source}; new URL(\n  './x/y.ts', base)`, "main.js names a source file"],
  ];
  for (const [text, said] of refused) {
    assertThrows(() => redirectWorker([{ name: "main.js", text }]), UserError, said);
  }
});

/** What must be found of the archive of a stage; the runtime, always the same file, is left out. */
function archiveOf(stage: string, results: string): Uint8Array {
  const [, ...staged] = packedFiles(Deno.execPath(), stage);
  return archiveBytes(Deno.readFileSync(launcherOf("stored") ?? ""), staged, "stored", results);
}

/** The names at the top of deno compile's tree of embedded files; "build/*" stands for all that is in the folder build. */
function embeddedNames(said: string): string[] {
  return said.split("\n").flatMap((line) => /^[├└]── (.*) \(.*\)$/.exec(line)?.[1] ?? []);
}

Deno.test("The stage of this checkout", (t) =>
  inOpenFolder(async (folder) => {
    const stage = await stageIn(folder, "stage");
    const names = filesBelow(stage);
    await t.step("holds program, worker and assets under their own names, and no source", () => {
      for (const name of ["main.js", "worker.js", "commit.txt", "build/corpus/builtin_val.bin", ...ASSETS]) {
        assert(names.some((path) => path === name || path.startsWith(`${name}/`)), `${name} is staged`);
      }
      assertEquals(names.filter((name) => /\.ts$|node_modules/.test(name)), []);
    });
    await t.step(
      "packs to the same bytes when it is made again, with no path of this machine in them",
      async () => {
        const bytes = archiveOf(stage, folder);
        assertEquals(await stageIn(folder, "stage"), stage); // in place of the old one
        assertEquals(Buffer.compare(archiveOf(stage, folder), bytes), 0);
        assertEquals(Buffer.from(bytes).indexOf(ROOT), -1);
      },
    );
    await t.step("is never made in place of anything else, nor without an asset", async () => {
      assertEquals(await tool("stage", [folder, ...ASSETS]), {
        code: 1,
        stderr: `Cannot make the stage ${folder}: it holds other files; choose an empty folder\n`,
      });
      const { code, stderr } = await tool("stage", [join(folder, "other"), "nowhere"]);
      assertEquals([code, stderr.split(":")[0]], [1, "Cannot lay nowhere into the stage"]);
    });
    await t.step(
      "is embedded whole by deno compile: its dry run, on a base runtime that is none",
      async () => {
        const out = join(folder, "out");
        const listed = embeddedNames(await compileStage(stage, out, "/bin/true"));
        const tops = names.map((name) => name.includes("/") ? `${name.split("/")[0]}/*` : name);
        assertEquals(listed.toSorted(), [...new Set(tops)].toSorted());
        const made = Buffer.from(Deno.readFileSync(out));
        for (const name of names) {
          const file = Buffer.from(Deno.readFileSync(join(stage, name)));
          assert(made.includes(file), `${name} is in the file, byte for byte`);
        }
      },
    );
  }));

Deno.test("pack.ts leaves a single file alone that would get the same bytes, and makes it anew when one input differs", () =>
  inOpenFolder(async (folder) => {
    const [stage, out] = [join(folder, "stage"), join(folder, "nanogpt")];
    await Deno.mkdir(stage);
    const pack = async (program: string, runtime: string) => {
      await Deno.writeTextFile(join(stage, "main.js"), program);
      const args = [launcherOf("stored") ?? "", "stored", stage, join(folder, "results"), out, runtime];
      assertEquals(await tool("pack", args), { code: 0, stderr: "" });
      return (await Deno.stat(out)).ino;
    };
    const first = await pack("one", "/bin/true");
    assertEquals(await pack("one", "/bin/true"), first);
    const second = await pack("two", "/bin/true");
    assertNotEquals(second, first);
    assertNotEquals(await pack("two", "/bin/false"), second);
    await Deno.remove(join(stage, "main.js"));
    const { code, stderr } = await tool("pack", [launcherOf("stored") ?? "", "stored", stage, folder, out]);
    assertEquals([code, stderr], [1, `Cannot pack ${stage}: it holds no main.js\n`]);
  }));

Deno.test("PACK=compile without a base runtime, or with a wrong one, says what to do and leaves no file", () =>
  inOpenFolder(async (folder) => {
    const stage = join(folder, "stage");
    await Deno.mkdir(stage);
    await Deno.writeTextFile(join(stage, "main.js"), "console.log(1)");
    const out = join(folder, "nanogpt");
    // A full deno would take the user's arguments for its own.
    for (
      const [base, answer] of [["/bin/true", "true"], [
        Deno.execPath(),
        `deno ${Deno.version.deno}`,
      ]] as const
    ) {
      const { code, stderr } = await tool("compile", [stage, out], { DENORT_BIN: base });
      assertEquals(code, 1);
      assertStringIncludes(stderr, `it answers --version with "${answer}`);
      assertStringIncludes(stderr, "or use PACK=launcher");
    }
    const absent = await tool("compile", [stage, out], { DENORT_BIN: "/nowhere/denort" });
    assertEquals(absent.code, 1);
    assertStringIncludes(absent.stderr, `give the denort of Deno ${Deno.version.deno} as DENORT_BIN`);
    assertEquals(exists(out) || exists(`${out}.new`), false);
  }));
