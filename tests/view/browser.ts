// A real browser for the tests of pages: Debian's chromium without a screen, its profile empty, its calls home turned off,
// ended with the test. Records what a page asks for and complains of. Not a test itself.

import { type Browser, chromium, type Page } from "playwright-core";
import { assert } from "@std/assert";
import { join } from "@std/path";
import { ROOT } from "../cli/command.ts";

const CHROMIUM = "/usr/bin/chromium";
const QUIET = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** No page of these tests needs longer for anything it does, on a machine that is busy with much else too. */
const LIMIT_MS = 120_000;

const isMissing = !isThere(CHROMIUM);

/** A test that needs the browser; where there is none it is left out, and its name says why. */
export function browserTest(name: string, body: (t: Deno.TestContext) => Promise<void>): void {
  const reason = isMissing ? ` [skipped: there is no ${CHROMIUM}; Debian: apt install chromium]` : "";
  // Playwright keeps pipes and timers of its own.
  const lax = { sanitizeOps: false, sanitizeResources: false };
  Deno.test({ name: name + reason, ignore: isMissing, fn: body, ...lax });
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Runs `body` with a browser, which is ended after it in any case. */
export async function inBrowser(body: (browser: Browser) => Promise<void>): Promise<void> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET, timeout: LIMIT_MS });
  try {
    await body(browser);
  } finally {
    await browser.close();
  }
}

/** What a page has done. */
export interface Watched {
  readonly page: Page;
  /** Errors on its console and uncaught ones. */
  readonly complaints: string[];
  /** Addresses that it asked for. */
  readonly requests: string[];
}

/** A new page of this size. */
export async function openPage(
  browser: Browser,
  width: number,
  colorScheme: "light" | "dark" = "light",
): Promise<Watched> {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  page.setDefaultTimeout(LIMIT_MS);
  const [complaints, requests]: [string[], string[]] = [[], []];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
  page.on("request", (request) => requests.push(request.url()));
  return { page, complaints, requests };
}

/** Waits until an expression is true in the page; its own policy forbids what playwright has for that. */
export async function until(page: Page, expression: string): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (!await page.evaluate<boolean>(expression)) {
    assert(performance.now() < end, `Not within ${LIMIT_MS} ms: ${expression}`);
    await page.waitForTimeout(50);
  }
}

/** What axe-core finds wrong with the page as it is shown, a line each. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  const source = Deno.readTextFileSync(join(ROOT, "node_modules", "axe-core", "axe.min.js"));
  await page.evaluate(source);
  return await page.evaluate<string[]>(
    `axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => id + ": " + html.slice(0, 160) + " " + failureSummary)))`,
  );
}

/** How many pixels of the page are beyond its right edge. */
export function overhang(page: Page): Promise<number> {
  return page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
}

/** How many pixels in the charts' canvases are painted. */
export function paintedPixels(page: Page): Promise<number[]> {
  return page.evaluate<number[]>(`[...document.querySelectorAll(".uplot canvas")].map((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let painted = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i] > 0) painted++;
    return painted;
  })`);
}
