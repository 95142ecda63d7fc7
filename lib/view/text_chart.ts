// A chart made of characters: curves as dots (Braille, or full stops in plain ASCII), single points as letters, a scale
// at the left and below. Knows nothing of runs and nothing of terminals: it gives lines of the asked size. Averages and
// repairs nothing: points that are not finite are not drawn. Imports nothing.

/** One curve, or points on their own. */
export interface ChartSeries {
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
  /** The letter of points on their own; undefined: a curve through the points. */
  readonly mark: string | undefined;
}

/** How a chart is drawn. */
export interface ChartOptions {
  /** Characters of the whole chart, scales included: at least 20 by 4. */
  readonly width: number;
  readonly height: number;
  /** Braille dots instead of full stops. */
  readonly unicode: boolean;
  /** Puts a series' colour around its characters. */
  readonly paint?: (text: string, series: number) => string;
}

/** Characters left of the plot: a number of seven and the axis. */
const LABEL = 8;
/** The first share of x that the range of y does not look at, if there are many points: its fall would flatten the rest. */
const LEAD = 0.05;
const MANY_POINTS = 1 / LEAD;
/** Dots of a character, across and down; Braille's bit of each dot, by column and row. */
const BRAILLE_DOTS = [2, 4] as const;
const BRAILLE_BITS = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]] as const;

/** A character of the plot: its dots as bits or its letter, and the series that put it there. */
interface Cell {
  bits: number;
  letter: string | undefined;
  series: number;
}

type Range = readonly [low: number, high: number];

/** The chart as `height` lines of at most `width` characters. Points above or below its range run along its edge. */
export function textChart(series: readonly ChartSeries[], options: ChartOptions): string[] {
  const [columns, rows] = [options.width - LABEL, options.height - 2];
  if (!(columns >= 12 && rows >= 2)) throw new RangeError(`No chart in ${options.width} x ${options.height}`);
  const points = series.map(({ x, y }) => finitePoints(x, y));
  const all = points.flat();
  const xRange = rangeOf(all.map(([at]) => at));
  if (xRange === undefined) return Array.from({ length: options.height }, () => "");
  const lead = xRange[0] + LEAD * (xRange[1] - xRange[0]);
  const late = all.length <= MANY_POINTS ? all : all.filter(([at]) => at >= lead);
  const yRange = rangeOf(late.map(([, value]) => value)) ?? [0, 1];
  const plot = new Plot(columns, rows, options.unicode, widened(xRange), widened(yRange));
  series.forEach(({ mark }, s) => {
    if (mark === undefined) plot.curve(points[s] ?? [], s);
  });
  series.forEach(({ mark }, s) => {
    if (mark !== undefined) plot.marks(points[s] ?? [], mark, s);
  });
  return [...plot.lines(options.paint ?? ((text) => text)), ...axisLines(columns, widened(xRange))];
}

function finitePoints(x: ArrayLike<number>, y: ArrayLike<number>): [number, number][] {
  const points: [number, number][] = [];
  for (let i = 0; i < x.length; i++) {
    const [at = NaN, value = NaN] = [x[i], y[i]];
    if (Number.isFinite(at) && Number.isFinite(value)) points.push([at, value]);
  }
  return points;
}

function rangeOf(values: readonly number[]): Range | undefined {
  if (values.length === 0) return undefined;
  return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
}

/** A range of no width shows a single value in its middle. */
function widened([low, high]: Range): Range {
  return high > low ? [low, high] : [low - 0.5, high + 0.5];
}

/** The grid of characters that curves are drawn into. */
class Plot {
  readonly #columns: number;
  readonly #rows: number;
  readonly #unicode: boolean;
  readonly #dots: readonly [number, number];
  readonly #x: Range;
  readonly #y: Range;
  readonly #cells = new Map<number, Cell>();

