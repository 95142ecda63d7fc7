// The losses of runs as an SVG figure for a paper or a README: well-formed XML, text as text, no script and nothing from
// elsewhere. Draws the same curves as the page, in the colours of its light scheme. Writes no file. May import its
// neighbours.

import { columnCurve, type Curve, smoothedLoss } from "./page_curves.ts";
import type { RunView } from "./page_model.ts";
import { formatTick, linearTicks } from "./ticks.ts";

const WIDTH = 760;
const HEIGHT = 400;
const BOX = { left: 56, right: WIDTH - 16, top: 16, bottom: HEIGHT - 46 };
const LEGEND_LINE = 20;
/** The line colours of lib/view/page/page.css on white. */
const COLORS = ["#0067b1", "#d04a02", "#00835d", "#9b3f8f", "#8a6d00", "#2b8cbe", "#c0305f", "#5a6470"];
/** Smoothing: about so many half-lives in a run. */
const SMOOTHED_PARTS = 150;
/** Of the spread of losses, this share at the top is left out of the picture: a run's first steps would flatten the rest. */
const CUT_SHARE = 0.02;

/** Training losses, smoothed, of each run, and its validations as circles. */
export function lossFigure(runs: readonly RunView[]): string {
  const parts = runs.map((run, i) => runParts(run, i, runs.length > 1));
  const curves = parts.flatMap(({ lines }) => lines.map(({ curve }) => curve));
  const frame = frameOf(curves);
  const legend = parts.flatMap(({ lines }) => lines).filter(({ label }) => label !== "");
  const height = HEIGHT + LEGEND_LINE * legend.length;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" ` +
    `role="img" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif" font-size="13" fill="#16191d">`,
    `<title>${xmlText(`Loss of ${runs.map(({ name }) => name).join(", ")}`)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    ...axes(frame),
    // A little wider than the box: a circle at the last step is whole.
    `<clipPath id="box"><rect x="${BOX.left}" y="${BOX.top}" width="${WIDTH - BOX.left}" ` +
    `height="${BOX.bottom - BOX.top}"/></clipPath>`,
    `<g clip-path="url(#box)">`,
    ...parts.flatMap(({ lines }) => lines.map((line) => drawn(line, frame))),
    `</g>`,
    ...legend.flatMap((line, i) => legendEntry(line, HEIGHT + LEGEND_LINE * i)),
    `</svg>`,
    "",
  ].join("\n");
}

/** One curve, how it looks, and its name in the legend ("": none). */
interface FigureLine {
  readonly curve: Curve;
  readonly color: string;
  readonly look: "faint" | "strong" | "circles";
  readonly label: string;
}

function runParts(run: RunView, i: number, isNamed: boolean): { lines: FigureLine[] } {
  const color = COLORS[i % COLORS.length] ?? "";
  const name = isNamed ? `${run.name}: ` : "";
  const halfLife = Math.max(1, Math.round((run.steps ?? run.records) / SMOOTHED_PARTS));
  const val = columnCurve(run, "step", run.table.valLoss);
  return {
    lines: [
      ...(isNamed ? [] : [{
        curve: columnCurve(run, "step", run.table.trainLoss),
        color,
        look: "faint" as const,
        label: "training loss, each step",
      }]),
      {
        curve: smoothedLoss(run, "step", halfLife),
        color,
        look: "strong",
        label: `${name}training loss, half-life of ${halfLife} step${halfLife === 1 ? "" : "s"}`,
      },
      ...(val.x.length === 0 ? [] : [{
        curve: val,
        color: isNamed ? color : COLORS[1] ?? "",
        look: "circles" as const,
        label: `${name}validation loss, last ${val.y.at(-1)?.toFixed(4)}`,
      }]),
    ],
  };
}

/** Values at the edges of the box. */
interface Frame {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
}

function frameOf(curves: readonly Curve[]): Frame {
  const y = curves.flatMap(({ y }) => y).sort((a, b) => a - b);
  const last = curves.reduce((most, { x }) => Math.max(most, x.at(-1) ?? 0), 1);
  const [low, high] = [y[0] ?? 0, y[Math.floor((y.length - 1) * (1 - CUT_SHARE))] ?? 1];
  const air = 0.05 * (high - low) || 0.5;
  return { x: [0, last], y: [low - air, high + air] };
}

function placeX(value: number, { x: [from, to] }: Frame): number {
  return BOX.left + (value - from) / (to - from) * (BOX.right - BOX.left);
}

function placeY(value: number, { y: [from, to] }: Frame): number {
  return BOX.bottom - (value - from) / (to - from) * (BOX.bottom - BOX.top);
}

function axes(frame: Frame): string[] {
  const across = linearTicks(...frame.x, 8).map((value) => {
    const x = fixed(placeX(value, frame));
    return `<text x="${x}" y="${BOX.bottom + 18}" text-anchor="middle" fill="#59616b">${
      formatTick(value)
    }</text>`;
  });
  const upright = linearTicks(...frame.y, 8).flatMap((value) => {
    const y = placeY(value, frame);
    return [
      `<line x1="${BOX.left}" x2="${BOX.right}" y1="${fixed(y)}" y2="${fixed(y)}" stroke="#e3e6ea"/>`,
      `<text x="${BOX.left - 8}" y="${fixed(y + 4.5)}" text-anchor="end" fill="#59616b">${
        formatTick(value)
      }</text>`,
    ];
  });
  const label = `<text x="${(BOX.left + BOX.right) / 2}" y="${
    BOX.bottom + 38
  }" text-anchor="middle" fill="#59616b">step</text>`;
  return [...upright, ...across, label];
}

function drawn({ curve, color, look }: FigureLine, frame: Frame): string {
  const at = curve.x.map((x, i) => [fixed(placeX(x, frame)), fixed(placeY(curve.y[i] ?? 0, frame))]);
  const path = at.length > 1 ? `<polyline points="${at.map((point) => point.join(",")).join(" ")}"` : "<g";
  const line = `${path} fill="none" stroke="${color}" stroke-linejoin="round"`;
  switch (look) {
    case "faint":
      return `${line} stroke-width="1" stroke-opacity="0.45"/>`;
    case "strong":
      return `${line} stroke-width="2"/>`;
    case "circles":
      return `${line} stroke-width="1.25"/>` +
        at.map(([x, y]) =>
          `<circle cx="${x}" cy="${y}" r="3" fill="#ffffff" stroke="${color}" stroke-width="1.5"/>`
        )
          .join("");
    default:
      return look satisfies never;
  }
}

function legendEntry({ color, look, label }: FigureLine, y: number): string[] {
  const middle = y - 4.5;
  const swatch = look === "circles"
    ? `<circle cx="${
      BOX.left + 10
    }" cy="${middle}" r="3.5" fill="#ffffff" stroke="${color}" stroke-width="1.5"/>`
    : `<line x1="${BOX.left}" x2="${BOX.left + 20}" y1="${middle}" y2="${middle}" stroke="${color}" ` +
      (look === "strong" ? `stroke-width="2"/>` : `stroke-opacity="0.45"/>`);
  return [swatch, `<text x="${BOX.left + 30}" y="${y}" unicode-bidi="isolate">${xmlText(label)}</text>`];
}

function fixed(value: number): string {
  return String(Number(value.toFixed(2)));
}

/** Text inside an element. What XML has no place for (control characters, halves of characters) becomes U+FFFD. */
function xmlText(text: string): string {
  return text.toWellFormed()
    .replaceAll(/[^\P{Cc}\t\n\r]|[\ufffe\uffff]/gu, "\ufffd")
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
