// The page as a whole: its parts in their places, and what each chart draws of the runs. Keeps the runs and the reader's
// choices; gets runs from main.ts and asks it for others. The same for the live page and for the report. Browser code;
// may import its neighbours, page_curves.ts and lib/base.

import { type Axis, columnCurve, type Curve, scheduleCurves, smoothedLoss } from "../page_curves.ts";
import { printableLine } from "../../base/printable.ts";
import type { Numbers, RunMore, RunTable, RunView } from "../page_model.ts";
import { formatTick } from "../ticks.ts";
import { Chart, type ChartOptions, type Drawing, type Line, type LineStyle } from "./chart.ts";
import { Controls } from "./controls.ts";
import { Details } from "./details.ts";
import { element, foreign, visible } from "./dom.ts";
import { Runs, type ShownRun } from "./runs.ts";

const AXIS_LABELS: Readonly<Record<Axis, string>> = {
  step: "step",
  tokens: "tokens",
  time: "time of training",
};
/** Charts over the same axis move together. */
const GROUP = "runs";

/** How it stands with the run that the page is about. */
export type Standing = "training" | "ended" | "lost" | "report" | "waiting";

/** Where a page gets the runs from that are not there yet. */
export interface DashboardOptions {
  /** The run that the page is about: shown always. */
  readonly main: string;
  /** Fetches another run and hands it to put(). */
  readonly fetch: (name: string) => void;
}

/** The page. */
export class Dashboard {
  readonly #options: DashboardOptions;
  readonly #runs = new Runs();
  readonly #details = new Details();
  readonly #controls: Controls;
  readonly #name = element("h1");
  readonly #standing = element("p", { class: "standing", role: "status" });
  readonly #charts: Readonly<Record<"loss" | "schedule" | "speed" | "peak" | "phases", Chart>>;
  #names: readonly string[] = [];
  #focus: string;
  #isDrawingDue = false;

