// The report in a real browser, opened from disk: it shows what the runs hold, asks for nothing, keeps hostile text as
// text, prints, and reads well narrow and wide, light and dark; and how soon a page of 100,000 steps shows its chart.

import process from "node:process";
import { assert, assertEquals, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { join, toFileUrl } from "@std/path";
import type { Browser, Page } from "playwright-core";
import { printableLine } from "../../lib/base/printable.ts";
import { writeFigure, writeReport } from "../../lib/view/report.ts";
import { PageServer } from "../../lib/view/server.ts";
import { ROOT } from "../cli/command.ts";
import {
  accessibilityProblems,
  browserTest,
  inBrowser,
  openPage,
  overhang,
  paintedPixels,
  until,
} from "./browser.ts";
import { makeRun } from "./made_run.ts";

const PAGE = join(ROOT, "build", "page");
const NO_REQUEST = "data:,";

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "nanogpt page " });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Names and texts that would do something as markup, as script, to JSON in a script, or to the direction of writing. */
const SAMPLE =
  "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 2'>\u2028\u2029 \u202egnp.exe";
const NAME = "<img src=x onerror=window.broken=3> &amp; \u202e\u0007\"'";
/** XML has no place for the control character. */
const FIGURE_NAME = NAME.replace("\u0007", "\ufffd");
const PHASE = "<i>update</i>";
const DATA = "<b>x</b>/*.bin";

async function makeReport(folder: string): Promise<string> {
  const samples = [{ step: 40, text: "We have been accomplished." }, { step: 60, text: SAMPLE }];
  makeRun(join(folder, NAME), {
    records: 60,
    steps: 80,
    samples,
    sets: [`data.train=${DATA}`],
    phase: PHASE,
  });
  Deno.writeTextFileSync(join(folder, NAME, "metrics.jsonl"), '{"step": 61, "trainLo', { append: true });
  makeRun(join(folder, "another"), { records: 90, sets: ["optim.muonLr=0.02"] });
  const out = join(folder, "report.html");
  await writeReport([join(folder, NAME), join(folder, "another")], out, PAGE);
  return out;
}

browserTest(
  "The report opens from disk without a request, with hostile text as text",
  (t) =>
    inFolder(async (folder) => {
      const address = toFileUrl(await makeReport(folder)).href;
      await inBrowser(async (browser) => {
        const { page, complaints, requests } = await openPage(browser, 1600);
        await page.goto(address);
        await page.locator(".uplot").nth(4).waitFor();
        await t.step("both runs are in it, and what was left out is said", async () => {
          const legend = await page.locator("figure").first().locator(".legend").innerText();
          assertStringIncludes(legend, "another");
          const notes = await page.locator(".notes").innerText();
          assertMatch(notes, /^1 line of metrics\.jsonl is no /);
          assert((await paintedPixels(page)).every((pixels) => pixels > 1000));
        });
        await t.step("names, samples, phases and values are text", () => checkText(page));
        await t.step("of two runs, the keys that differ are marked", async () => {
          const rows = await page.locator(".differs th").allInnerTexts();
          assertEquals(rows, ["data.train", "optim.muonLr", "schedule.steps"]);
        });
        await t.step("it asks for nothing and complains of nothing", () => {
          assertEquals(requests.filter((request) => request !== NO_REQUEST), [address]);
          assertEquals(complaints, []);
        });
        await t.step("the figure of the same runs is well-formed, its text is text", async () => {
          const figure = join(folder, "figure.svg");
          writeFigure([join(folder, NAME), join(folder, "another")], figure);
          const { page, complaints } = await openPage(browser, 800);
          await page.goto(toFileUrl(figure).href);
          assertEquals(await page.locator("svg > title").textContent(), `Loss of ${FIGURE_NAME}, another`);
          assertEquals(await page.locator("parsererror, script, img").count(), 0);
          assertEquals(complaints, []);
        });
        await t.step("on paper: light, nothing cut off, as wide as the paper", () => checkPaper(page));
      });
    }),
);

async function checkText(page: Page): Promise<void> {
  assertEquals(await page.evaluate("window.broken"), undefined);
  assertEquals(await page.locator("img, b").count(), 0);
  assertEquals(await page.locator("script").count(), 2, "its data and its code");
  assertEquals(await page.locator(".sample bdi").first().textContent(), SAMPLE);
  assertEquals(await page.locator("h1 bdi").textContent(), NAME.replace("\u0007", "\u00b7"));
  assertEquals(await page.title(), `${printableLine(NAME)} \u2013 nanogpt`);
  assertStringIncludes(await page.locator(".config").innerText(), DATA);
  assertStringIncludes(await page.locator("figure").nth(3).locator(".legend").innerText(), PHASE);
}

