// One file over a network where everything goes wrong: cut, silent and lying servers, wrong bytes, interruption. All of
// it on the loopback, against real servers; what is fetched is compared byte for byte, what is sent is counted.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { RunError, UserError } from "../../lib/base/errors.ts";
import { get, someBytes } from "./download_helpers.ts";
import { FileServer, Hub, rawServer, sha256 } from "./file_server.ts";
import { inFolder } from "./helpers.ts";

const MIB = 1 << 20;
/** Three pieces of 8 MiB, the last one short. */
const LARGE = someBytes(20 * MIB);
const SMALL = LARGE.subarray(0, 3 * MIB);

function namesOf(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
}

async function requireFile(folder: string, bytes: Uint8Array): Promise<void> {
  assertEquals(namesOf(folder), ["file.bin"], "nothing else is left");
  assertEquals(sha256(await Deno.readFile(join(folder, "file.bin"))), sha256(bytes));
}

Deno.test("From the hub: pieces at once from where it sends to, checked against the SHA-256 it states", () =>
  inFolder(async (folder) => {
    let waiting = 0;
    let wake = () => {};
    const all = new Promise<void>((done) => wake = done);
    await using hub = new Hub({ "file.bin": LARGE }, {
      instead: async ({ span }) => {
        if (span?.end === 1) return undefined;
        if (++waiting === 3) wake();
        await all; // none is answered before all three are asked for
        return undefined;
      },
    });
    const { digest, stated, notes } = await get(`${hub.url}/file.bin`, folder);
    assertEquals([digest, stated, notes], [sha256(LARGE), true, []]);
    await requireFile(folder, LARGE);
    const spans = hub.cdn.seen.map(({ span }) => span).toSorted((a, b) => (a?.end ?? 0) - (b?.end ?? 0));
    assertEquals(spans, [
      { start: 0, end: 1 },
      { start: 0, end: 8 * MIB },
      { start: 8 * MIB, end: 16 * MIB },
      { start: 16 * MIB, end: 20 * MIB },
    ]);
    assertEquals(hub.hub.seen.length, 1, "where it sends to is remembered");
  }));

Deno.test("The token goes to its own host only, and not where that sends to", () =>
  inFolder(async (folder) => {
    await using hub = new Hub({ "file.bin": SMALL });
    await get(`${hub.url}/file.bin`, folder, { token: { origin: hub.url, secret: "hf_secret" } });
    assertEquals(hub.hub.seen.map(({ authorization }) => authorization), ["Bearer hf_secret"]);
    assert(hub.cdn.seen.length >= 2);
    assert(hub.cdn.seen.every(({ authorization }) => authorization === null));
  }));

Deno.test("A connection that is cut is gone on with where it broke", () =>
  inFolder(async (folder) => {
    await using server = new FileServer({ "file.bin": SMALL }, {
      breaks: ({ nth }) => nth === 1 ? { after: MIB, how: "cut" } : undefined,
    });
    const { notes } = await get(`${server.url}/file.bin`, folder);
    await requireFile(folder, SMALL);
    assertEquals(notes.length, 1);
    assertMatch(notes[0] ?? "", /^file\.bin: 127\.0\.0\.1:\d+: .*; again in 0\.0 s$/);
    // What was still on its way when it was cut may be lost; what had arrived is not asked for again.
    const start = server.seen[2]?.span?.start ?? 0;
    assert(start > 0 && start <= MIB, `went on from ${start}`);
  }));

Deno.test("A file that is cut again and again arrives as long as each attempt brings a good part", () =>
  inFolder(async (folder) => {
    const breaks = { after: 2 * MIB, how: "cut" } as const;
    await using server = new FileServer({ "file.bin": LARGE }, { breaks: () => breaks });
    await get(`${server.url}/file.bin`, folder, { connections: 1 });
    await requireFile(folder, LARGE);
    assert(server.seen.length > 8, "more attempts than failures in a row are allowed");
  }));

Deno.test("A connection that falls silent is given up and asked for anew", () =>
  inFolder(async (folder) => {
    await using server = new FileServer({ "file.bin": SMALL }, {
      breaks: ({ nth }) => nth === 1 ? { after: MIB, how: "silent" } : undefined,
    });
    const { notes } = await get(`${server.url}/file.bin`, folder);
    await requireFile(folder, SMALL);
    assertMatch(notes.join("\n"), /^file\.bin: 127\.0\.0\.1:\d+ sent nothing for 0\.3 s; again in 0\.0 s$/);
  }));

