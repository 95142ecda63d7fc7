// The script behind ./nanogpt: finds its checkout from any folder and through links, passes arguments on untouched,
// shields the program from variables meant for deno itself, and says what to do when nothing is built.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import { ROOT } from "./command.ts";

/** A checkout with a program that prints what it is given; spaces in the name, as users have them. */
async function inCheckout(use: (checkout: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "a checkout " });
  try {
    await Deno.copyFile(join(ROOT, "scripts", "launch.sh"), join(folder, "nanogpt"));
    await Deno.mkdir(join(folder, "node_modules"));
    await Deno.writeTextFile(join(folder, "deno.json"), "{}");
    await Deno.writeTextFile(
      join(folder, "main.ts"),
      "console.log(JSON.stringify([Deno.args, Deno.cwd(), Deno.env.get('COMPLETE') ?? null]));Deno.exit(7);",
    );
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function run(program: string, args: string[], cwd: string, env: Record<string, string>) {
  const command = new Deno.Command(program, { args, cwd, env, clearEnv: true });
  const { code, stdout, stderr } = await command.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

const BARE_PATH = "/usr/bin:/bin";
const PATH_WITH_DENO = `${dirname(Deno.execPath())}:${BARE_PATH}`;

Deno.test("./nanogpt runs its own checkout from anywhere, arguments and exit code untouched", async () => {
  await inCheckout(async (checkout) => {
    const args = ["--help", "", "two words", "-A", "*"];
    const env = {
      PATH: PATH_WITH_DENO,
      COMPLETE: "bash",
      DENO_V8_FLAGS: "--no-such-flag",
      NODE_OPTIONS: "--no",
    };
    const direct = await run(join(checkout, "nanogpt"), args, ROOT, env);
    assertEquals(direct, { code: 7, stdout: `${JSON.stringify([args, ROOT, null])}\n`, stderr: "" });
    const link = join(checkout, "node_modules", "link");
    await Deno.symlink("../nanogpt", link);
    const linked = await run(link, ["x"], "/", env);
    assertEquals(linked, { code: 7, stdout: '[["x"],"/",null]\n', stderr: "" });
  });
});

Deno.test("./nanogpt without deno, or with another version, says what to do: exit code 125", async () => {
  await inCheckout(async (checkout) => {
    const other = join(checkout, "deno");
    await Deno.writeTextFile(other, "#!/bin/sh\necho 'deno 2.9.60 (stable)'\n", { mode: 0o755 });
    for (const path of [BARE_PATH, `${checkout}:${BARE_PATH}`]) {
      const { code, stdout, stderr } = await run(join(checkout, "nanogpt"), ["info"], "/", { PATH: path });
      assertEquals([code, stdout], [125, ""]);
      assertStringIncludes(
        stderr,
        `Cannot start nanogpt: it is not built yet; run "make" in ${checkout} first`,
      );
    }
  });
});
