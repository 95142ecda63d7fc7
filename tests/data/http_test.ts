// Requests: waits that double, servers that ask to wait, redirects that lead astray, refusals in words, and what a
// server must state of a file.

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { RunError, UserError } from "../../lib/base/errors.ts";
import { Client, PATIENCE, retryAfterMs, TemporaryError, waitAfter } from "../../data/http.ts";
import { hubDataset, plainFolder } from "../../data/hub.ts";
import { get, IMPATIENT, someBytes } from "./download_helpers.ts";
import { FileServer, Hub } from "./file_server.ts";
import { inFolder } from "./helpers.ts";

const BYTES = someBytes(1000);

Deno.test("waitAfter() doubles up to its limit, and is cut by chance down to the half", () => {
  assertEquals([1, 2, 3, 7, 20].map((n) => waitAfter(n, PATIENCE, 1)), [500, 1000, 2000, 30_000, 30_000]);
  assertEquals([1, 2, 3, 7, 20].map((n) => waitAfter(n, PATIENCE, 0)), [250, 500, 1000, 15_000, 15_000]);
});

Deno.test("retryAfterMs() reads seconds and dates", () => {
  const now = Date.parse("Tue, 24 Nov 2026 09:00:00 GMT");
  const cases: [string, number][] = [
    ["0", 0],
    ["7", 7000],
    [" 12 ", 12_000],
    ["Tue, 24 Nov 2026 09:00:30 GMT", 30_000],
    ["Tue, 24 Nov 2026 08:00:00 GMT", 0],
    ["soon", 0],
  ];
  assertEquals(
    cases.map(([text]) => retryAfterMs(new Headers({ "retry-after": text }), now)),
    cases.map(([, ms]) => ms),
  );
  assertEquals(retryAfterMs(new Headers(), now), 0);
});

for (const status of [429, 503]) {
  Deno.test(`${status} with Retry-After is waited for`, () =>
    inFolder(async (folder) => {
      let refusedAt = 0;
      let nextAt = 0;
      await using server = new FileServer({ "file.bin": BYTES }, {
        instead: ({ nth }) => {
          if (nth === 2) nextAt = performance.now();
          if (nth !== 1) return undefined;
          refusedAt = performance.now();
          return new Response(null, { status, headers: { "retry-after": "1" } });
        },
      });
      const { notes } = await get(`${server.url}/file.bin`, folder);
      assertMatch(
        notes.join(),
        new RegExp(`^file\\.bin: 127\\.0\\.0\\.1:\\d+ answered ${status}; again in 1\\.0 s$`),
      );
      assert(nextAt - refusedAt > 990, `asked again after ${nextAt - refusedAt} ms`); // timers may be early by some ms
    }));
}

Deno.test("Where one request is asked to wait, the others of the client wait too", async () => {
  await using server = new FileServer({ "b.bin": BYTES }, {
    instead: ({ name }) =>
      name === "a.bin" ? new Response(null, { status: 429, headers: { "retry-after": "1" } }) : undefined,
  });
  const client = new Client(() => {}, undefined, IMPATIENT);
  try {
    const { signal } = new AbortController();
    await assertRejects(() => client.open(new URL(`${server.url}/a.bin`), signal), TemporaryError);
    const before = performance.now();
    const answer = await client.open(new URL(`${server.url}/b.bin`), signal);
    answer.close();
    assert(performance.now() - before > 900); // most of the second, less what passed since the refusal
  } finally {
    client.close();
  }
});

Deno.test("A server that asks to wait for longer than anybody would, and one that is always busy, end in words", () =>
  inFolder(async (folder) => {
    await using server = new FileServer({});
    const url = `${server.url}/file.bin`;
    server.faults = {
      instead: () => new Response(null, { status: 429, headers: { "retry-after": "86400" } }),
    };
    const long = await assertRejects(() => get(url, folder), RunError);
    assertMatch(
      long.message,
      /asks to wait 86400 s before the next request; run the same command again after/,
    );
    server.faults = { instead: () => new Response(null, { status: 500 }) };
    const busy = await assertRejects(() => get(url, folder), RunError);
    assertMatch(
      busy.message,
      /^Cannot fetch file\.bin: 127\.0\.0\.1:\d+ answered 500, and so 4 times; check/,
    );
  }));

