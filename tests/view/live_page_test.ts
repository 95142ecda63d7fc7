// The live page in a real browser, over a real run: it grows, shows the numbers of metrics.jsonl, survives a reload and a
// resumed run, works by keyboard, reads well narrow and wide, light and dark, and asks for nothing elsewhere.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import type { Page } from "playwright-core";
import { inRunFolder, metricsOf, Started, trainArgs } from "../cli/small_run.ts";
import { browserTest, inBrowser, openPage, paintedPixels, until } from "./browser.ts";
import { makeRun } from "./made_run.ts";

const VAL_EVERY = 20;
/** A model with some tens of steps a second, and far more steps than the test lasts: it ends the run itself. */
const VALUES = {
  "model.dim": 128,
  "model.layers": 4,
  "schedule.steps": 200_000,
  "run.valEvery": VAL_EVERY,
  "run.sampleEvery": 20,
};

/** The run lasts as long as the test needs it. */
const LIMIT = { limitMs: 300_000 };

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A figure at the head of the page, by its name, and all of them as they stood at one moment. */
function figures(page: Page): Promise<Record<string, string>> {
  return page.evaluate<Record<string, string>>(
    `Object.fromEntries([...document.querySelectorAll(".facts > div")].map((item) =>
      [item.querySelector("dt").textContent, item.querySelector(".figure").textContent + "|" +
        (item.querySelector(".more")?.textContent ?? "")]))`,
  );
}

async function stepOf(page: Page): Promise<number> {
  return parseInt((await figures(page))["Step"] ?? "0");
}

/** Waits until the page is beyond this step; returns where it is. */
async function beyond(page: Page, step: number): Promise<number> {
  await until(page, `parseInt(document.querySelector(".facts .figure")?.textContent ?? "0") > ${step}`);
  return await stepOf(page);
}

async function standing(page: Page, text: string): Promise<void> {
  await until(page, `document.querySelector(".standing").textContent === ${JSON.stringify(text)}`);
}

/** The figures that the page shows are those of the run's record of that step. */
async function checkFigures(page: Page, out: string): Promise<void> {
  await until(page, `/at step/.test(document.querySelector(".facts").textContent)`);
  const shown = await figures(page);
  const step = parseInt(shown["Step"] ?? "");
  const records = metricsOf(out);
  assertEquals(shown["Training loss"]?.split("|")[0], Number(records[step - 1]?.["trainLoss"]).toFixed(4));
  const [valLoss, place] = shown["Validation loss"]?.split("|") ?? [];
  const valStep = Number(/at step (\d+)/.exec(place ?? "")?.[1]);
  assertEquals(valStep, Math.floor(step / VAL_EVERY) * VAL_EVERY);
  assertEquals(valLoss, Number(records[valStep - 1]?.["valLoss"]).toFixed(4));
}

/** Ends a run in whatever state it is. */
async function kill(run: Started): Promise<void> {
  try {
    run.signal("SIGKILL");
  } catch {
    // It has ended already.
  }
  await run.end();
}

/** Every control is reached by the Tab key, and a chart's cursor and zoom answer to keys. */
async function checkKeyboard(page: Page): Promise<void> {
  const reached = new Set<string>();
  for (let i = 0; i < 32; i++) {
    await page.keyboard.press("Tab");
    reached.add(
      await page.evaluate<string>("document.activeElement.className || document.activeElement.type"),
    );
  }
  for (const name of ["radio", "range", "checkbox", "plot", "button", "scroll"]) {
    assert(reached.has(name), `Tab did not reach "${name}", only ${[...reached].join(", ")}`);
  }
  const plot = page.locator(".plot").first();
  await plot.focus();
  await page.keyboard.press("Home");
  const spoken = page.locator(".unseen[aria-live]").first();
  assertMatch(
    await spoken.textContent() ?? "",
    /^step 1: training, each step 5\.\d+, training, smoothed 5\.\d+/,
  );
  await page.keyboard.press("+");
  const all = page.getByRole("button", { name: "Show all" });
  assertEquals(await all.isEnabled(), true, "zoomed by the plus key");
  await page.keyboard.press("Escape");
  assertEquals(await all.isEnabled(), false, "Escape shows all");
}

browserTest(
  "The live page follows a real run, through a reload and the run's resuming",
  (t) =>
    inRunFolder((folder) =>
      inBrowser(async (browser) => {
        const out = join(folder, "run");
        makeRun(join(folder, "earlier"), { records: 300 });
        const port = freePort();
        const serve = ["--serve", String(port)];
        let run = new Started([...trainArgs(folder, VALUES), "--out", out, ...serve], LIMIT);
        const url = `http://127.0.0.1:${port}/`;
        assertMatch(await run.shown("Follow the run at"), new RegExp(`Follow the run at ${url}\n`));
        const { page, complaints, requests } = await openPage(browser, 1600);
        try {
          await page.goto(url);
          const first = await beyond(page, 0);
          await t.step("it grows", async () => void await beyond(page, first));
          await t.step("it shows the values of metrics.jsonl", () => checkFigures(page, out));
          await t.step("every chart has something in it", async () => {
            const painted = await paintedPixels(page);
            assertEquals(painted.length, 5);
            assert(painted.every((pixels) => pixels > 1000), painted.join(", "));
          });
          await t.step("it shows samples, configuration, memory and log", async () => {
            await page.locator(".sample").first().waitFor();
            assertMatch(await page.locator(".config").innerText(), /optim\.muonLr\s+0\.04\s+preset tiny/);
            assertMatch(await page.locator(".config").innerText(), /model\.dim\s+128\s+--set/);
            assertMatch(await page.locator(".memory").innerText(), /optimiser\s+[\d.]+ MiB/);
            assertMatch(await page.locator(".log").innerText(), /step:\d+\/200000 train_loss:/);
          });
          await t.step("an earlier run of the same folder is laid over it", async () => {
            await page.getByText("Runs: 1 of 2 shown").click();
            await page.getByLabel("earlier").check();
            await page.getByRole("button", { name: "earlier, validation" }).waitFor();
            await page.getByLabel("earlier").uncheck();
            await page.getByText("Runs: 1 of 2 shown").waitFor();
          });
          await t.step("it works by keyboard", () => checkKeyboard(page));
          await t.step("it survives a reload", async () => {
            const before = await stepOf(page);
            await page.reload();
            await beyond(page, before);
          });
          await t.step("it asks for nothing elsewhere and complains of nothing", () => {
            assertEquals(requests.filter((address) => !address.startsWith(url) && address !== "data:,"), []);
            assertEquals(complaints, []);
          });
          run.signal("SIGINT");
          assertEquals((await run.end()).code, 130);
          await t.step("it says that the run has ended", () => standing(page, "Ended"));
          const ended = await stepOf(page);
          run = new Started(["train", "--resume", out, ...serve], LIMIT);
          await t.step("it goes on with the resumed run, without a reload", async () => {
            await beyond(page, ended);
            await standing(page, "Training");
            await checkFigures(page, out);
          });
        } finally {
          await kill(run);
        }
        const report = Deno.readTextFileSync(join(out, "report.html"));
        assert(report.startsWith("<!doctype html>"), "the run leaves a report");
      })
    ),
);
