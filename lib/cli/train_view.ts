// What a person sees of a training run: a head, a status line with a bar, the lines that stay, the last words.
// Formats events; knows nothing of training and ends nothing. What it shows is also in the run's log, without the
// drawing. May import progress.ts, lib/base and event types.

import type { TrainEvent } from "../run/events.ts";
import { formatBytes, formatCount, formatWorkers } from "../base/units.ts";
import { formatBar, formatDuration, StatusLine } from "./progress.ts";

type EventOf<K extends TrainEvent["kind"]> = Extract<TrainEvent, { kind: K }>;

/** Shows one run. */
export class TrainView {
  readonly #folder: string;
  readonly #steps: number;
  readonly #status = new StatusLine();
  /** Whether training has begun: before that a run has left nothing. */
  started = false;

  constructor(folder: string, steps: number) {
    this.#folder = folder;
    this.#steps = steps;
  }

  /** Shows an event. */
  show(event: TrainEvent): void {
    switch (event.kind) {
      case "start":
        this.#start(event);
        break;
      case "step":
        this.#step(event);
        break;
      case "validating":
        this.#status.draw(`validating ${formatBar(event.share, 30)} ${Math.round(100 * event.share)}%`);
        break;
      case "validation":
        this.#status.line(event.line);
        break;
      case "checkpoint":
        this.#status.line(`step:${event.step}/${this.#steps} checkpoint ${event.path}`);
        break;
      case "sample":
        this.#status.line(`step:${event.step}/${this.#steps} sample: ${event.text}`);
        break;
      case "note":
        this.note(event.text);
        break;
      case "end":
      case "failed":
      case "left":
        break;
      default:
        event satisfies never;
    }
  }

  /** A remark that stays. */
  note(text: string): void {
    this.#status.line(text);
  }

  /** The last words of a run, for standard output. */
  summary(event: EventOf<"end">): string {
    const time = formatDuration(event.trainSeconds);
    if (event.interrupted) {
      const command = `nanogpt train --resume ${shellWord(this.#folder)}`;
      return `Interrupted after step ${event.step} of ${this.#steps}; go on with: ${command}`;
    }
    const loss = event.valLoss === undefined ? "" : `validation loss ${event.valLoss.toFixed(4)}, `;
    return `Done: ${loss}${event.step} steps, ${time} of training; the run lies in ${this.#folder}`;
  }

  /** Takes the status line away. */
  close(): void {
    this.#status.clear();
  }

  #start(event: EventOf<"start">): void {
    this.started = true;
    const { device, peak } = event;
    const simulated = device.simulated ? ", simulated" : "";
    const tera = peak
      ? `, measured peak ${formatCount(Math.max(peak.f32FlopsPerSecond, peak.bf16FlopsPerSecond))}FLOP/s`
      : "";
    const each = event.ranks > 1 ? `${event.ranks} ranks, each with ` : "";
    this.#status.line(`${device.machine}: ${device.isa}${simulated}, ${each}${formatWorkers(device)}${tera}`);
    this.#status.line(
      `${formatCount(event.parameters)} parameters, ${formatBytes(event.plannedBytes)} planned, ` +
        `${event.steps} steps of ${formatCount(event.tokensPerStep)} tokens, run in ${this.#folder}`,
    );
    if (event.from > 0) this.#status.line(`going on after step ${event.from}`);
  }

  #step({ record, secondsLeft }: EventOf<"step">): void {
    const share = record.step / this.#steps;
    const peak = record.peakShare === null ? "" : ` ${(100 * record.peakShare).toFixed(0)}% of peak`;
    const text =
      `${formatBar(share, 20)} ${record.step}/${this.#steps} loss ${record.trainLoss.toFixed(3)} ` +
      `${formatCount(record.tokensPerSecond)} tok/s${peak} ${formatDuration(secondsLeft)} left`;
    if (this.#status.live) this.#status.draw(text);
    else if (record.step % this.#plainEvery === 0 || record.step === 1 || record.step === this.#steps) {
      this.#status.line(
        `step:${record.step}/${this.#steps} train_loss:${record.trainLoss.toFixed(4)} ` +
          `step_time:${record.stepMs.toFixed(0)}ms tokens_per_second:${record.tokensPerSecond.toFixed(0)}`,
      );
    }
  }

  /** Without a terminal: about a hundred lines a run. */
  get #plainEvery(): number {
    return Math.max(1, Math.ceil(this.#steps / 100));
  }
}

/** `text` as a shell takes it as one word: quoted only where it must be. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
