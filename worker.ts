// Entry of the training worker: runs one training request and posts what happens, so that the interface stays alive
// while kernels run. Knows nothing of terminals and reports no error itself: it posts it. Stopping comes through the
// request's shared flag, not by message. May import lib/run only.

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import type { ThrownError, TrainEvent, TrainRequest } from "./lib/run/events.ts";
import { train } from "./lib/run/trainer.ts";

const say = (event: TrainEvent) => self.postMessage(event);

function describe(error: unknown): ThrownError {
  if (error instanceof Error) return { name: error.name, message: error.message, stack: error.stack };
  return { name: "Error", message: String(error), stack: undefined };
}

self.onmessage = async (message: MessageEvent<TrainRequest>) => {
  try {
    await train(message.data, say);
  } catch (error) {
    say({ kind: "failed", error: describe(error) });
  }
};
