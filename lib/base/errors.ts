// The three kinds of failure and their exit codes. Everything that can go wrong is thrown as one of them; anything
// else that reaches main.ts is a bug and is reported as `internal:`. Prints nothing and ends nothing:
// lib/cli/report_error.ts does. Importable by all; imports nothing.

/** The user's input was wrong: one clear message, no stack, exit code 1. */
export class UserError extends Error {
  override name = "UserError";
  readonly exitCode = 1;
}

/** Something failed while running (disk, memory, kernel, non-finite loss): one clear message, exit code 2. */
export class RunError extends Error {
  override name = "RunError";
  readonly exitCode = 2;
}

/** Training met a value that is not finite: a RunError of the settings, not of the machine. */
export class DivergedError extends RunError {
  override name = "DivergedError";
}

/** A bug in nanogpt: the message starts `internal:`, the stack is shown, exit code 3. */
export class InternalError extends Error {
  override name = "InternalError";
  readonly exitCode = 3;

  constructor(message: string, options?: ErrorOptions) {
    super(`internal: ${message}`, options);
  }
}

/** The text of anything thrown, for use inside another message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An error as it crosses from a worker: its class by name. */
export interface ThrownError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
}

/** Anything thrown, in a form that crosses. */
export function describeError(error: unknown): ThrownError {
  if (error instanceof Error) return { name: error.name, message: error.message, stack: error.stack };
  return { name: "Error", message: String(error), stack: undefined };
}

/** The error that a worker threw, as its class. */
export function reviveError(thrown: ThrownError): Error {
  switch (thrown.name) {
    case "UserError":
      return new UserError(thrown.message);
    case "DivergedError":
      return new DivergedError(thrown.message);
    case "RunError":
      return new RunError(thrown.message);
    default: {
      const error = new InternalError(thrown.message.replace(/^internal: /, ""));
      if (thrown.stack) error.stack = thrown.stack;
      return error;
    }
  }
}
