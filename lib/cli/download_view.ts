// What a person sees of a download: a status line with a bar, rate and time left, a line for each file that is done.
// Without a terminal, lines only. Formats events; fetches nothing and ends nothing. May import progress.ts, lib/base
// and event types of data/.

import type { FetchEvent } from "../../data/fetch_files.ts";
import { formatBytes, formatQuantity } from "../base/units.ts";
import { formatBar, formatDuration, StatusLine } from "./progress.ts";

const DRAW_EVERY_MS = 100;
/** Without a terminal, a sign of life. */
const PLAIN_EVERY_MS = 30_000;
/** The rate is that of the last seconds. */
const RATE_MS = 10_000;

/** Shows the download of a set of files. */
export class DownloadView {
  readonly #status = new StatusLine();
  readonly #rate = new Rate();
  #files = 0;
  #bytes = 0;
  /** Files and bytes of those that are done. */
  #done = { files: 0, bytes: 0 };
  #begun = { name: "", at: 0, from: -1 };
  #shownAt = performance.now();

  show(event: FetchEvent): void {
    switch (event.kind) {
      case "plan":
        this.#plan(event.files, event.bytes, event.held);
        break;
      case "verifying":
        this.#status.draw(`verifying ${event.name}`);
        break;
      case "begin":
        this.#begun = { name: event.name, at: performance.now(), from: -1 };
        break;
      case "progress":
        this.#progress(event.held);
        break;
      case "done":
        this.#finished(event.entry.size, event.entry.stated);
        break;
      default:
        event satisfies never;
    }
  }

  /** A remark that stays. */
  note(text: string): void {
    this.#status.line(text);
  }

  /** Takes the status line away. */
  close(): void {
    this.#status.clear();
  }

  #plan(files: number, bytes: number, held: number): void {
    [this.#files, this.#bytes] = [files, bytes];
    const there = held > 0 ? `, ${formatBytes(held)} of it here already` : "";
    this.note(`${files} ${files === 1 ? "file" : "files"} to fetch, ${formatBytes(bytes)}${there}`);
  }

  #progress(held: number): void {
    if (this.#begun.from < 0) this.#begun.from = held;
    const now = performance.now();
    if (now - this.#shownAt < (this.#status.live ? DRAW_EVERY_MS : PLAIN_EVERY_MS)) return;
    this.#shownAt = now;
    const arrived = this.#done.bytes + held;
    const rate = this.#rate.at(now, arrived);
    const left = rate > 0 ? ` ${formatDuration((this.#bytes - arrived) / rate)} left` : "";
    // The name comes last: it is what a narrow terminal may cut.
    const text =
      `${this.#done.files + 1}/${this.#files} ${formatBytes(arrived)} of ${formatBytes(this.#bytes)} ` +
      `${formatQuantity(rate, "B/s")}${left} ${this.#begun.name}`;
    if (this.#status.live) this.#status.draw(`${formatBar(arrived / this.#bytes, 20)} ${text}`);
    else this.note(text);
  }

  #finished(size: number, stated: boolean): void {
    this.#done = { files: this.#done.files + 1, bytes: this.#done.bytes + size };
    const seconds = (performance.now() - this.#begun.at) / 1000;
    const rate = formatQuantity((size - Math.max(0, this.#begun.from)) / seconds, "B/s");
    const checked = stated ? "SHA-256 as stated" : "size as stated, no SHA-256 to check";
    this.note(`${this.#begun.name}: ${formatBytes(size)} in ${seconds.toFixed(1)} s, ${rate}, ${checked}`);
  }
}

/** Bytes per second over the last seconds. */
class Rate {
  #samples: { readonly at: number; readonly bytes: number }[] = [];

  at(now: number, bytes: number): number {
    this.#samples = [...this.#samples.filter(({ at }) => now - at <= RATE_MS), { at: now, bytes }];
    const first = this.#samples[0];
    return first && now > first.at ? Math.max(0, 1000 * (bytes - first.bytes) / (now - first.at)) : 0;
  }
}
