// Measures built modules in a host of a page, in Node.js: what a request with a known token asks of
// the host, which is the same on every machine, how long it takes and how long one with a new token,
// and what a module takes to be compiled and to remember tokens. Several modules have their goes by
// turns.
//
//   node --no-liftoff --no-wasm-lazy-compilation main.mjs [--write] [--tokens N] MODULE.wasm...
//
// With these flags V8 compiles all functions up front, by its optimising compiler, as in Envoy.
// Fails if the first module asks for more than counts.json says, which `--write` writes anew.

import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Build } from "./build.mjs";
import { request } from "./script.mjs";

const COUNTS = new URL("counts.json", import.meta.url);
const ROUNDS = 1000, WARM_UP = 50;

const { values: asked, positionals: paths } = parseArgs({
  allowPositionals: true,
  options: { write: { type: "boolean" }, tokens: { type: "string", default: "100000" } },
});
const tokens = Number(asked.tokens);
const builds = paths.map((path) => new Build(path, tokens));
for (let nth = 0; nth < WARM_UP + ROUNDS; nth++) {
  builds.forEach((build) => build.round(nth >= WARM_UP));
}
for (let nth = 1; nth < tokens; nth++) {
  const head = request(nth);
  builds.forEach((build) => build.remember(head));
}
builds.forEach((build) => console.log(build.summary()));
process.exitCode = guard(builds[0].counts);

/** 1 if more is asked of the host than before. */
function guard(counts) {
  if (asked.write) {
    writeFileSync(COUNTS, `${JSON.stringify(counts, null, 2)}\n`);
    return 0;
  }
  const before = JSON.parse(readFileSync(COUNTS, "utf8"));
  const none = { calls: 0, bytes: 0 };
  const grown = Object.entries(counts).filter(([name, { calls, bytes }]) => {
    const { calls: fewer, bytes: less } = before[name] ?? none;
    return calls > fewer || bytes > less;
  });
  grown.forEach(([name]) => console.error(`bench-wasm: error: more of ${name} than before`));
  return grown.length > 0 ? 1 : 0;
}