  constructor(root: HTMLElement, options: DashboardOptions) {
    this.#options = options;
    this.#focus = options.main;
    this.#controls = new Controls({
      changed: () => this.draw(),
      show: (name, on) => this.#toggle(name, on),
      focus: (name) => {
        this.#focus = name;
        this.draw();
      },
    });
    this.#charts = {
      loss: this.#chart("Loss", 360),
      schedule: this.#chart("Schedule: rate and momentum", 220),
      speed: this.#chart("Tokens per second", 220),
      peak: this.#chart("Share of the machine\u2019s peak", 220),
      phases: this.#chart("Milliseconds of a step, by phase", 220),
    };
    this.#place(root);
  }

  /** Adds a run, or takes the place of the one of that name. */
  put(view: RunView): void {
    this.#runs.put(view);
    this.#controls.suit(Math.max(...this.#runs.all().map(({ view }) => view.steps ?? view.records)));
    this.draw();
  }

  /** Adds to a run. */
  extend(name: string, more: RunMore): void {
    this.#runs.extend(name, more);
    this.draw();
  }

  /** The names of all runs that there are. */
  offer(names: readonly string[]): void {
    this.#names = names;
    this.draw();
  }

  /** Says how it stands with the main run. */
  stand(standing: Standing, text: string): void {
    if (this.#standing.textContent === text) return;
    this.#standing.className = `standing ${standing}`;
    this.#standing.textContent = text;
  }

  /** Draws soon, once for all changes until then. */
  draw(): void {
    if (this.#isDrawingDue) return;
    this.#isDrawingDue = true;
    requestAnimationFrame(() => {
      this.#isDrawingDue = false;
      this.#drawNow();
    });
  }

  /** Draws the charts anew, for another colour scheme or for paper. */
  refresh(): void {
    Object.values(this.#charts).forEach((chart) => chart.refresh());
  }

  #chart(title: string, height: number): Chart {
    const options: ChartOptions = {
      title,
      height,
      group: GROUP,
      onZoom: (zoom) => this.#controls.zoom(zoom),
    };
    return new Chart(options);
  }

  #place(root: HTMLElement): void {
    const { loss, schedule, speed, peak, phases } = this.#charts;
    const { facts, notes, memory, samples, config, log } = this.#details;
    root.append(
      element("header", {}, element("div", { class: "title" }, this.#name, this.#standing), facts, notes),
      element(
        "main",
        {},
        this.#controls.element,
        element("div", { class: "wide" }, loss.element),
        element("div", { class: "pair" }, speed.element, peak.element, phases.element, schedule.element),
        element("div", { class: "pair" }, samples, memory),
        element("div", { class: "pair" }, config, log),
      ),
    );
  }

  #setName(name: string): void {
    if (this.#name.textContent === visible(name)) return;
    this.#name.replaceChildren(foreign(name));
    // A title has no element to keep the direction of writing in.
    document.title = `${printableLine(name)} \u2013 nanogpt`;
  }

  #toggle(name: string, on: boolean): void {
    if (on) this.#options.fetch(name);
    else this.#runs.remove(name);
    if (!on && this.#focus === name) this.#focus = this.#options.main;
    this.draw();
  }

  #drawNow(): void {
    const shown = this.#runs.all();
    this.#offerChoices();
    const focus = this.#runs.get(this.#focus) ?? this.#runs.get(this.#options.main);
    this.#setName(focus?.view.name ?? this.#options.main);
    if (!focus) return;
    this.#details.show(focus.view, shown.map(({ view }) => view));
    const { axis } = this.#controls.settings;
    const columns = (of: (table: RunTable) => Numbers) =>
      shown.map((run) =>
        line(nameOf(run, shown), run.color, "plain", columnCurve(run.view, axis, of(run.view.table)))
      );
    this.#charts.loss.draw(
      this.#drawing(this.#lossLines(shown, focus), { logY: this.#controls.settings.logY }),
    );
    this.#charts.speed.draw(
      this.#drawing(columns((table) => table.tokensPerSecond), { fromZero: true }),
    );
    this.#charts.peak.draw(
      this.#drawing(columns((table) => table.peakShare), {
        format: (share) => `${Number((100 * share).toPrecision(3))} %`,
        fromZero: true,
        empty: "No peak was measured",
      }),
    );
    this.#charts.phases.draw(this.#drawing(phaseLines(focus, axis), { fromZero: true }));
    this.#drawSchedule(focus);
  }

  #offerChoices(): void {
    const { main } = this.#options;
    const shown = this.#runs.all().map(({ view }) => view.name);
    const names = [...new Set([main, ...shown, ...this.#names])];
    this.#controls.choose(names.map((name) => ({
      name,
      shown: this.#runs.has(name),
      color: this.#runs.get(name)?.color ?? null,
      fixed: name === main,
      focus: name === this.#focus,
    })));
  }

  #drawing(lines: readonly Line[], more: Partial<Drawing>): Drawing {
    const { axis, logX, zoom } = this.#controls.settings;
    return {
      lines,
      xLabel: AXIS_LABELS[axis],
      timeAxis: axis === "time",
      logX,
      logY: false,
      fromZero: false,
      zoom,
      empty: "No step yet",
      format: formatValue,
      ...more,
    };
  }

  /** Each run smoothed, with its validations; the single values of the one in focus behind. */
  #lossLines(shown: readonly ShownRun[], focus: ShownRun): Line[] {
    const { axis, halfLife } = this.#controls.settings;
    const isAlone = shown.length === 1;
    return shown.flatMap((run): Line[] => {
      const { view, color } = run;
      const name = isAlone ? "training" : view.name;
      const raw = columnCurve(view, axis, view.table.trainLoss);
      const val = columnCurve(view, axis, view.table.valLoss);
      const training = halfLife === 0 ? [line(name, color, "plain", raw)] : [
        ...(run === focus ? [line(`${name}, each step`, color, "faint", raw)] : []),
        line(isAlone ? "training, smoothed" : name, color, "strong", smoothedLoss(view, axis, halfLife)),
      ];
      const validation = isAlone
        ? line("validation", 1, "points", val)
        : line(`${view.name}, validation`, color, "points", val);
      return val.x.length > 0 ? [...training, validation] : training;
    });
  }

  /** Its axis has no time: it shows steps that are still to come. */
  #drawSchedule({ view }: ShownRun): void {
    const { axis: asked, zoom } = this.#controls.settings;
    const axis = asked === "tokens" ? asked : "step";
    const curves = scheduleCurves(view, axis);
    const step = view.table.step.at(-1) ?? 0;
    const lines = curves
      ? [line("rate", 0, "strong", curves.rate), line("momentum", 1, "strong", curves.momentum)]
      : [];
    this.#charts.schedule.draw(this.#drawing(lines, {
      xLabel: AXIS_LABELS[axis],
      timeAxis: false,
      fromZero: true,
      zoom: asked === axis ? zoom : null,
      mark: axis === "tokens" ? step * (view.tokensPerStep ?? NaN) : step,
      empty: "Not known: there is no config.json",
    }));
  }
}

function line(label: string, color: number, style: LineStyle, { x, y }: Curve): Line {
  return { label, color, style, dashed: color >= 8, x, y };
}

function nameOf({ view }: ShownRun, shown: readonly ShownRun[]): string {
  return shown.length === 1 ? "this run" : view.name;
}

/** The parts of a step. */
function phaseLines({ view }: ShownRun, axis: Axis): Line[] {
  return view.table.phases.map(({ name, ms }, i) => line(name, i, "plain", columnCurve(view, axis, ms)));
}

function formatValue(value: number): string {
  const size = Math.abs(value);
  return size >= 10_000
    ? formatTick(value)
    : size >= 1000
    ? value.toFixed(0)
    : String(Number(value.toPrecision(5)));
}