Deno.test("An answer that ends too early, in good order, is gone on with", () =>
  inFolder(async (folder) => {
    const bytes = SMALL.subarray(0, 1000);
    const write = async (conn: Deno.Conn, part: Uint8Array) => {
      for (let done = 0; done < part.length;) done += await conn.write(part.subarray(done));
    };
    await using server = rawServer(async (conn, head) => {
      const [, first = "0", last = "0"] = /range: bytes=(\d+)-(\d+)/i.exec(head) ?? [];
      const [start, end] = [Number(first), Number(last) + 1];
      const part = bytes.subarray(start, Math.min(end, start + 400));
      const text = `HTTP/1.1 206 Partial Content\r\ncontent-range: bytes ${start}-${end - 1}/1000\r\n` +
        `transfer-encoding: chunked\r\nconnection: close\r\n\r\n${part.length.toString(16)}\r\n`;
      await write(conn, new TextEncoder().encode(text));
      await write(conn, part);
      await write(conn, new TextEncoder().encode("\r\n0\r\n\r\n"));
    });
    const { notes } = await get(`${server.url}/file.bin`, folder);
    await requireFile(folder, bytes);
    assertEquals(notes.map((note) => /ended \d+ bytes too early/.exec(note)?.[0]), [
      "ended 600 bytes too early",
      "ended 200 bytes too early",
    ]);
  }));

Deno.test("A connection that always breaks at its head ends in words, with nothing under the file's name", () =>
  inFolder(async (folder) => {
    await using server = rawServer(async (conn, head) => {
      const whole =
        "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-0/1000\r\ncontent-length: 1\r\n\r\nx";
      const text = head.includes("bytes=0-0\r\n") ? whole : "HTTP/1.1 206 Parti";
      await conn.write(new TextEncoder().encode(text));
    });
    const error = await assertRejects(() => get(`${server.url}/file.bin`, folder), RunError);
    assertMatch(
      error.message,
      /^Cannot fetch file\.bin: 127\.0\.0\.1:\d+: .*, and so 4 times; check the network and run the same command again, it goes on where it was$/,
    );
    assertEquals(namesOf(folder), [".file.bin.part", ".file.bin.part.json"]);
  }));

Deno.test("A mirror that gives no parts and states no SHA-256: one stream, from the start again when it is cut", () =>
  inFolder(async (folder) => {
    await using server = new FileServer({ "file.bin": LARGE }, {
      ignoreRanges: true,
      breaks: ({ nth }) => nth === 1 ? { after: 9 * MIB, how: "cut" } : undefined,
    });
    const { stated, notes } = await get(`${server.url}/file.bin`, folder);
    await requireFile(folder, LARGE);
    assertEquals([stated, notes.length], [false, 1]);
    assertEquals(server.seen.map(({ span }) => span), [{ start: 0, end: 1 }, undefined, undefined]);
  }));

Deno.test("Wrong bytes are fetched once more from the start, and are then an error that leaves nothing", () =>
  inFolder(async (folder) => {
    const wrong = SMALL.slice();
    wrong[1234] = (wrong[1234] ?? 0) ^ 1;
    await using hub = new Hub({ "file.bin": wrong }, {}, () => ({ "x-linked-etag": `"${sha256(SMALL)}"` }));
    const error = await assertRejects(() => get(`${hub.url}/file.bin`, folder), RunError);
    assertEquals(
      error.message,
      `Cannot use file.bin as ${hub.url}/file.bin gives it: its SHA-256 is ${sha256(wrong)}, expected ` +
        `${sha256(SMALL)}, twice; nothing was kept of it, try again later or use another mirror`,
    );
    assertEquals(namesOf(folder), []);
    assertEquals(hub.cdn.sentOf(), 2 * SMALL.length + 1);
  }));

Deno.test("Wrong bytes once: the second time is good", () =>
  inFolder(async (folder) => {
    const wrong = SMALL.slice().fill(7, 100, 200);
    await using hub = new Hub({ "file.bin": SMALL }, {
      instead: ({ nth, span }) => {
        if (nth !== 1 || !span) return undefined;
        const range = `bytes 0-${wrong.length - 1}/${wrong.length}`;
        return new Response(wrong, { status: 206, headers: { "content-range": range } });
      },
    });
    const { notes } = await get(`${hub.url}/file.bin`, folder);
    assertMatch(notes.join("\n"), /^file\.bin: its SHA-256 is .*; fetching it once more from the start$/);
    await requireFile(folder, SMALL);
  }));

