#!/usr/bin/env python3
"""Checks a built filter: it imports only what a Proxy-Wasm host offers, exports what the host calls,
and is not too large. Prints the imports.

    scripts/check-wasm-imports.py MODULE.wasm

An import that the host does not know fails when Envoy loads the module, hence here first. The
sections are read as the WebAssembly core specification, 5.5 "Modules", lays them out.
"""

import sys
from pathlib import Path

LARGEST = 555 * 1024

# The functions of Proxy-Wasm ABI 0.2.1 that a module may import from `env`.
PROXY_WASM = set(
    """
    proxy_log proxy_get_log_level proxy_set_tick_period_milliseconds
    proxy_get_current_time_nanoseconds proxy_get_property proxy_set_property
    proxy_continue_stream proxy_close_stream proxy_send_local_response
    proxy_get_buffer_bytes proxy_get_buffer_status proxy_set_buffer_bytes
    proxy_get_header_map_pairs proxy_set_header_map_pairs proxy_get_header_map_size
    proxy_get_header_map_value proxy_add_header_map_value proxy_replace_header_map_value
    proxy_remove_header_map_value
    proxy_get_shared_data proxy_set_shared_data
    proxy_register_shared_queue proxy_resolve_shared_queue proxy_enqueue_shared_queue
    proxy_dequeue_shared_queue
    proxy_http_call proxy_grpc_call proxy_grpc_stream proxy_grpc_send proxy_grpc_cancel
    proxy_grpc_close proxy_get_status
    proxy_define_metric proxy_increment_metric proxy_record_metric proxy_get_metric
    proxy_set_effective_context proxy_done proxy_call_foreign_function
    """.split()
)
# The calls of WASI preview 1 that proxy-wasm-cpp-host, Envoy's runtime, registers.
WASI = set(
    """
    args_get args_sizes_get environ_get environ_sizes_get clock_time_get random_get proc_exit
    fd_write fd_read fd_close fd_seek fd_fdstat_get fd_prestat_get fd_prestat_dir_name
    path_open poll_oneoff sched_yield
    """.split()
)
ALLOWED = {"env": PROXY_WASM, "wasi_snapshot_preview1": WASI}
# What every host calls: the ABI's version, its allocator and the entry point.
EXPECTED_EXPORTS = {"proxy_abi_version_0_2_1", "proxy_on_memory_allocate", "_initialize", "memory"}

IMPORT_SECTION, EXPORT_SECTION, FUNCTION = 2, 7, 0
KINDS = {0: "function", 1: "table", 2: "memory", 3: "global"}


def problems_of(path):
    """What is wrong with the module, a sentence each."""
    module = Path(path).read_bytes()
    if module[:8] != b"\0asm\1\0\0\0":
        return [f"{path} is no WebAssembly module"]
    found = sections(module)
    imports = read_imports(Reader(found.get(IMPORT_SECTION, b"\0")))
    exports = read_exports(Reader(found.get(EXPORT_SECTION, b"\0")))
    print(f"{path}: {len(module):,} bytes, {len(imports)} imports:")
    for origin, name, _ in imports:
        print(f"  {origin}.{name}")
    problems = [
        f"imports {KINDS.get(kind, 'item')} {origin}.{name}, which no Proxy-Wasm host has to offer"
        for origin, name, kind in imports
        if kind != FUNCTION or name not in ALLOWED.get(origin, ())
    ]
    problems += [f"does not export {name}" for name in sorted(EXPECTED_EXPORTS - exports)]
    if len(module) > LARGEST:
        problems.append(f"is {len(module):,} bytes; at most {LARGEST:,} are allowed")
    return [f"{path} {problem}" for problem in problems]


class Reader:
    """A cursor over bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def number(self):
        """An unsigned LEB128."""
        result = shift = 0
        while True:
            byte = self.byte()
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return result

    def bytes(self):
        size = self.number()
        self.at += size
        return self.data[self.at - size : self.at]

    def name(self):
        return self.bytes().decode()


def sections(module):
    reader, found = Reader(module), {}
    reader.at = 8
    while reader.at < len(module):
        number = reader.byte()
        found[number] = reader.bytes()
    return found


def read_imports(reader):
    """(module, name, kind) of each import; reading ends at one that is no function, whose
    description is not read and which is refused anyway."""
    imports = []
    for _ in range(reader.number()):
        origin, name, kind = reader.name(), reader.name(), reader.byte()
        imports.append((origin, name, kind))
        if kind != FUNCTION:
            break
        reader.number()  # the function's type
    return imports


def read_exports(reader):
    names = set()
    for _ in range(reader.number()):
        names.add(reader.name())
        reader.byte()  # what it is
        reader.number()  # which one
    return names


if len(sys.argv) != 2:
    sys.exit(__doc__)
if failures := problems_of(sys.argv[1]):
    sys.exit("\n".join(f"check-wasm-imports.py: error: {failure}" for failure in failures))
