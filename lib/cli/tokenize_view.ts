// What a person sees while documents are tokenized: a status line with a bar, bytes, MB/s and the time left, or without
// a terminal a plain line every ten seconds. Formats what it is told; counts nothing itself but time. May import
// progress.ts, lib/base and types of data/.

import type { TokenizeProgress } from "../../data/tokenize.ts";
import { formatCount, formatQuantity } from "../base/units.ts";
import { formatBar, formatDuration, StatusLine } from "./progress.ts";

const DRAW_MS = 100;
const PLAIN_MS = 10_000;

/** Shows one tokenization from its start on. */
export class TokenizeView {
  readonly #status: StatusLine;
  readonly #started = performance.now();
  #shown = this.#started;

  constructor(status: StatusLine = new StatusLine()) {
    this.#status = status;
  }

  /** Since the start. */
  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** Shows how far it is, unless that was just shown. */
  show(done: TokenizeProgress): void {
    const now = performance.now();
    if (now - this.#shown < (this.#status.live ? DRAW_MS : PLAIN_MS)) return;
    this.#shown = now;
    const text = formatProgress(done, this.seconds);
    if (this.#status.live) this.#status.draw(text);
    else this.#status.line(text);
  }

  /** Takes the status line away. */
  close(): void {
    this.#status.clear();
  }
}

/** "[#####-----] 1.20 GB of 2.40 GB, 24.0 MB/s, 305k documents, 270M tokens, 0:50 left" after `seconds`. */
export function formatProgress(done: TokenizeProgress, seconds: number): string {
  const { documents, tokens, bytes, totalBytes } = done;
  const rate = bytes / seconds;
  const counts = `${formatQuantity(rate, "B/s")}, ${formatCount(documents)} documents, ${
    formatCount(tokens)
  } tokens`;
  if (totalBytes === undefined) return `${formatQuantity(bytes, "B")}, ${counts}`;
  const left = formatDuration((totalBytes - bytes) / rate);
  return `${formatBar(bytes / totalBytes, 20)} ${formatQuantity(bytes, "B")} of ${
    formatQuantity(totalBytes, "B")
  }, ${counts}, ${left} left`;
}
