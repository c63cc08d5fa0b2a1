// A built module, and what is measured of it.

import { readFileSync } from "node:fs";
import { Host } from "./host.mjs";
import { NOW, configuration, request } from "./script.mjs";

const COMPILATIONS = 5, REQUESTS = 300;
const MIB = 2 ** 20;
let compilations = 0;

export class Build {
  rounds = [];
  news = [];

  constructor(path, tokens) {
    this.path = path;
    this.bytes = readFileSync(path);
    this.compiled = Array.from({ length: COMPILATIONS }, () => this.#compile());
    this.module = new WebAssembly.Module(this.bytes);
    this.host = new Host(this.module, configuration(tokens), NOW);
    this.head = request(0);
    send(this.host, this.head);
    this.host.takeCounts();
    send(this.host, this.head);
    this.counts = this.host.takeCounts();
    this.before = this.host.memory;
  }

  round(counts) {
    const began = performance.now();
    for (let nth = 0; nth < REQUESTS; nth++) this.host.send(this.head);
    const nanoseconds = ((performance.now() - began) / REQUESTS) * 1e6;
    if (counts) this.rounds.push(nanoseconds);
  }

  /** Shows a token that is not known yet, to be remembered. */
  remember(head) {
    const began = performance.now();
    send(this.host, head);
    this.news.push((performance.now() - began) * 1e6);
  }

  /** Lines for a reader. */
  summary() {
    const rows = Object.entries(this.counts);
    const sum = (field) => rows.reduce((sum, [, count]) => sum + count[field], 0);
    const row = ([name, { calls, bytes }]) =>
      `    ${name.padEnd(35)}${String(calls).padStart(4)}${String(bytes).padStart(7)} bytes`;
    const grown = ((this.host.memory - this.before) / MIB).toFixed(1);
    const took = (times) => `${quantile(times, 0.5)} ns, the fastest tenth ${quantile(times, 0.1)}`;
    return [
      `${this.path}: ${this.bytes.length.toLocaleString()} bytes`,
      `  compiled in ${quantile(this.compiled, 0.5)} ms of CPU, on all threads`,
      `  ${(this.news.length + 1).toLocaleString()} tokens take ${grown} MiB`,
      `  a request with a new Ed25519 token takes ${took(this.news)}`,
      `  a request with a known token takes ${took(this.rounds)}, and`,
      ...[...rows, ["in all", { calls: sum("calls"), bytes: sum("bytes") }]].map(row),
    ].join("\n");
  }

  /** A byte is different each time: V8 knows modules again. */
  #compile() {
    const section = [0, 5, 4, ...Buffer.from(String(compilations++).padStart(4, "0"))];
    const bytes = Buffer.concat([this.bytes, Buffer.from(section)]);
    const before = process.cpuUsage();
    new WebAssembly.Module(bytes);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  }
}

function send(host, head) {
  if (!host.send(head)) throw new Error("the module refuses a good token");
}

function quantile(values, part) {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(part * sorted.length)].toFixed(0);
}
