// nanogpt sample: placeholder until the command is written. Refuses to run. Imports lib/base only.

import { InternalError } from "../base/errors.ts";
import type { Context } from "./context.ts";
import type { SampleOptions } from "./options.ts";

/** Runs the command; returns its exit code. */
export function sample(_options: SampleOptions, _context: Context): Promise<number> {
  throw new InternalError("not written yet");
}
