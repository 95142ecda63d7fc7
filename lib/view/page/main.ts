// Entry of the page: reads what the page was made with and either shows the runs in it or follows a run. Sees to it that
// charts are drawn again for another colour scheme and for paper. Browser code, bundled into build/page/page.js; may
// import its neighbours.

import type { PageStart, RunView } from "../page_model.ts";
import { Dashboard } from "./dashboard.ts";
import { element } from "./dom.ts";
import { fetchNames, fetchRun, follow } from "./live.ts";

function start(): void {
  const root = document.body.appendChild(element("div", { class: "page" }));
  const given: PageStart = JSON.parse(document.getElementById("start")?.textContent ?? "");
  const dashboard = given.kind === "report"
    ? showReport(root, given.runs, given.made)
    : showLive(root, given.name);
  root.append(element("footer", {}, `nanogpt ${given.version}`));
  watchLooks(dashboard);
}

function showReport(root: HTMLElement, runs: readonly RunView[], made: string): Dashboard {
  const fetch = (name: string) =>
    runs.filter((run) => run.name === name).forEach((run) => dashboard.put(run));
  const dashboard = new Dashboard(root, { main: runs[0]?.name ?? "", fetch });
  runs.forEach((run) => dashboard.put(run));
  dashboard.offer(runs.map(({ name }) => name));
  dashboard.stand("report", `Report of ${runs.length === 1 ? "" : `${runs.length} runs, `}${made}`);
  return dashboard;
}

function showLive(root: HTMLElement, name: string): Dashboard {
  const fetch = async (other: string) => {
    const run = await fetchRun(other);
    if (run) dashboard.put(run);
    else dashboard.draw();
  };
  const dashboard = new Dashboard(root, { main: name, fetch });
  const stand = (live: boolean) => dashboard.stand(live ? "training" : "ended", live ? "Training" : "Ended");
  let isLive = true;
  dashboard.stand("waiting", "Waiting for the first step");
  follow({
    run: (view) => {
      dashboard.put(view);
      stand(isLive = view.live);
      fetchNames().then((names) => dashboard.offer(names));
    },
    more: (more) => {
      dashboard.extend(name, more);
      stand(isLive = more.live);
    },
    lost: () => isLive && dashboard.stand("lost", "No connection; trying again"),
  });
  return dashboard;
}

/** On paper the colours are those of the light scheme, and the width is the paper's. */
function watchLooks(dashboard: Dashboard): void {
  const paper = matchMedia("print");
  const print = (on: boolean) => {
    if (document.documentElement.classList.toggle("paper", on) === on) dashboard.refresh();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dashboard.refresh());
  paper.addEventListener("change", () => print(paper.matches));
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
}

start();
