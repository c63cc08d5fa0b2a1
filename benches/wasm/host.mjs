// A Proxy-Wasm host (ABI 0.2.1) that follows a script: it hands out one configuration, one head, its
// own time and its own random numbers, so that a module does the same in every run. It counts what
// it is asked for.

const OK = 0, NOT_FOUND = 1;
const CONTINUE = 0;
const ERROR = 4;
const ROOT = 1;
const BODY_SIZE = 100;

export class Host {
  #exports;
  #bytes = new Uint8Array();
  #view;
  #counts = new Map();
  #configuration;
  #nanoseconds;
  #head;
  #nextStream = ROOT + 1;
  #nextMetric = 1;
  #random = 1;

  /** Starts a plugin: with its configuration, at `seconds` since 1970. */
  constructor(module, configuration, seconds) {
    this.#configuration = new TextEncoder().encode(JSON.stringify(configuration));
    this.#nanoseconds = BigInt(seconds) * 1_000_000_000n;
    const imports = { env: {}, wasi_snapshot_preview1: {} };
    for (const { module: from, name } of WebAssembly.Module.imports(module)) {
      const unscripted = () => { throw new Error(`the module calls ${name}, which the script has not`); };
      imports[from][name] = this.#functions[name] ?? unscripted;
    }
    this.#exports = new WebAssembly.Instance(module, imports).exports;
    this.#exports._initialize();
    this.#exports.proxy_on_context_create(ROOT, 0);
    this.#exports.proxy_on_configure(ROOT, this.#configuration.length);
    this.#exports.proxy_on_tick(ROOT);
  }

  /** A request with a head of `encodeHead` and a body: whether it goes on. */
  send(head) {
    const stream = this.#nextStream++;
    this.#head = head.bytes;
    this.#exports.proxy_on_context_create(stream, ROOT);
    const goesOn = this.#exports.proxy_on_request_headers(stream, head.fields, 0) === CONTINUE;
    if (goesOn) {
      this.#exports.proxy_on_request_body(stream, BODY_SIZE, 1);
      this.#exports.proxy_on_response_headers(stream, 0, 0);
    }
    this.#exports.proxy_on_delete(stream);
    return goesOn;
  }

  /** What the module has asked for since the last call of this: how often, and bytes passed. */
  takeCounts() {
    const counts = Object.fromEntries([...this.#counts].sort());
    this.#counts.clear();
    return counts;
  }

  /** The size of the module's memory, in bytes. */
  get memory() {
    return this.#exports.memory.buffer.byteLength;
  }

  #functions = {
    proxy_log: (level, at, size) => {
      const line = () => new TextDecoder().decode(this.#memory().subarray(at, at + size));
      if (level >= ERROR) console.error(`the module: ${line()}`);
      return this.#count("proxy_log", size);
    },
    proxy_get_current_time_nanoseconds: (at) => {
      this.#memory();
      this.#view.setBigUint64(at, this.#nanoseconds, true);
      return this.#count("proxy_get_current_time_nanoseconds", 8);
    },
    proxy_set_tick_period_milliseconds: () => this.#count("proxy_set_tick_period_milliseconds"),
    proxy_get_buffer_bytes: (_kind, start, size, bytesAt, sizeAt) => {
      const bytes = this.#configuration.subarray(start, start + (size >>> 0));
      return this.#give("proxy_get_buffer_bytes", bytes, bytesAt, sizeAt);
    },
    proxy_get_header_map_pairs: (_kind, bytesAt, sizeAt) =>
      this.#give("proxy_get_header_map_pairs", this.#head, bytesAt, sizeAt),
    proxy_replace_header_map_value: (_kind, _name, nameSize, _value, valueSize) =>
      this.#count("proxy_replace_header_map_value", nameSize + valueSize),
    proxy_remove_header_map_value: (_kind, _name, size) =>
      this.#count("proxy_remove_header_map_value", size),
    proxy_set_property: (_path, pathSize, _value, valueSize) =>
      this.#count("proxy_set_property", pathSize + valueSize),
    proxy_define_metric: (_kind, _name, size, at) => {
      this.#store(at, this.#nextMetric++);
      return this.#count("proxy_define_metric", size);
    },
    proxy_increment_metric: () => this.#count("proxy_increment_metric"),
    proxy_record_metric: () => this.#count("proxy_record_metric"),
    proxy_send_local_response: () => this.#count("proxy_send_local_response"),
    // No host has to verify signatures, so the module computes.
    proxy_call_foreign_function: () => NOT_FOUND,
    random_get: (at, size) => {
      for (const end = at + size; at < end; at++) {
        this.#random = (Math.imul(this.#random, 1103515245) + 12345) >>> 0;
        this.#memory()[at] = this.#random >>> 24;
      }
      return OK;
    },
  };

  #count(name, bytes = 0) {
    const count = this.#counts.get(name);
    if (count) {
      count.calls += 1;
      count.bytes += bytes;
    } else {
      this.#counts.set(name, { calls: 1, bytes });
    }
    return OK;
  }

  /** Puts bytes where the module has room for them, and tells it where. */
  #give(name, bytes, bytesAt, sizeAt) {
    this.#count("proxy_on_memory_allocate", bytes.length);
    const place = this.#exports.proxy_on_memory_allocate(bytes.length);
    this.#memory().set(bytes, place);
    this.#store(bytesAt, place);
    this.#store(sizeAt, bytes.length);
    return this.#count(name, bytes.length);
  }

  #store(at, value) {
    this.#memory();
    this.#view.setUint32(at, value, true);
  }

  /** It is another buffer after it has grown. */
  #memory() {
    if (this.#bytes.length === 0) {
      this.#bytes = new Uint8Array(this.#exports.memory.buffer);
      this.#view = new DataView(this.#exports.memory.buffer);
    }
    return this.#bytes;
  }
}

/** A head as the ABI lays out a map: the number of fields, the sizes of each, names and values. */
export function encodeHead(fields) {
  const parts = fields.flat().map((part) => Buffer.from(`${part}\0`));
  const numbers = [fields.length, ...parts.map((part) => part.length - 1)];
  const sizes = Buffer.from(Uint32Array.from(numbers).buffer);
  return { bytes: Buffer.concat([sizes, ...parts]), fields: fields.length };
}