  constructor(columns: number, rows: number, unicode: boolean, x: Range, y: Range) {
    this.#columns = columns;
    this.#rows = rows;
    this.#unicode = unicode;
    this.#dots = unicode ? BRAILLE_DOTS : [1, 1];
    this.#x = x;
    this.#y = y;
  }

  /** Joins the points by straight lines. */
  curve(points: readonly (readonly [number, number])[], series: number): void {
    let before: readonly [number, number] | undefined;
    for (const point of points) {
      const here = this.#dotOf(point);
      const [fromX, fromY] = before ?? here;
      const steps = Math.max(1, Math.abs(here[0] - fromX), Math.abs(here[1] - fromY));
      for (let i = 0; i <= steps; i++) {
        const at = (from: number, to: number) => Math.round(from + (to - from) * i / steps);
        this.#dot(at(fromX, here[0]), at(fromY, here[1]), series);
      }
      before = here;
    }
  }

  /** Puts a letter at each point. */
  marks(points: readonly (readonly [number, number])[], letter: string, series: number): void {
    for (const point of points) {
      const [x, y] = this.#dotOf(point);
      Object.assign(this.#cell(x, y), { letter, series });
    }
  }

  /** The plot with its scale at the left. */
  lines(paint: (text: string, series: number) => string): string[] {
    const labelled = new Set([0, Math.floor((this.#rows - 1) / 2), this.#rows - 1]);
    return Array.from({ length: this.#rows }, (_, row) => {
      const [low, high] = this.#y;
      const value = high - (high - low) * row / (this.#rows - 1);
      const label = labelled.has(row) ? numberText(value) : "";
      const cells = Array.from({ length: this.#columns }, (_, column) => this.#text(column, row, paint));
      return `${label.padStart(LABEL - 1)}|${cells.join("").trimEnd()}`;
    });
  }

  #text(column: number, row: number, paint: (text: string, series: number) => string): string {
    const cell = this.#cells.get(row * this.#columns + column);
    if (cell === undefined) return " ";
    const dots = this.#unicode ? String.fromCharCode(0x2800 + cell.bits) : ".";
    return paint(cell.letter ?? dots, cell.series);
  }

  /** The dot at a point, from the upper left; what lies outside is moved to the edge. */
  #dotOf([x, y]: readonly [number, number]): [number, number] {
    const share = (value: number, [low, high]: Range) =>
      Math.min(1, Math.max(0, (value - low) / (high - low)));
    const [across, down] = this.#dots;
    return [
      Math.round(share(x, this.#x) * (this.#columns * across - 1)),
      Math.round((1 - share(y, this.#y)) * (this.#rows * down - 1)),
    ];
  }

  #dot(x: number, y: number, series: number): void {
    const cell = this.#cell(x, y);
    const [across, down] = this.#dots;
    cell.bits |= BRAILLE_BITS[x % across]?.[y % down] ?? 0;
    cell.series = series;
  }

  /** The character that a dot lies in. */
  #cell(x: number, y: number): Cell {
    const [across, down] = this.#dots;
    const at = Math.floor(y / down) * this.#columns + Math.floor(x / across);
    const cell = this.#cells.get(at) ?? { bits: 0, letter: undefined, series: 0 };
    this.#cells.set(at, cell);
    return cell;
  }
}

/** The axis below and its first, middle and last value. */
function axisLines(columns: number, [low, high]: Range): string[] {
  const [first, middle, last] = [low, (low + high) / 2, high].map((value) => String(Math.round(value)));
  const half = Math.floor(columns / 2);
  const left = (first ?? "").padEnd(half - Math.floor((middle ?? "").length / 2));
  const scale = `${left}${middle}`.padEnd(columns - (last ?? "").length) + last;
  return [`${" ".repeat(LABEL - 1)}+${"-".repeat(columns)}`, `${" ".repeat(LABEL)}${scale}`];
}

/** A number in at most seven characters. */
function numberText(value: number): string {
  const size = Math.abs(value);
  return size < 1000 && size >= 0.001 || value === 0 ? value.toFixed(3) : value.toExponential(0);
}
