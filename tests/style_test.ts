// The house rules that a machine can check: who may import whom, how long files and functions may be, what only certain
// files may say. Fails with the list of all places that break a rule.

import { assert, assertEquals } from "@std/assert";
import { dirname, join, relative } from "@std/path";
import { ROOT } from "./cli/command.ts";

const MOST_FILE_LINES = 500;
const MOST_FUNCTION_LINES = 70;
const CODE_FOLDERS = ["lib", "ffi", "data", "tools", "tests"];
const NATIVE_FOLDERS = ["kernels", "tools"];
const SKIPPED = new Set([
  "node_modules",
  ".git",
  ".deno_dir",
  "build",
  "runs",
  "coverage",
  "nanogpt",
  "fineweb10B",
]);

interface Source {
  /** Path from the root, such as lib/base/errors.ts. */
  readonly path: string;
  readonly lines: readonly string[];
}

function filesBelow(folder: string, wanted: RegExp): Source[] {
  return [...Deno.readDirSync(join(ROOT, folder))].flatMap((entry): Source[] => {
    const path = join(folder, entry.name);
    if (SKIPPED.has(entry.name)) return [];
    if (entry.isDirectory) return filesBelow(path, wanted);
    return wanted.test(entry.name)
      ? [{ path, lines: Deno.readTextFileSync(join(ROOT, path)).split("\n") }]
      : [];
  });
}

const rootFiles = ["main.ts", "worker.ts"].filter((name) => {
  return [...Deno.readDirSync(ROOT)].some((entry) => entry.name === name);
});
const typescript: Source[] = [
  ...rootFiles.map((path) => ({ path, lines: Deno.readTextFileSync(join(ROOT, path)).split("\n") })),
  ...CODE_FOLDERS.flatMap((folder) => filesBelow(folder, /\.ts$/)),
];
const native: Source[] = NATIVE_FOLDERS.flatMap((folder) => filesBelow(folder, /\.(cpp|cu|cuh|h|c)$/));
const code = [...typescript, ...native];

/** What `from` imports: paths from the root for files of the project, else the name as written. */
function importsOf({ path, lines }: Source): string[] {
  const text = lines.join("\n");
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s+"([^"]+)"|import\(\s*"([^"]+)"\s*\)/g,
  );
  return [...found].map((match) => match[1] ?? match[2] ?? "")
    .map((name) => name.startsWith(".") ? relative(ROOT, join(ROOT, dirname(path), name)) : name);
}

