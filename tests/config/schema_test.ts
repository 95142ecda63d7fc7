// The JSON Schema says the same as the parser: all keys, none required, none beside them.

import { assertEquals, assertObjectMatch } from "@std/assert";
import { resolveConfig } from "../../lib/config/load.ts";
import { configJsonSchema, configSchema, fileSchema, KEYS, SECTION_NAMES } from "../../lib/config/schema.ts";

Deno.test("the JSON Schema has every key with type and limits, and no others", () => {
  const schema = configJsonSchema();
  assertObjectMatch(schema, {
    type: "object",
    additionalProperties: false,
    properties: {
      preset: { type: "string", enum: ["sample", "tiny", "speedrun-2024-11-19", "speedrun-1.5b"] },
      model: {
        additionalProperties: false,
        properties: { layers: { type: "integer", minimum: 2, maximum: 1024, multipleOf: 2 } },
      },
      device: { properties: { pin: { type: "boolean" }, gemm: { enum: ["builtin", "cublaslt"] } } },
    },
  });
  assertEquals(schema["required"], undefined);
  const text = JSON.stringify(schema);
  for (const { name } of KEYS.values()) assertEquals(text.includes(`"${name}":`), true, name);
  assertEquals(text.includes('"required"'), false);
});

Deno.test("every key says in a line what it is", () => {
  for (const { path, schema } of KEYS.values()) {
    assertEquals((schema.description ?? "").length > 5, true, path);
  }
});

Deno.test("what the loader accepts, the schemas accept", () => {
  const { config, sources } = resolveConfig({ preset: "tiny" });
  assertEquals(configSchema.parse(config), config);
  assertEquals(fileSchema.parse({ ...config, sources }), { ...config, sources });
  assertEquals(Object.keys(config), ["preset", ...SECTION_NAMES]);
});
