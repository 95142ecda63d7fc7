// The server of a run's page without a browser: framing and content of its stream, headers, refusals, tokens, slow and
// many readers, ports.

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { join } from "@std/path";
import { UserError } from "../../lib/base/errors.ts";
import { buildPage, embedded } from "../../lib/view/html.ts";
import { LiveFeed } from "../../lib/view/live_feed.ts";
import type { RunMore, RunView } from "../../lib/view/page_model.ts";
import { PageServer } from "../../lib/view/server.ts";
import { ROOT } from "../cli/command.ts";
import { madeRecords, makeRun } from "./made_run.ts";

const PAGE = join(ROOT, "build", "page");
const POLL_MS = 20;

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "nanogpt server " });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs `body` with a server for the run in `folder`/run, of which there are 5 steps. */
function serving(
  body: (server: PageServer, folder: string) => Promise<void>,
  host = "127.0.0.1",
): Promise<void> {
  return inFolder(async (folder) => {
    makeRun(join(folder, "run"), { records: 5, steps: 50 });
    const notes: string[] = [];
    const note = (text: string) => void notes.push(text);
    await using server = await PageServer.start({
      folder: join(folder, "run"),
      page: PAGE,
      host,
      port: 0,
      note,
    });
    await body(server, folder);
    assertEquals(notes, []);
  });
}