/** Folder (longest match wins) and the folders that its files may import from, besides packages and lib/base. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "lib/std": [],
  "lib/base": ["lib/std"],
  "lib/config": [],
  "lib/graph": [],
  "lib/model": ["lib/graph"],
  "lib/optim": ["lib/graph", "lib/model"],
  "lib/plan": ["lib/graph"],
  "lib/run": ["lib/config", "lib/graph", "lib/model", "lib/optim", "lib/plan", "ffi", "data"],
  "lib/view": ["lib/config", "lib/graph", "lib/model", "lib/optim", "lib/plan", "lib/run", "data", "lib/std"],
  "lib/view/page": ["lib/view", "lib/optim"],
  "lib/cli": [
    "lib/config",
    "lib/graph",
    "lib/model",
    "lib/optim",
    "lib/plan",
    "lib/run",
    "lib/view",
    "ffi",
    "data",
  ],
  "ffi": [],
  "data": [],
  "tools": [],
  "main.ts": ["lib/cli"],
  "worker.ts": ["lib/run", "data"],
};

function ownerOf(path: string): string | undefined {
  return Object.keys(MAY_IMPORT).filter((folder) => path === folder || path.startsWith(`${folder}/`))
    .sort((a, b) => b.length - a.length)[0];
}

Deno.test("imports go one way", () => {
  const wrong = typescript.filter(({ path }) => !path.startsWith("tests/")).flatMap((source) => {
    const owner = ownerOf(source.path);
    if (owner === undefined) return [`${source.path} lies in no known folder`];
    const allowed = [owner, "lib/base", ...MAY_IMPORT[owner] ?? []];
    return importsOf(source).filter((name) => ownerOf(name) !== undefined)
      .filter((name) => !allowed.includes(ownerOf(name) ?? ""))
      .map((name) => `${source.path} imports ${name}`);
  });
  assertEquals(wrong, []);
});

Deno.test("packages that one place knows", () => {
  const homes: [RegExp, string][] = [
    [/^deno-std\//, "lib/std/"],
    [/commander/, "lib/cli/program.ts"],
    [/^zod/, "lib/config/schema.ts"],
    [/^gpt-tokenizer/, "data/tokenizer.ts"],
    [/^uplot/, "lib/view/page/chart.ts"],
    [/^playwright-core/, "tests/view/"],
    [/^@stdlib\/stats/, "lib/view/statistics.ts"],
    [/^hyparquet/, "data/parquet.ts"],
  ];
  const wrong = typescript.flatMap((source) =>
    importsOf(source).flatMap((name) =>
      homes.filter(([pattern, home]) => pattern.test(name) && !source.path.startsWith(home))
        .map(([, home]) => `${source.path} imports ${name}, which only ${home} may`)
    )
  );
  assertEquals(wrong, []);
});

/** Words that only certain files may contain; `where` are the files that may, by the beginning of their path. */
const RESERVED: {
  readonly word: RegExp;
  readonly where: readonly string[];
  readonly in: readonly Source[];
}[] = [
  {
    word: /import\.meta\.(url|dirname|filename)/,
    where: ["main.ts", "worker.ts", "tools/launcher/stage.ts", "tests/"],
    in: typescript,
  },
  { word: /Deno\.env\b|\bprocess\.env\b/, where: ["main.ts", "tests/"], in: typescript },
  { word: /Deno\.args\b/, where: ["main.ts", "ffi/generate.ts", "tools/", "tests/"], in: typescript },
  { word: /Deno\.dlopen\b/, where: ["ffi/", "tests/"], in: typescript },
  {
    word: /Deno\.exit\b/,
    where: ["main.ts", "worker.ts", "lib/cli/", "ffi/generate.ts", "tools/", "tests/"],
    in: typescript,
  },
  { word: /@ts-ignore|@ts-expect-error|@ts-nocheck|\bas any\b|\bas unknown as\b/, where: [], in: typescript },
  { word: /fast-math/, where: [], in: native },
];

Deno.test("some words are reserved to some files", () => {
  const wrong = RESERVED.flatMap(({ word, where, in: sources }) =>
    sources.filter(({ path }) =>
      path !== "tests/style_test.ts" && !where.some((prefix) => path.startsWith(prefix))
    )
      .flatMap(({ path, lines }) => placesOf(path, lines, word))
  );
  assertEquals(wrong, []);
});

Deno.test("no file speaks of places outside the project", () => {
  // Put together so that this file passes its own test.
  const outside = new RegExp(["\\.\\./" + "shared", "/" + "work/", "/" + "home/", "/" + "root/"].join("|"));
  const texts = filesBelow(
    ".",
    /\.(ts|cpp|cu|cuh|h|c|md|json|sh|mk)$|^(Makefile|Dockerfile|run|\.gitignore)$/,
  );
  assert(texts.length > code.length / 2, "expected to have found the project's files");
  assertEquals(texts.flatMap(({ path, lines }) => placesOf(path, lines, outside)), []);
});

function placesOf(path: string, lines: readonly string[], word: RegExp): string[] {
  return lines.flatMap((line, i) => word.test(line) ? [`${path}:${i + 1} ${line.trim()}`] : []);
}

/** The rules of every kernel stand at the top of the one header that all of them implement. */
const LONG_HEADER = "kernels/abi.h";

