// A chart: lines over a common axis, a legend with the values under the cursor, zoom by dragging or by keys. Draws with
// uPlot; colours come from the style sheet, so that both colour schemes and paper have theirs. Knows no run: it is given
// lines. Browser code; may import uplot, dom.ts and ticks.ts.

import uPlot from "uplot";
import { formatTick, formatTimeTick, linearTicks, logTicks, timeTicks } from "../ticks.ts";
import { element, foreign } from "./dom.ts";

/** How a line looks. `faint` and `plain` are thin. */
export type LineStyle = "faint" | "plain" | "strong" | "points";

/** One line: its name, its colour's number in the style sheet, its points. */
export interface Line {
  readonly label: string;
  readonly color: number;
  readonly style: LineStyle;
  /** Further lines of one colour are told apart by dashes. */
  readonly dashed?: boolean;
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** The part of the axis that is shown; null: all of it. */
export type Zoom = readonly [from: number, to: number] | null;

/** Everything a chart shows. */
export interface Drawing {
  readonly lines: readonly Line[];
  readonly xLabel: string;
  readonly timeAxis: boolean;
  readonly logX: boolean;
  readonly logY: boolean;
  /** Whether the upright axis begins at 0 (unless logarithmic). */
  readonly fromZero: boolean;
  readonly zoom: Zoom;
  /** Where on the axis something stands, drawn as an upright line. */
  readonly mark?: number | undefined;
  /** What to say where there is no point to draw. */
  readonly empty: string;
  readonly format: (value: number) => string;
}

/** What a chart asks of the page. */
export interface ChartOptions {
  readonly title: string;
  readonly height: number;
  /** Charts of one group share cursor and zoom; undefined: alone. */
  readonly group?: string;
  readonly onZoom: (zoom: Zoom) => void;
}

const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
/** A line has a value under the cursor where a point of it is as near as this. */
const HOVER_PIXELS = 60;
const HELP = "arrow keys move along the curve, plus and minus zoom, Escape shows all";
const KEY_STEPS: ReadonlyMap<string, number> = new Map([
  ["ArrowLeft", -1],
  ["ArrowRight", 1],
  ["PageUp", -10],
  ["PageDown", 10],
  ["Home", -Infinity],
  ["End", Infinity],
]);

/** One chart of a page. */
export class Chart {
  readonly element: HTMLElement;
  readonly #options: ChartOptions;
  readonly #host: HTMLElement;
  readonly #legend = element("ul", { class: "legend" });
  readonly #spoken = element("p", { class: "unseen", "aria-live": "polite" });
  readonly #hidden = new Set<string>();
  #values: HTMLElement[] = [];
  #drawing: Drawing | undefined;
  #plot: uPlot | undefined;
  /** What the plot was built for; where only points differ, it is kept. */
  #built = "";
  #width = 0;

  constructor(options: ChartOptions) {
    this.#options = options;
    const { title } = options;
    this.#host = element("div", {
      class: "plot",
      tabindex: "0",
      role: "group",
      "aria-label": `${title}: ${HELP}`,
    });
    this.element = element(
      "figure",
      { class: "panel chart" },
      element("figcaption", {}, element("h2", {}, title)),
      this.#host,
      this.#legend,
      this.#spoken,
    );
    this.#host.style.minHeight = `${options.height}px`;
    this.#host.addEventListener("keydown", (event) => this.#onKey(event));
    new ResizeObserver(() => this.#fit()).observe(this.#host);
  }

  /** Draws `drawing` in place of what was there. */
  draw(drawing: Drawing): void {
    this.#drawing = drawing;
    if (!drawing.lines.some(({ x }) => x.length > 0)) return this.#clear(drawing.empty);
    const { lines, xLabel, timeAxis, logX, logY } = drawing;
    const looks = lines.map(({ label, color, style, dashed }) => [label, color, style, dashed]);
    const built = JSON.stringify([looks, xLabel, timeAxis, logX, logY]);
    const data = this.#data(drawing);
    if (this.#plot && built === this.#built) this.#plot.setData(data);
    else this.#build(drawing, data, built);
    this.#say();
  }

  /** Draws again from nothing, with the colours and the width that hold now. */
  refresh(): void {
    this.#built = "";
    this.#width = 0;
    if (this.#drawing) this.draw(this.#drawing);
  }

  #clear(text: string): void {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#built = "";
    this.#values = [];
    this.#host.replaceChildren(element("p", { class: "empty" }, text));
    this.#legend.replaceChildren();
  }

  /** The lines as columns over one axis. A logarithmic axis has no place for what is not above 0. */
  #data({ lines, logX, logY }: Drawing): uPlot.AlignedData {
    const tables = lines.map(({ x, y }): uPlot.AlignedData => {
      const kept = x.flatMap((at, i) => (logX && at <= 0) || (logY && (y[i] ?? 0) <= 0) ? [] : [i]);
      return [kept.map((i) => x[i] ?? 0), kept.map((i) => y[i] ?? 0)];
    });
    return uPlot.join(tables);
  }