/** An answer as it comes over the line, to a request written out. */
async function ask(url: string, request: string): Promise<string> {
  const { hostname, port } = new URL(url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(new TextEncoder().encode(request.replaceAll("\n", "\r\n")));
  const answer = new Uint8Array(65536);
  return new TextDecoder().decode(answer.subarray(0, await connection.read(answer) ?? 0));
}

/** An event of a stream. */
interface StreamEvent {
  readonly event: string;
  readonly data: string;
}

/** The events of a stream of bytes. */
class Events {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";

  constructor(stream: ReadableStream<Uint8Array> | null) {
    assert(stream !== null, "there is a stream");
    this.#reader = stream.getReader();
  }

  /** The next event; undefined at the end. Fields without an event are passed over. */
  async next(): Promise<StreamEvent | undefined> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end < 0) {
        const { value, done } = await this.#reader.read();
        if (done) return undefined;
        this.#text += this.#decoder.decode(value, { stream: true });
        continue;
      }
      const block = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      const [, event = "", data = ""] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
      if (event !== "") return { event, data };
      assertEquals(block, "retry: 2000");
    }
  }

  async run(): Promise<RunView> {
    const found = await this.next();
    assertEquals(found?.event, "run");
    return JSON.parse(found?.data ?? "");
  }

  async more(): Promise<RunMore> {
    const found = await this.next();
    assertEquals(found?.event, "more");
    return JSON.parse(found?.data ?? "");
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

function append(folder: string, name: string, text: string): void {
  Deno.writeTextFileSync(join(folder, name), text, { append: true });
}

function recordLines(from: number, to: number): string {
  return madeRecords(to, 50_000).slice(from).map((record) => JSON.stringify(record) + "\n").join("");
}

Deno.test("The stream: the whole run, then what is appended, and the whole again when the run goes back", () =>
  inFolder(async (folder) => {
    makeRun(folder, { records: 5, steps: 50, samples: [{ step: 5, text: "</script>" }] });
    const feed = new LiveFeed(folder, console.log, POLL_MS);
    const events = new Events(feed.open());
    const run = await events.run();
    assertEquals([run.live, run.steps, run.records, run.table.step], [true, 50, 5, [1, 2, 3, 4, 5]]);
    const [, second] = madeRecords(5, 50);
    assertEquals(run.table.trainLoss[1], Number(second?.trainLoss.toPrecision(7)));
    assertEquals(run.table.phases.map(({ name, ms }) => [name, ms.length]), [
      ["data", 5],
      ["accumulate", 5],
      ["update", 5],
    ]);
    assertEquals(run.samples, [{ step: 5, text: "</script>" }]);

    const [sixth = "", seventh = ""] = recordLines(5, 7).split("\n");
    append(folder, "metrics.jsonl", `${sixth}\nnot a record\n${seventh.slice(0, 40)}`);
    const more = await events.more();
    assertEquals([more.records, more.rows.step], [6, [6]], "a line half-written waits for its end");
    assertStringIncludes(more.notes.join(), "1 line of metrics.jsonl");
    append(folder, "metrics.jsonl", seventh.slice(40) + "\n");
    assertEquals((await events.more()).rows.step, [7]);

    makeRun(folder, { records: 3, steps: 50 });
    const again = await events.run();
    assertEquals(again.table.step, [1, 2, 3]);
    feed.end();
    assertEquals((await events.more()).live, false);
    feed.close();
    assertEquals(await events.next(), undefined);
  }));

Deno.test("The stream of a long run: fewer rows than records, the means in between, and a bound to what is added", () =>
  inFolder(async (folder) => {
    makeRun(folder, { records: 20_000, steps: 50_000 });
    const feed = new LiveFeed(folder, console.log, POLL_MS);
    const events = new Events(feed.open());
    const run = await events.run();
    assertEquals(run.records, 20_000);
    assert(run.table.step.length < 8000, `${run.table.step.length} rows`);
    assertEquals([run.means?.every, run.means?.step.length], [20, 1000]);
    append(folder, "metrics.jsonl", recordLines(20_000, 20_100));
    const more = await events.more();
    assertEquals([more.rows.step.length, more.means?.step.at(-1)], [100, 20_100]);
    append(folder, "metrics.jsonl", recordLines(20_100, 22_001));
    assertEquals(
      (await events.run()).table.step.at(-1),
      22_001,
      "more than 2,000 new rows: the whole run anew",
    );
    feed.close();
  }));

Deno.test("A reader that stops reading has one message kept for it and then gets the run as it is", () =>
  inFolder(async (folder) => {
    makeRun(folder, { records: 5, steps: 50_000 });
    const feed = new LiveFeed(folder, console.log, POLL_MS);
    const slow = new Events(feed.open());
    const quick = new Events(feed.open());
    await quick.run();
    for (let step = 6; step <= 40; step++) {
      append(folder, "metrics.jsonl", recordLines(step - 1, step));
      assertEquals((await quick.more()).rows.step, [step]);
    }
    assertEquals((await slow.run()).records, 5, "what was sent before it stopped");
    assertEquals((await slow.run()).records, 40, "nothing of what it has missed was kept");
    append(folder, "metrics.jsonl", recordLines(40, 41));
    assertEquals((await slow.more()).rows.step, [41]);
    await slow.cancel();
    await quick.cancel();
    assertEquals(feed.readers, 0, "who has gone is forgotten");
    feed.close();
  }));

Deno.test("Ten readers over HTTP, one of them dead, all get what is new", () =>
  serving(async (server, folder) => {
    const { port } = new URL(server.url);
    using dead = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    await dead.write(new TextEncoder().encode(`GET /events HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`));
    const answers = await Promise.all(Array.from({ length: 10 }, () => fetch(`${server.url}events`)));
    assertEquals(answers[0]?.headers.get("content-type"), "text/event-stream");
    const readers = answers.map(({ body }) => new Events(body));
    for (const reader of readers) assertEquals((await reader.run()).records, 5);
    append(join(folder, "run"), "metrics.jsonl", recordLines(5, 6));
    for (const reader of readers) assertEquals((await reader.more()).rows.step, [6]);
    await Promise.all(readers.map((reader) => reader.cancel()));
  }));

Deno.test("The page: only its own code may run, and every answer has its headers", () =>
  serving(async (server) => {
    const page = await fetch(server.url);
    const html = await page.text();
    const code = html.slice(html.lastIndexOf("<script>") + 8, html.lastIndexOf("</script>"));
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(code));
    const policy = page.headers.get("content-security-policy") ?? "";
    assertMatch(policy, /^default-src 'none'; /);
    assertStringIncludes(policy, `script-src 'sha256-${new Uint8Array(digest).toBase64()}';`);
    assertStringIncludes(policy, "frame-ancestors 'none'");
    assertNotMatch(policy, /unsafe|\*|https?:/);
    assertNotMatch(html, /<[^>]* on\w+=|(src|href)="(?!data:,)/);
    for (const [path, status] of [["", 200], ["runs", 200], ["nothing", 404], ["run?name=x", 404]] as const) {
      const { headers, ...answer } = await read(`${server.url}${path}`);
      assertEquals(answer.status, status, path);
      assertEquals(headers.get("x-content-type-options"), "nosniff");
      assertEquals(headers.get("referrer-policy"), "no-referrer");
      assertEquals(headers.get("cache-control"), "no-store, no-transform");
      assertStringIncludes(headers.get("content-security-policy") ?? "", "frame-ancestors 'none'");
    }
    for (const method of ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"]) {
      const answer = await fetch(server.url, { method });
      await answer.body?.cancel();
      assertEquals([answer.status, answer.headers.get("allow")], [405, "GET"], method);
    }
  }));

async function read(url: string): Promise<{ status: number; headers: Headers; text: string }> {
  const answer = await fetch(url);
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

Deno.test("Runs beside it: by their names alone, and nothing outside the folder they lie in", () =>
  serving(async (server, folder) => {
    makeRun(join(folder, "a & b/?"), { records: 1 });
    makeRun(join(folder, "a & b"), { records: 7 });
    const outside = await Deno.makeTempDir();
    try {
      makeRun(join(outside, "secret"), { records: 3 });
      await Deno.symlink(join(outside, "secret"), join(folder, "link"));
      await Deno.mkdir(join(folder, "half"));
      await Deno.symlink(join(outside, "secret", "metrics.jsonl"), join(folder, "half", "metrics.jsonl"));
      assertEquals(JSON.parse((await read(`${server.url}runs`)).text), ["a & b"]);
      const run: RunView = JSON.parse(
        (await read(`${server.url}run?name=${encodeURIComponent("a & b")}`)).text,
      );
      assertEquals([run.name, run.live, run.records], ["a & b", false, 7]);
      const names = [
        "run",
        "link",
        "half",
        "a & b/?",
        "../secret",
        "..",
        ".",
        "",
        `${outside}/secret`,
        "a & b\u0000",
      ];
      for (const name of names) {
        assertEquals((await read(`${server.url}run?name=${encodeURIComponent(name)}`)).status, 404, name);
      }
      for (
        const path of ["/../../etc/passwd", "/%2e%2e/run/config.json", "//etc/passwd", "/run/config.json"]
      ) {
        const answer = await ask(server.url, `GET ${path} HTTP/1.1\nHost: localhost\n\n`);
        assertMatch(answer, /^HTTP\/1\.1 404 /, path);
      }
    } finally {
      await Deno.remove(outside, { recursive: true });
    }
  }));

Deno.test("On this machine's own address a request must name it: a foreign name is DNS rebinding", () =>
  serving(async (server) => {
    const { port } = new URL(server.url);
    for (const host of ["127.0.0.1", `localhost:${port}`, `[::1]:${port}`, `LOCALHOST:${port}`]) {
      assertMatch(await ask(server.url, `GET / HTTP/1.1\nHost: ${host}\n\n`), /^HTTP\/1\.1 200 /, host);
    }
    for (
      const host of [
        "example.org",
        `127.0.0.1.example.org:${port}`,
        "localhost.example.org",
        "192.168.0.1",
        "[::2]",
      ]
    ) {
      assertMatch(await ask(server.url, `GET /events HTTP/1.1\nHost: ${host}\n\n`), /^HTTP\/1\.1 403 /, host);
    }
  }));

Deno.test("On another address the page asks for the token, takes it once and keeps it in a cookie", () =>
  serving(async (server) => {
    const { port, searchParams } = new URL(server.url);
    const token = searchParams.get("token") ?? "";
    assertMatch(token, /^[\w-]{32}$/);
    const url = `http://127.0.0.1:${port}/`;
    for (
      const path of [
        "",
        "events",
        "runs",
        "run?name=run",
        "?token=",
        `?token=${token.slice(1)}`,
        `?token=${token}x`,
      ]
    ) {
      assertEquals((await read(url + path)).status, 401, path);
    }
    const first = await fetch(`${url}?token=${token}`, { redirect: "manual" });
    await first.body?.cancel();
    assertEquals(
      [first.status, first.headers.get("location")],
      [303, "/"],
      "the token goes from the address",
    );
    const cookie = first.headers.get("set-cookie") ?? "";
    assertMatch(cookie, /; HttpOnly; SameSite=Lax; Path=\/$/);
    const get = async (value: string) => {
      const answer = await fetch(`${url}runs`, { headers: { cookie: value } });
      await answer.body?.cancel();
      return answer.status;
    };
    assertEquals(await get(`other=1; ${cookie.split(";")[0]}`), 200);
    assertEquals(await get(`nanogpt-${port}=${"x".repeat(32)}`), 401);
    assertEquals((await read(`${url}runs?token=${token}`)).status, 200);
    assertEquals((await read(`${url}runs?token=x`)).status, 401);
  }, "0.0.0.0"));

Deno.test("A port that is taken: an error where it was asked for, else the next one", () =>
  serving(async (server, folder) => {
    const options = { folder: join(folder, "run"), page: PAGE, host: "127.0.0.1", note: console.log };
    const taken = Number(new URL(server.url).port);
    await assertRejects(
      () => PageServer.start({ ...options, port: taken }),
      UserError,
      `Cannot serve the page on 127.0.0.1 port ${taken}: it is in use; choose another with --serve PORT or --host`,
    );
    const [one, two] = [
      await PageServer.start({ ...options, port: undefined }),
      await PageServer.start({ ...options, port: undefined }),
    ];
    assert(Number(new URL(two.url).port) > Number(new URL(one.url).port));
    await Promise.all([one[Symbol.asyncDispose](), two[Symbol.asyncDispose]()]);
    await assertRejects(
      () => PageServer.start({ ...options, port: 0, host: "192.0.2.1" }),
      UserError,
      "192.0.2.1",
    );
  }));

Deno.test("Without the page's parts the error says what to do", () =>
  inFolder(async (folder) => {
    const start = { kind: "live", version: "0", name: "x" } as const;
    await assertRejects(
      () => buildPage(folder, start),
      UserError,
      "page.js: it has not been built, run make",
    );
  }));

Deno.test("embedded() gives JSON of the same value in which nothing reads as markup", () => {
  const value = { a: "</script><!--<script>", b: "\u2028\u2029&", c: [1, null], "<": ">" };
  assertEquals(JSON.parse(embedded(value)), value);
  assertNotMatch(embedded(value), /[<>&\u2028\u2029]/);
});
