"""The Envoy configuration that Istio and Envoy Gateway make of the manifests in `examples`.

Written after their sources (Istio 1.32: pilot/pkg/model/extensions.go, cluster_tls.go; Envoy
Gateway 1.9: internal/xds/translator, internal/gatewayapi/helpers.go): the names of clusters and
filters, where the filter runs, and how a provider's certificate is verified are theirs. What is
left out is what the filter does not see: TLS of clients, endpoint discovery, access logs, the
download of the module.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .built import built
from .envoy import Envoy, address, type_name
from .manifests import Objects

LISTENER = "https"
NAMESPACE = "mcp-auth"


@dataclass(frozen=True)
class Places:
    """Where on loopback it is what the manifests name: Services by `name:port`, hosts by name."""

    services: dict[str, int]
    hosts: dict[str, int]
    ca_file: Path  # instead of the CAs of the proxy's image


@dataclass
class BootstrapEnvoy(Envoy):
    """An Envoy whose whole configuration is given."""

    bootstrap: dict[str, Any] = field(default_factory=dict)

    def _bootstrap(self) -> dict[str, Any]:
        return self.bootstrap


def envoy(folder: Path, bootstrap: dict[str, Any]) -> BootstrapEnvoy:
    """An Envoy with this configuration, on ports of its choice."""
    names = [listener["name"] for listener in bootstrap["static_resources"]["listeners"]]
    return BootstrapEnvoy(folder, dict.fromkeys(names), {}, bootstrap=bootstrap)


def istio(objects: Objects, places: Places) -> dict[str, Any]:
    """What Istio makes of them."""
    clusters = [
        _cluster(f"outbound|{port}||{name}.{NAMESPACE}.svc.cluster.local", place)
        for (name, port), place in _services(objects, places)
    ]
    for entry in objects.of("ServiceEntry"):
        (host,), (port,) = entry["spec"]["hosts"], entry["spec"]["ports"]
        rules = [it for it in objects.of("DestinationRule") if it["spec"]["host"] == host]
        tls = rules[0]["spec"]["trafficPolicy"]["tls"]
        assert tls["mode"] == "SIMPLE"
        socket = _tls(tls["sni"], tls["subjectAltNames"], places)
        name = f"outbound|{port['number']}||{host}"
        clusters.append(_cluster(name, places.hosts[host], socket))

    def cluster(_: dict[str, Any], __: int, reference: dict[str, Any]) -> str:
        name, port = reference["name"], reference["port"]
        return f"outbound|{port}||{name}.{NAMESPACE}.svc.cluster.local"

    return _bootstrap([_istio_filter(objects)], _routes(objects, cluster), clusters)


def envoy_gateway(objects: Objects, places: Places) -> dict[str, Any]:
    """What Envoy Gateway makes of them."""
    policy = objects.one("EnvoyExtensionPolicy")
    filters = [
        _envoy_gateway_filter(policy, number, wasm)
        for number, wasm in enumerate(policy["spec"]["wasm"])
    ]
    clusters = []
    for route in objects.of("HTTPRoute"):
        for number, rule in enumerate(route["spec"]["rules"]):
            (reference,) = rule["backendRefs"]
            name = _rule(route, number)
            if reference.get("kind") != "Backend":
                place = places.services[f"{reference['name']}:{reference['port']}"]
                clusters.append(_cluster(name, place))
                continue
            (endpoint,) = objects.one("Backend", reference["name"])["spec"]["endpoints"]
            tls = _backend_tls(objects, reference["name"])
            socket = _tls(tls["hostname"], [tls["hostname"]], places)
            clusters.append(_cluster(name, places.hosts[endpoint["fqdn"]["hostname"]], socket))
    for listener_patch in objects.of("EnvoyPatchPolicy"):
        _patch(filters, listener_patch)
    enabled = {
        it["name"]: {
            "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
            "config": {},
        }
        for it in filters
    }

    def cluster(route: dict[str, Any], number: int, _: dict[str, Any]) -> str:
        return _rule(route, number)

    return _bootstrap(filters, _routes(objects, cluster, enabled), clusters)


def filter_configs(objects: Objects) -> list[dict[str, Any]]:
    """The filter's configurations in the manifests."""
    plugins = [it["spec"]["pluginConfig"] for it in objects.of("WasmPlugin")]
    inserted = [
        json.loads(_inserted(it)["configuration"]["value"]) for it in objects.of("EnvoyFilter")
    ]
    policies = [
        wasm["config"] for it in objects.of("EnvoyExtensionPolicy") for wasm in it["spec"]["wasm"]
    ]
    return plugins + inserted + policies


def _istio_filter(objects: Objects) -> dict[str, Any]:
    local = {"local": {"filename": str(built("MCP_AUTH_WASM"))}}
    if inserted := objects.of("EnvoyFilter"):
        # By extension discovery; the agent turns the remote module into a file.
        config = _inserted(inserted[0])
        config["vm_config"]["code"] = local
        return {
            "name": "mcp-auth",
            "typed_config": _value(inserted[0], "EXTENSION_CONFIG")["typed_config"],
        }
    plugin = objects.one("WasmPlugin")
    spec = plugin["spec"]
    assert (spec["phase"], spec["failStrategy"]) == ("AUTHN", "FAIL_CLOSE")
    name = f"{plugin['metadata']['namespace']}.{plugin['metadata']['name']}"
    config = {
        "name": name,
        "root_id": spec["pluginName"],
        "configuration": _string(json.dumps(spec["pluginConfig"])),
        "failure_policy": "FAIL_CLOSED",
        "vm_config": {
            "runtime": "envoy.wasm.runtime.v8",
            "code": local,
            "environment_variables": {
                "key_values": {"ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION": "1"}
            },
        },
    }
    return {
        "name": name,
        "typed_config": {"@type": type_name("filters.http.wasm.v3.Wasm"), "config": config},
    }