/** How many comment lines a file opens with. */
function headerLines(lines: readonly string[]): number {
  const end = lines.findIndex((line) => !/^\/\/(?!\/)/.test(line));
  return end < 0 ? lines.length : end;
}

Deno.test("every file says at its top what it is, what it does not do and what it may import", () => {
  assertEquals(headerLines(["// One.", "// Two.", "", "// Not the header."]), 2);
  const wrong = code.map(({ path, lines }) => ({ path, count: headerLines(lines) })).filter(
    ({ path, count }) => {
      const fewest = path.startsWith("tests/") ? 1 : 3;
      return count < fewest || (count > 8 && path !== LONG_HEADER);
    },
  );
  assertEquals(wrong, []);
});

Deno.test(`no file is longer than ${MOST_FILE_LINES} lines`, () => {
  const wrong = code.filter(({ lines }) => lines.length - 1 > MOST_FILE_LINES)
    .map(({ path, lines }) => `${path}: ${lines.length - 1}`);
  assertEquals(wrong, []);
});

/** A line that opens a function or method body, at its indentation; ends at the next `}` of the same indentation. */
const TYPESCRIPT_FUNCTION =
  /^(\s*)(?:export |default |async |static |override |get |set |readonly )*(?:function\*? \w+|#?\w+(?:<.*>)?\(|(?:const|let) \w+.*=>|Deno\.test\()/;
const NOT_A_FUNCTION = /^\s*(?:if|for|while|switch|return|throw|catch|await|new|super|describe)\b/;
const NATIVE_FUNCTION = /^(\s*)[\w:<>*&,~[\] ]+[\w>*&] [*&]?[\w:~]+\(/;

/** The functions of a formatted file that are longer than allowed, as "path:line length". */
function longFunctions({ path, lines }: Source, opening: RegExp): string[] {
  return lines.flatMap((line, start) => {
    const indentation = opening.exec(line)?.[1];
    if (indentation === undefined || NOT_A_FUNCTION.test(line)) return [];
    const header = lines.slice(start, start + 12);
    const brace = header.findIndex((next) => /[{;]$/.test(next));
    // A call that goes on in the next line is no header; a TypeScript header that does so ends in a bracket or comma.
    const wrapped = opening === NATIVE_FUNCTION || brace === 0 || /[(<,]$/.test(line);
    if (brace < 0 || !wrapped || !header[brace]?.endsWith("{")) return [];
    const end = lines.findIndex((next, i) => i > start + brace && next.startsWith(`${indentation}}`));
    const length = end - start + 1;
    return end > start && length > MOST_FUNCTION_LINES ? [`${path}:${start + 1} has ${length} lines`] : [];
  });
}

Deno.test("the measure of functions sees long ones", () => {
  const body = Array<string>(MOST_FUNCTION_LINES - 1).fill("  x();");
  const sample = (first: string[], last = "}") => ({ path: "x.ts", lines: [...first, ...body, last, ""] });
  const long = [["function f() {"], ["export async function f(", "  a: number,", "): void {"], [
    "  #f(a: A): B {",
  ]];
  for (const first of long) {
    const last = `${/^\s*/.exec(first[0] ?? "")?.[0]}}`;
    assertEquals(longFunctions(sample(first, last), TYPESCRIPT_FUNCTION).length, 1, first[0] ?? "");
  }
  const cpp = ["template <class T>", "static void f(const T* a,", "              int n) {"];
  assertEquals(longFunctions(sample(cpp), NATIVE_FUNCTION).length, 1);
  assertEquals(
    longFunctions({ path: "x.ts", lines: ["f() {", ...body.slice(1), "}"] }, TYPESCRIPT_FUNCTION),
    [],
  );
});

Deno.test(`no function is longer than ${MOST_FUNCTION_LINES} lines`, () => {
  assertEquals([
    ...typescript.flatMap((source) => longFunctions(source, TYPESCRIPT_FUNCTION)),
    ...native.flatMap((source) => longFunctions(source, NATIVE_FUNCTION)),
  ], []);
});