Deno.test("Content that the check refuses is an error that leaves nothing, and names the file as it is known", () =>
  inFolder(async (folder) => {
    await using server = new FileServer({ "file.bin": SMALL });
    const check = (path: string) => Promise.reject(new UserError(`${path} is not a token shard: no`));
    const error = await assertRejects(() => get(`${server.url}/file.bin`, folder, { check }), RunError);
    assertMatch(error.message, /gives it: file\.bin is not a token shard: no, twice; nothing was kept of it/);
    assertEquals(namesOf(folder), []);
  }));

Deno.test("Interrupted, and begun again: only what is missing is fetched", () =>
  inFolder(async (folder) => {
    await using server = new FileServer({ "file.bin": LARGE }, {
      breaks: ({ span }) => span?.start === 0 ? undefined : { after: 3 * MIB, how: "silent" },
    });
    const stop = new AbortController();
    const patience = { silenceMs: 60_000 };
    const getting = get(`${server.url}/file.bin`, folder, { signal: stop.signal, patience });
    const held = () => server.sentOf() - 1;
    while (held() < 14 * MIB) await new Promise((wake) => setTimeout(wake, 5));
    await new Promise((wake) => setTimeout(wake, 100)); // what was sent arrives
    stop.abort(new Error("stopped"));
    await assertRejects(() => getting, Error, "stopped");
    assertEquals(namesOf(folder), [".file.bin.part", ".file.bin.part.json"]);
    const note: { held: [number, number][] } = JSON.parse(
      Deno.readTextFileSync(join(folder, ".file.bin.part.json")),
    );
    const kept = note.held.reduce((sum, [start, end]) => sum + end - start, 0);
    assert(kept > 3 * MIB && kept <= 14 * MIB, `${kept} bytes are kept`);
    server.faults = {};
    const before = server.sentOf();
    await get(`${server.url}/file.bin`, folder);
    assertEquals(server.sentOf() - before, LARGE.length - kept + 1);
    await requireFile(folder, LARGE);
  }));

Deno.test("What was left is not gone on with where the file is another, or the note is damaged", () =>
  inFolder(async (folder) => {
    const part = join(folder, ".file.bin.part");
    const other = someBytes(SMALL.length, 2);
    const good = {
      version: 1,
      url: "http://elsewhere/",
      size: SMALL.length,
      sha256: sha256(SMALL),
      etag: null,
    };
    const held = [[0, MIB]];
    const cases: [string, number][] = [
      [JSON.stringify({ ...good, held }), SMALL.length - MIB], // from another address, but the same content
      [JSON.stringify({ ...good, held, sha256: sha256(other) }), SMALL.length],
      [JSON.stringify({ ...good, held, sha256: null }), SMALL.length],
      [JSON.stringify({ ...good, held, size: 5 }), SMALL.length],
      [JSON.stringify({ ...good, held, version: 2 }), SMALL.length],
      [JSON.stringify({ ...good, held: [[0, 9], [5, 12]] }), SMALL.length],
      [JSON.stringify({ ...good, held: [[0, 2 * MIB]] }), SMALL.length], // more than there is
      ['{"version":1,', SMALL.length],
      ["null", SMALL.length],
    ];
    await using hub = new Hub({ "file.bin": SMALL });
    for (const [note, expected] of cases) {
      await Deno.writeFile(part, SMALL.subarray(0, MIB));
      await Deno.writeTextFile(`${part}.json`, note);
      const before = hub.cdn.sentOf();
      await get(`${hub.url}/file.bin`, folder);
      assertEquals(hub.cdn.sentOf() - before, expected + 1, note);
      await requireFile(folder, SMALL);
      await Deno.remove(join(folder, "file.bin"));
    }
  }));

Deno.test("A file that changes on a mirror while it is fetched is an error", () =>
  inFolder(async (folder) => {
    const part = (nth: number, start: number, end: number) =>
      new Response(SMALL.slice(start, end), {
        status: 206,
        headers: { "content-range": `bytes ${start}-${end - 1}/${SMALL.length}`, etag: `"v${nth}"` },
      });
    await using server = new FileServer({}, {
      instead: ({ span, nth }) => span && part(nth, span.start, span.end),
    });
    const error = await assertRejects(() => get(`${server.url}/file.bin`, folder), RunError);
    assertMatch(
      error.message,
      /^file\.bin changed at 127\.0\.0\.1:\d+ while it was fetched; run the same command/,
    );
  }));