Deno.test("An address that a redirect led to and that has expired is asked for anew", () =>
  inFolder(async (folder) => {
    await using hub = new Hub({ "file.bin": BYTES }, {
      instead: ({ nth }) => nth === 1 ? new Response(null, { status: 403 }) : undefined,
    });
    const { notes } = await get(`${hub.url}/file.bin`, folder);
    assertMatch(notes.join(), /answered 403; again in/);
    assertEquals(hub.hub.seen.length, 2);
    assert(!notes.join().includes("hush"), "no signature shows");
  }));

Deno.test("Redirects in a circle and to anything but http are refused", () =>
  inFolder(async (folder) => {
    await using server = new FileServer({});
    const to = (location: string) => {
      server.faults = { instead: () => new Response(null, { status: 302, headers: { location } }) };
      return assertRejects(() => get(`${server.url}/file.bin`, folder), RunError);
    };
    assertMatch((await to("/file.bin")).message, /it redirects more than 10 times$/);
    for (const location of ["file:///etc/passwd", "data:text/plain,x", "http://"]) {
      assertMatch((await to(location)).message, /redirects to an address that is neither http nor https$/);
    }
  }));

/** A status, whether a token was sent, and what is said. */
const REFUSALS: [number, boolean, RegExp][] = [
  [401, false, /it is not given to everybody at .* \(401\); .* set HF_TOKEN to a token of yours$/],
  [401, true, /the token in HF_TOKEN is not accepted at .* \(401\); make a new one/],
  [403, false, /it is not given to everybody at .* \(403\)/],
  [403, true, /the token in HF_TOKEN may not read it at .* \(403\); ask for access/],
  [404, true, /there is no such file at .*\/file\.bin \(404\); check the address of the hub or mirror$/],
  [418, false, /an answer without the file at .* \(418\); check the address/],
];

for (const [status, withToken, expected] of REFUSALS) {
  Deno.test(`${status} ${withToken ? "with" : "without"} a token is told, at once`, () =>
    inFolder(async (folder) => {
      await using server = new FileServer({}, { instead: () => new Response(null, { status }) });
      const token = withToken ? { token: { origin: server.url, secret: "hf_secret" } } : {};
      const error = await assertRejects(() => get(`${server.url}/file.bin`, folder, token), UserError);
      assertMatch(error.message, expected);
      assert(!error.message.includes("hf_secret"));
      assertEquals(server.seen.length, 1);
    }));
}

/** Answers that make no sense, and what is said. */
const NONSENSE: [string, ResponseInit, RegExp][] = [
  ["no size", { status: 206 }, /its server does not state its size/],
  [
    "a range that is none",
    { status: 206, headers: { "content-range": "bytes 5-9/x" } },
    /does not state its size/,
  ],
  [
    "another size than stated",
    { status: 206, headers: { "content-range": "bytes 0-0/1000", "x-linked-size": "999" } },
    /it is stated to have 999 bytes, but the server that holds it says 1000; try again later/,
  ],
  [
    "compressed bytes",
    { status: 206, headers: { "content-range": "bytes 0-0/1000", "content-encoding": "zstd" } },
    /compressed, though asked not to; use another mirror/,
  ],
];

for (const [what, init, expected] of NONSENSE) {
  Deno.test(`An answer with ${what} is refused`, () =>
    inFolder(async (folder) => {
      await using server = new FileServer({}, { instead: () => new Response("x", init) });
      const error = await assertRejects(() => get(`${server.url}/file.bin`, folder), RunError);
      assertMatch(error.message, expected);
    }));
}

Deno.test("Addresses and tokens that are none are refused, secrets in them not repeated", () => {
  const cases: [() => unknown, RegExp][] = [
    [
      () => plainFolder("mirror", "--base-url"),
      /^--base-url "mirror" is no address: expected one such as https/,
    ],
    [() => plainFolder("ftp://x/", "--base-url"), /^--base-url "ftp:\/\/x\/" is no address/],
    [() => plainFolder("http://me:hush@x/", "--base-url"), /must be a plain address: found user, password/],
    [() => hubDataset("a/b", "http://x/?key=hush", undefined), /^HF_ENDPOINT must be a plain address/],
    [() => hubDataset("a/b", undefined, "hush\nx"), /^HF_TOKEN is no token/],
  ];
  for (const [make, expected] of cases) {
    const { message } = assertThrows(make, UserError);
    assertMatch(message, expected);
    assert(!message.includes("hush"), message);
  }
  assertEquals(plainFolder("http://x/a", "").urlOf("b").href, "http://x/a/b");
  const { urlOf, token } = hubDataset("a/b", undefined, "hf_x");
  assertEquals(urlOf("c").href, "https://huggingface.co/datasets/a/b/resolve/main/c");
  assertEquals(token?.origin, "https://huggingface.co");
});
