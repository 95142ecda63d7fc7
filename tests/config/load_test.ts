// Layers of a configuration: presets, file, --set and flags, who wins, and what each value's source is called.

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { UserError } from "../../lib/base/errors.ts";
import { configText, parseConfig, resolveConfig } from "../../lib/config/load.ts";
import { expandOut } from "../../lib/config/paths.ts";
import { PRESETS } from "../../lib/config/presets.ts";
import { KEYS, PRESET_NAMES } from "../../lib/config/schema.ts";

/** Calls `use` with a folder that holds config.json with this text. */
function withFile(text: string, use: (file: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    const file = join(folder, "config.json");
    Deno.writeTextFileSync(file, text);
    use(file);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("nothing given is the sample preset, each key with a source", () => {
  const { config, sources } = resolveConfig({});
  assertEquals(config.preset, "sample");
  assertEquals(config.model, PRESETS.sample.values.model);
  assertEquals(Object.keys(sources).sort(), ["preset", ...KEYS.keys()].sort());
  assertEquals(sources["preset"], "default");
  assertEquals(sources["model.layers"], "preset sample");
  assertEquals(sources["device.threads"], "default");
});

Deno.test("later layers win: preset, file, --set, flags", () => {
  const text = JSON.stringify({
    preset: "tiny",
    model: { layers: 4, window: 7 },
    device: { precision: "bf16", kind: "cpu" },
  });
  withFile(text, (file) => {
    const { config, sources } = resolveConfig({
      file,
      sets: ["model.layers=6", "run.out=a=b", "run.out=c=d", "device.precision=bf16"],
      flags: { precision: "fp32" },
    });
    assertEquals(config.preset, "tiny");
    assertEquals([config.model.dim, sources["model.dim"]], [64, "preset tiny"]);
    assertEquals([config.model.window, sources["model.window"]], [7, file]);
    assertEquals([config.model.layers, sources["model.layers"]], [6, "--set"]);
    assertEquals([config.run.out, sources["run.out"]], ["c=d", "--set"]);
    assertEquals([config.device.precision, sources["device.precision"]], ["fp32", "--precision"]);
    assertEquals([config.device.kind, sources["device.kind"]], ["cpu", file]);
    assertEquals(sources["preset"], file);
  });
});

Deno.test("--preset wins over the file's, the file's other keys stay", () => {
  withFile('{"preset":"speedrun-1.5b","model":{"layers":8}}', (file) => {
    const { config, sources } = resolveConfig({ file, preset: "tiny" });
    assertEquals([config.preset, config.model.layers, config.model.dim], ["tiny", 8, 64]);
    assertEquals(sources["preset"], "--preset");
  });
});

Deno.test("--out and --device set their keys", () => {
  const { config, sources } = resolveConfig({ flags: { out: "here", device: "reference" } });
  assertEquals([config.run.out, sources["run.out"]], ["here", "--out"]);
  assertEquals([config.device.kind, sources["device.kind"]], ["reference", "--device"]);
});

Deno.test("--set values take the type of their key", () => {
  const { config } = resolveConfig({
    sets: ["device.pin=true", "optim.adamEps=1e-9", "data.train=12", "model.softcap=15.5"],
  });
  assertEquals(config.device.pin, true);
  assertEquals(config.optim.adamEps, 1e-9);
  assertEquals(config.data.train, "12");
  assertEquals(config.model.softcap, 15.5);
});

Deno.test("--precision with the reference device is refused, a precision in a file is not", () => {
  assertThrows(
    () => resolveConfig({ flags: { precision: "fp32" }, sets: ["device.kind=reference"] }),
    UserError,
    "device.precision (--precision): the reference device always computes in float64",
  );
  const { config } = resolveConfig({ sets: ["device.kind=reference", "device.precision=fp32"] });
  assertEquals(config.device.kind, "reference");
});

Deno.test("what is printed can be read back, as a file and as a stored configuration", () => {
  for (const preset of PRESET_NAMES) {
    const resolved = resolveConfig({ preset, sets: ["model.window=9"] });
    withFile(configText(resolved), (file) => assertEquals(resolveConfig({ file }).config, resolved.config));
    assertEquals(parseConfig(JSON.parse(configText(resolved)), "checkpoint"), resolved.config);
  }
});

Deno.test("a stored configuration must be whole", () => {
  const { config } = resolveConfig({ preset: "tiny" });
  const { window: _, ...model } = config.model;
  const error = assertThrows(() => parseConfig({ ...config, model }, "step-1"), UserError);
  assertStringIncludes(error.message, "model.window (missing): found nothing");
  assertThrows(() => parseConfig([], "step-1"), UserError, "step-1");
});

Deno.test("an editor's $schema key is accepted", () => {
  withFile('{"$schema":"./schema.json","preset":"tiny"}', (file) => {
    assertEquals(resolveConfig({ file }).config.preset, "tiny");
  });
});

Deno.test("run.out: preset and date are filled in", () => {
  const date = new Date(Date.UTC(2024, 10, 19, 8, 15, 23));
  assertEquals(expandOut("runs/{preset}-{date}", "tiny", date), "runs/tiny-20241119-081523");
  assertEquals(expandOut("plain", "tiny", date), "plain");
});