  #build(drawing: Drawing, data: uPlot.AlignedData, built: string): void {
    this.#plot?.destroy();
    this.#host.replaceChildren();
    this.#width = this.#host.clientWidth;
    this.#plot = new uPlot(this.#uplotOptions(drawing), data, this.#host);
    this.#built = built;
    this.#buildLegend(drawing);
  }

  #uplotOptions(drawing: Drawing): uPlot.Options {
    const { group, height, onZoom } = this.#options;
    const { logX, logY, timeAxis } = drawing;
    const nothing = { left: 0, top: 0, width: 0, height: 0 };
    const ticksX = logX ? logTicks : timeAxis ? timeTicks : linearTicks;
    return {
      width: Math.max(this.#width, 50),
      height,
      legend: { show: false },
      padding: [8, 24, null, null],
      scales: {
        x: { time: false, distr: logX ? 3 : 1, range: (_, min, max) => this.#rangeX(min, max) },
        y: { distr: logY ? 3 : 1, range: (_, min, max) => rangeY(min, max, drawing) },
      },
      axes: [
        axis(ticksX, 90, timeAxis ? formatTimeTick : formatTick, {
          label: drawing.xLabel,
          labelSize: 20,
          size: 28,
        }),
        axis(logY ? logTicks : linearTicks, 40, drawing.format, { size: 58 }),
      ],
      series: [{}, ...drawing.lines.map((line) => this.#series(line))],
      cursor: {
        ...(group !== undefined && { sync: { key: group, scales: ["x", null], setSeries: false } }),
        hover: { skip: [null, undefined], prox: HOVER_PIXELS },
        drag: { x: true, y: false, setScale: false },
        points: { size: 10, width: 1.5, stroke: cssColor("--paper"), fill: (_, i) => this.#lineColor(i - 1) },
        bind: { dblclick: () => () => (onZoom(null), null) },
      },
      hooks: {
        setCursor: [() => this.#say()],
        setSelect: [(plot) => {
          const { left, width } = plot.select;
          if (width < 4) return;
          plot.setSelect(nothing, false);
          onZoom([plot.posToVal(left, "x"), plot.posToVal(left + width, "x")]);
        }],
        draw: [(plot) => drawMark(plot, this.#drawing?.mark)],
      },
    };
  }

  #series({ label, color, style, dashed }: Line): uPlot.Series {
    const stroke = cssColor(`--line-${color % 8}`);
    const isPoints = style === "points";
    return {
      show: !this.#hidden.has(label),
      stroke,
      width: style === "strong" ? 2 : style === "points" ? 1.25 : 1,
      alpha: style === "faint" ? 0.5 : 1,
      points: { show: isPoints, size: 6, width: 1.5, stroke, fill: cssColor("--paper") },
      ...(dashed && { dash: [6, 4] }),
    };
  }

  #lineColor(i: number): string {
    return cssColor(`--line-${(this.#drawing?.lines[i]?.color ?? 0) % 8}`);
  }

  /** The part that is zoomed to, else everything. */
  #rangeX(min: number | null, max: number | null): uPlot.Range.MinMax {
    const [from, to] = this.#drawing?.zoom ?? [min ?? 0, max ?? 1];
    return [from, to > from ? to : from + 1];
  }

  #buildLegend({ lines }: Drawing): void {
    this.#values = lines.map(() => element("span", { class: "value" }));
    this.#legend.replaceChildren(...lines.map(({ label, color, style, dashed }, i) => {
      const swatch = element("span", {
        class: `swatch ${style}${dashed ? " dashed" : ""}`,
        "aria-hidden": "true",
      });
      swatch.style.color = `var(--line-${color % 8})`;
      const pressed = String(!this.#hidden.has(label));
      const button = element("button", { type: "button", "aria-pressed": pressed, title: "Show or hide" });
      button.append(swatch, foreign(label), this.#values[i] ?? "");
      button.addEventListener("click", () => {
        const show = this.#hidden.delete(label);
        if (!show) this.#hidden.add(label);
        button.setAttribute("aria-pressed", String(show));
        this.#plot?.setSeries(i + 1, { show });
      });
      return element("li", {}, button);
    }));
  }

  /** Writes the values at the cursor into the legend; where there is none those at the mark, else the last ones. */
  #say(): void {
    const [plot, drawing] = [this.#plot, this.#drawing];
    if (!plot || !drawing) return;
    const { left = -1, idxs } = plot.cursor;
    drawing.lines.forEach((line, i) => {
      const value = left < 0 ? restingValue(line, drawing.mark) : plot.data[i + 1]?.[idxs?.[i + 1] ?? -1];
      const text = typeof value === "number" ? drawing.format(value) : "\u2013";
      const place = this.#values[i];
      if (place && place.textContent !== text) place.textContent = text;
    });
  }

  #onKey(event: KeyboardEvent): void {
    const [plot, by] = [this.#plot, KEY_STEPS.get(event.key)];
    if (!plot || event.ctrlKey || event.metaKey || event.altKey) return;
    if (by !== undefined) this.#move(plot, by * (event.shiftKey ? 10 : 1));
    else if (event.key === "+" || event.key === "=") this.#zoomBy(plot, 0.5);
    else if (event.key === "-") this.#zoomBy(plot, 2);
    else if (event.key === "Escape") this.#options.onZoom(null);
    else return;
    event.preventDefault();
  }

  /** Moves the cursor by so many points of the axis and says what is there. */
  #move(plot: uPlot, by: number): void {
    const x = plot.data[0];
    const { min = 0, max = 1 } = plot.scales["x"] ?? {};
    const [first, last] = [plot.valToIdx(min), plot.valToIdx(max)];
    const { idx } = plot.cursor;
    const to = Math.min(last, Math.max(first, (idx ?? last) + by));
    plot.setCursor({ left: plot.valToPos(x[to] ?? 0, "x"), top: plot.over.clientHeight / 2 });
    const values = this.#drawing?.lines.map(({ label }, i) =>
      `${label} ${this.#values[i]?.textContent ?? ""}`
    );
    this.#spoken.textContent = `${this.#drawing?.xLabel} ${formatTick(x[to] ?? 0)}: ${values?.join(", ")}`;
  }

  #zoomBy(plot: uPlot, factor: number): void {
    const { min = 0, max = 1 } = plot.scales["x"] ?? {};
    const { left = -1 } = plot.cursor;
    const centre = left >= 0 ? plot.posToVal(left, "x") : (min + max) / 2;
    const x = plot.data[0];
    const from = Math.max(x[0] ?? 0, centre - (centre - min) * factor);
    const to = Math.min(x[x.length - 1] ?? 1, centre + (max - centre) * factor);
    const isAll = from <= (x[0] ?? 0) && to >= (x[x.length - 1] ?? 1);
    this.#options.onZoom(isAll ? null : [from, to]);
  }

  #fit(): void {
    const width = this.#host.clientWidth;
    if (!this.#plot || width === this.#width || width === 0) return;
    this.#width = width;
    this.#plot.setSize({ width, height: this.#options.height });
  }
}

