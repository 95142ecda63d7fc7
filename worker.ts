// Entry of the workers: runs a training and posts what happens, so that the interface stays alive while kernels run, or
// encodes batches of documents, one for each message. Knows nothing of terminals and reports no error itself: it posts
// it. Training is stopped through the request's shared flag, not by message. May import lib/base, lib/run and data/.

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import type { EncodeReply, EncodeRequest } from "./data/encode_batch.ts";
import { describeError } from "./lib/base/errors.ts";
import type { TrainEvent, TrainRequest } from "./lib/run/events.ts";

async function train(request: TrainRequest): Promise<void> {
  const say = (event: TrainEvent) => self.postMessage(event);
  try {
    await (await import("./lib/run/trainer.ts")).train(request, say);
  } catch (error) {
    const isOthers = error instanceof Error && error.name === "RankLeft";
    say(isOthers ? { kind: "left" } : { kind: "failed", error: describeError(error) });
  }
}

async function encode({ batch, valFraction }: EncodeRequest): Promise<void> {
  const say = (reply: EncodeReply, buffers: ArrayBuffer[] = []) => self.postMessage(reply, buffers);
  try {
    const { encodeBatch, buffersOf } = await import("./data/encode_batch.ts");
    const encoded = encodeBatch(batch, valFraction);
    say(encoded, buffersOf(encoded));
  } catch (error) {
    say({ kind: "failed", error: describeError(error) });
  }
}

/** What a worker is asked to do; each module is loaded by the workers that need it. */
self.onmessage = ({ data: request }: MessageEvent<TrainRequest | EncodeRequest>) => {
  switch (request.kind) {
    case "train":
      return train(request);
    case "encode":
      return encode(request);
    default:
      request satisfies never;
  }
};
