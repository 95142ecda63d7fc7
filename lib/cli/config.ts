// nanogpt config: prints the whole configuration with the source of each value, or the JSON Schema of config.json.
// What it prints can be given back as a config.json. Writes no file and trains nothing; a wrong configuration is
// refused by lib/config. May import lib/config, options and output.

import { configText, resolveConfig } from "../config/load.ts";
import { PRESETS } from "../config/presets.ts";
import { configJsonSchema } from "../config/schema.ts";
import type { ConfigCommandOptions } from "./options.ts";
import { err, out } from "./output.ts";

/** Prints the configuration (its preset's description on standard error); returns the exit code. */
export function config({ schema, ...request }: ConfigCommandOptions): number {
  if (schema) {
    out.line(JSON.stringify(configJsonSchema(), null, 2));
    return 0;
  }
  const resolved = resolveConfig(request);
  err.line(`${resolved.config.preset}: ${PRESETS[resolved.config.preset].about}`);
  out.write(configText(resolved));
  return 0;
}
