// Turns whatever was thrown into a message on standard error and the exit code: the one place that does. A UserError
// or RunError shows its message alone, anything else is a bug and shows its stack. Swallows nothing and tries nothing
// again. May import lib/base and output.

import { InternalError, messageOf, RunError, UserError } from "../base/errors.ts";
import { printable } from "../base/printable.ts";
import { err } from "./output.ts";

/** Prints what was thrown; returns the exit code: 1 the user's input, 2 failed while running, 3 a bug. */
export function reportError(error: unknown): number {
  if (error instanceof UserError || error instanceof RunError) {
    err.line(printable(error.message));
    return error.exitCode;
  }
  const bug = error instanceof InternalError ? error : new InternalError(messageOf(error), { cause: error });
  err.line(bug.message);
  err.line(stackOf(error));
  for (let cause = bug.cause; cause instanceof Error && cause !== error; cause = cause.cause) {
    err.line(`caused by ${cause.name}: ${cause.message}\n${stackOf(cause)}`);
  }
  err.line("This is a bug in nanogpt; please report it with these lines");
  return bug.exitCode;
}

/** From now on, what escapes every handler, in a promise too, is reported like any other bug and ends the program. */
export function reportStrays(): void {
  const end = (event: Event, error: unknown): never => {
    event.preventDefault();
    Deno.exit(reportError(error));
  };
  globalThis.addEventListener("error", (event) => end(event, event.error));
  globalThis.addEventListener("unhandledrejection", (event) => end(event, event.reason));
}

/** The frames of a stack without the message above them. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return "    (no stack: what was thrown is no Error)";
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  return frames.length > 0 ? frames.join("\n") : "    (no stack)";
}
