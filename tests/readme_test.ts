// The README against the program: every configuration key with the record's value, every preset, every folder.

import { assert } from "@std/assert";
import { join } from "@std/path";
import { PRESETS } from "../lib/config/presets.ts";
import { KEYS, PRESET_NAMES } from "../lib/config/schema.ts";
import { ROOT } from "./cli/command.ts";

const README = Deno.readTextFileSync(join(ROOT, "README.md"));

Deno.test("README lists every configuration key with the record's value", () => {
  const record: Record<string, Record<string, unknown>> = PRESETS["speedrun-2024-11-19"].values;
  for (const [path, { section, name }] of KEYS) {
    const value = record[section]?.[name];
    const row = value === undefined ? `| \`${path}\` |` : `| \`${path}\` | ${value} |`;
    assert(README.includes(row), `README.md has no row ${row}`);
  }
});

Deno.test("README names every preset and every folder of the tree", () => {
  for (const name of PRESET_NAMES) {
    assert(README.includes(`\`${name}\``), `README.md does not name the preset ${name}`);
  }
  const folders = [...Deno.readDirSync(join(ROOT, "lib"))].filter((entry) => entry.isDirectory);
  for (const { name } of folders) {
    assert(README.includes(`\`lib/${name}/\``), `README.md does not name the folder lib/${name}/`);
  }
});