function restingValue({ x, y }: Line, mark: number | undefined): number | undefined {
  return mark === undefined ? y.at(-1) : y[x.findIndex((at) => at >= mark)];
}

/** An axis with round ticks; `space` pixels of it for each. */
function axis(
  ticks: (min: number, max: number, most: number) => number[],
  space: number,
  format: (value: number) => string,
  more: uPlot.Axis,
): uPlot.Axis {
  return {
    stroke: cssColor("--soft"),
    font: FONT,
    labelFont: FONT,
    grid: { stroke: cssColor("--grid"), width: 1 },
    ticks: { show: false },
    gap: 6,
    splits: (plot, i, min, max) => {
      const pixels = i === 0 ? plot.over.clientWidth || plot.width : plot.over.clientHeight || plot.height;
      return ticks(min, max, Math.max(2, Math.floor(pixels / space)));
    },
    filter: (_, splits) => splits,
    values: (_, splits) => splits.map(format),
    ...more,
  };
}

/** Some air above and below; on a logarithmic axis a share of the powers, and none below 0 on one from 0. */
function rangeY(min: number | null, max: number | null, { logY, fromZero }: Drawing): uPlot.Range.MinMax {
  let [low, high] = [min ?? (logY ? 1 : 0), max ?? 1];
  if (logY) {
    const air = Math.max(1.02, (high / low) ** 0.05);
    return [low / air, high * air];
  }
  if (fromZero) low = Math.min(0, low);
  const air = 0.05 * (high - low) || 0.05 * Math.abs(high) || 1;
  return [fromZero && low === 0 ? 0 : low - air, high + air];
}

function drawMark(plot: uPlot, mark: number | undefined): void {
  const { min = 0, max = 1 } = plot.scales["x"] ?? {};
  if (mark === undefined || mark < min || mark > max) return;
  const { ctx, bbox } = plot;
  const x = Math.round(plot.valToPos(mark, "x", true));
  ctx.save();
  ctx.strokeStyle = cssColor("--ink");
  ctx.lineWidth = uPlot.pxRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

/** A colour of the style sheet, as it holds now. */
function cssColor(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