async function checkPaper(page: Page): Promise<void> {
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  await until(page, `document.documentElement.classList.contains("paper")`);
  const colors = await page.evaluate<string[]>(
    `[document.body, document.querySelector(".panel")].map((element) => getComputedStyle(element).backgroundColor)`,
  );
  assertEquals(colors, ["rgb(255, 255, 255)", "rgb(255, 255, 255)"]);
  assertEquals(await page.locator(".controls").isVisible(), false);
  await until(
    page,
    `[...document.querySelectorAll(".uplot")].every(({ offsetWidth }) => offsetWidth <= 700)`,
  );
  const cut = await page.evaluate<number>(
    `[...document.querySelectorAll(".scroll, .texts")].filter((box) => box.scrollHeight > box.clientHeight + 1).length`,
  );
  assertEquals(cut, 0, "nothing is scrolled on paper");
  const pdf = await page.pdf({ format: "A4" });
  assertEquals(new TextDecoder().decode(pdf.subarray(0, 5)), "%PDF-");
}

browserTest(
  "The page reads well at 360 pixels, dark, and at 1,600 pixels, light",
  (t) =>
    inFolder(async (folder) => {
      const address = toFileUrl(await makeReport(folder)).href;
      await inBrowser(async (browser) => {
        for (const [width, scheme] of [[360, "dark"], [1600, "light"]] as const) {
          await t.step(`${width} pixels, ${scheme}`, () => checkLooks(browser, address, width, scheme));
        }
      });
    }),
);

async function checkLooks(
  browser: Browser,
  address: string,
  width: number,
  scheme: "light" | "dark",
): Promise<void> {
  const { page } = await openPage(browser, width, scheme);
  await page.goto(address);
  await page.locator(".uplot").nth(4).waitFor();
  assertEquals(await overhang(page), 0, "nothing is beyond the right edge");
  assertEquals(await accessibilityProblems(page), []);
  await page.close();
}

browserTest(
  "100,000 steps: the page shows its chart, with little work for the process that serves it",
  () =>
    inFolder(async (folder) => {
      const run = join(folder, "long");
      makeRun(run, { records: 100_000 });
      const options = { folder: run, page: PAGE, host: "127.0.0.1", port: 0, note: console.log };
      await using server = await PageServer.start(options);
      await inBrowser(async (browser) => {
        const { page, complaints } = await openPage(browser, 1600);
        const [started, before] = [performance.now(), process.cpuUsage()];
        await page.goto(server.url);
        await page.locator(".uplot").first().waitFor();
        const took = performance.now() - started;
        const { user, system } = process.cpuUsage(before);
        console.log(
          `First chart after ${took.toFixed(0)} ms, ${(user + system) / 1000} ms of this process's time`,
        );
        // Most of it reads and parses 20 MB, and much is this test's own; over three times what it takes.
        assertLess(user + system, 3e6);
        assertEquals(await page.locator(".facts .figure").first().textContent(), "100000");
        assertEquals(complaints, []);
      });
    }),
);

browserTest("Ten tabs follow a run at once, each as it is looked at", () =>
  inFolder(async (folder) => {
    const run = join(folder, "run");
    makeRun(run, { records: 50 });
    const options = { folder: run, page: PAGE, host: "127.0.0.1", port: 0, note: console.log };
    await using server = await PageServer.start(options);
    await inBrowser(async (browser) => {
      const context = await browser.newContext({ viewport: { width: 400, height: 300 } });
      const tabs: Page[] = [];
      for (let i = 0; i < 10; i++) {
        const tab = await context.newPage();
        await tab.goto(server.url);
        await tab.locator(".uplot").first().waitFor();
        await hide(tab, true);
        tabs.push(tab);
      }
      makeRun(run, { records: 60 });
      for (const tab of tabs) {
        await hide(tab, false);
        await until(tab, `document.querySelector(".facts .figure").textContent === "60"`);
        await hide(tab, true);
      }
    });
  }));

/** A browser without a screen shows all its tabs: one is told that it is in the background, as others are on a screen. */
async function hide(tab: Page, isHidden: boolean): Promise<void> {
  await tab.evaluate(`Object.defineProperty(document, "hidden", { value: ${isHidden}, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"))`);
}
