// Looking for libraries of others: one that states its version, one that does not, one that is no library, one that is
// not there. The libraries are some lines of C made by g++.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { findLibrary } from "../../ffi/libraries.ts";
import { inFolder } from "../data/helpers.ts";

async function build(path: string, lines: string): Promise<string> {
  await Deno.writeTextFile(`${path}.cpp`, lines);
  const args = ["-shared", "-fPIC", "-o", path, `${path}.cpp`];
  const { success, stderr } = await new Deno.Command("g++", { args }).output();
  assert(success, new TextDecoder().decode(stderr));
  return path;
}

Deno.test("findLibrary() tells name and version, or why there is none", () =>
  inFolder(async (folder) => {
    const version = (status: number) =>
      `extern "C" int get_version(int* v) { *v = 12040; return ${status}; }`;
    const stated = await build(join(folder, "stated.so"), version(0));
    const failing = await build(join(folder, "failing.so"), version(3));
    const silent = await build(join(folder, "silent.so"), "int nothing;");
    const text = join(folder, "text.so");
    await Deno.writeTextFile(
      text,
      "not an ELF file, but long enough to be read as the header of one, one might think",
    );
    const find = (...names: string[]) => findLibrary({ names, version: "get_version" });

    assertEquals(find(stated), { name: stated, version: 12040 });
    assertEquals(find("libnone.so.1", silent, stated), { name: silent, version: null });
    assertEquals(find(failing), { name: failing, version: null });
    const none = find("libnone.so.1", "libnone.so");
    assert("why" in none);
    assertMatch(none.why, /^libnone\.so\.1: cannot open shared object file: No such file or directory$/);
    const wrong = find(text);
    assert("why" in wrong);
    assertMatch(wrong.why, /text\.so: (invalid ELF header|file too short)/);
  }));