def _inserted(envoy_filter: dict[str, Any]) -> dict[str, Any]:
    """The plugin's configuration in an EnvoyFilter that Istio's agent reads as a Wasm filter."""
    named = _value(envoy_filter, "HTTP_FILTER")
    config = _value(envoy_filter, "EXTENSION_CONFIG")
    assert named["name"] == config["name"], "the listener asks for an extension that nobody adds"
    assert config["typed_config"]["type_url"] in named["config_discovery"]["type_urls"]
    return config["typed_config"]["value"]["config"]


def _value(envoy_filter: dict[str, Any], where: str) -> dict[str, Any]:
    (patch,) = [it for it in envoy_filter["spec"]["configPatches"] if it["applyTo"] == where]
    return patch["patch"]["value"]


def _envoy_gateway_filter(policy: dict[str, Any], number: int, wasm: dict[str, Any]) -> dict:
    metadata = policy["metadata"]
    name = f"envoyextensionpolicy/{metadata['namespace']}/{metadata['name']}/wasm/{number}"
    config = {
        "name": wasm["name"],
        "root_id": wasm["rootID"],
        "fail_open": wasm["failOpen"],
        "configuration": _string(json.dumps(wasm["config"])),
        "vm_config": {
            "vm_id": name,
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": str(built("MCP_AUTH_WASM"))}},
        },
    }
    return {
        "name": f"envoy.filters.http.wasm/{name}",
        "disabled": True,  # it runs on the routes that say so
        "typed_config": {"@type": type_name("filters.http.wasm.v3.Wasm"), "config": config},
    }


def _patch(filters: list[dict[str, Any]], policy: dict[str, Any]) -> None:
    """Does what the policy's only operation says: one member more in the named filter."""
    (patch,) = policy["spec"]["jsonPatches"]
    operation = patch["operation"]
    assert patch["name"] == f"{NAMESPACE}/mcp/{LISTENER}", "Envoy Gateway has no such listener"
    assert operation["op"] == "add"
    for it in filters:
        if (
            operation["jsonPath"]
            == f'..http_filters[?(@.name=="{it["name"]}")].typed_config.config'
        ):
            it["typed_config"]["config"][operation["path"].removeprefix("/")] = operation["value"]
            return
    raise AssertionError(f"{operation['jsonPath']} finds none of {[it['name'] for it in filters]}")


def _backend_tls(objects: Objects, backend: str) -> dict[str, Any]:
    (found,) = [
        it["spec"]["validation"]
        for it in objects.of("BackendTLSPolicy")
        if any(target["name"] == backend for target in it["spec"]["targetRefs"])
    ]
    assert found["wellKnownCACertificates"] == "System"
    return found


def _rule(route: dict[str, Any], number: int) -> str:
    metadata = route["metadata"]
    return f"httproute/{metadata['namespace']}/{metadata['name']}/rule/{number}"


def _services(objects: Objects, places: Places) -> list[tuple[tuple[str, int], int]]:
    named = [
        (it["metadata"]["name"], port["port"])
        for it in objects.of("Service")
        for port in it["spec"]["ports"]
    ]
    return [((name, port), places.services[f"{name}:{port}"]) for name, port in named]


def _routes(objects: Objects, cluster: Any, per_filter: dict | None = None) -> list[dict[str, Any]]:
    """Exact paths first, then the longest prefix, as the Gateway API has it."""
    routes = []
    for route in objects.of("HTTPRoute"):
        for number, rule in enumerate(route["spec"]["rules"]):
            (reference,) = rule["backendRefs"]
            action = {"cluster": cluster(route, number, reference)}
            if "timeouts" in rule:
                action["timeout"] = rule["timeouts"]["request"]
            for match in rule["matches"]:
                kind = {"Exact": "path", "PathPrefix": "path_separated_prefix"}
                path = {kind[match["path"]["type"]]: match["path"]["value"]}
                routes.append({"match": path, "route": action})
                if per_filter:
                    routes[-1]["typed_per_filter_config"] = per_filter
    return sorted(routes, key=lambda it: ("path" not in it["match"], -len(str(it["match"]))))


def _bootstrap(filters: list, routes: list, clusters: list) -> dict[str, Any]:
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": type_name("filters.http.router.v3.Router")},
    }
    manager = {
        "@type": type_name("filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": LISTENER,
        "use_remote_address": True,
        "normalize_path": True,
        "route_config": {
            "virtual_hosts": [
                {"name": "mcp", "domains": ["mcp.example.com"], "routes": routes},
            ],
        },
        "http_filters": [*filters, router],
    }
    listener = {
        "name": LISTENER,
        "address": address(0),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return {
        "admin": {"address": address(0)},
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }


def _cluster(name: str, port: int, socket: dict[str, Any] | None = None) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": address(port)}}
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    cluster = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": assignment,
    }
    return cluster | ({"transport_socket": socket} if socket else {})


def _tls(sni: str, names: list[str], places: Places) -> dict[str, Any]:
    matchers = [{"san_type": "DNS", "matcher": {"exact": name}} for name in names]
    context = {
        "trusted_ca": {"filename": str(places.ca_file)},
        "match_typed_subject_alt_names": matchers,
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": type_name("transport_sockets.tls.v3.UpstreamTlsContext"),
            "sni": sni,
            "common_tls_context": {"validation_context": context},
        },
    }


def _string(text: str) -> dict[str, str]:
    return {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text}
