"""`mcp-auth doctor` finds each fault, made for real, and says what to do about it."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from pathlib import Path

import pytest
from harness.commands import Ran, mcp_auth
from harness.envoy import Envoy, Listener
from harness.faultproxy import always, changed
from harness.gateway import config, eventually, issuer, resource
from harness.oauth import Stack
from harness.redis_server import Redis
from harness.sidecar import RealSidecar
from harness.tlsserver import TlsServer
from harness.tokens import key, tampered, token
from harness.upstream import AUDIENCE, DISCOVERY, JWKS, Upstream


def doctor(*arguments: str, stdin: str = "", secrets: tuple[str, ...] = (), **given: str) -> Ran:
    """Runs it for programs; what it is given by the environment must not be printed if secret."""
    hidden = tuple(given[name] for name in ("MCP_AUTH_TOKEN",) if name in given)
    return mcp_auth(
        *("doctor", "--json", *arguments), environment=given, stdin=stdin, secrets=secrets + hidden
    )


def of_stack(stack: Stack) -> dict[str, str]:
    """All that an operator knows of the stack."""
    names = ("OIDC_ISSUER", "OIDC_AUDIENCE", "MCP_AUTH_URL", "MCP_RESOURCES", "REDIS_URL")
    known = {name: stack.server.environment[name] for name in (*names, "MCP_AUTH_TOKEN")}
    return known | {
        "MCP_AUTH_INTERNAL_URL": f"http://127.0.0.1:{stack.server.internal_port}",
        "MCP_AUTH_ENVOY_ADMIN": f"http://127.0.0.1:{stack.envoy.admin_port}",
    }


def test_a_stack_that_works_has_nothing_that_fails(stack: Stack) -> None:
    tokens = stack.site.tokens()
    ran = doctor(
        *("--token-file", "-"),
        stdin=f"{tokens.access}\n",
        secrets=(tokens.access, tokens.access.rpartition(".")[2]),
        **of_stack(stack),
    )
    assert ran.failed() == set(), ran.findings
    assert ran.code == 0
    results = ran.results()
    for check in (
        *("provider: discovery", "provider: clock", "provider: PKCE", "provider: key upstream-ec"),
        *("public: authorization server", f"public: challenge of {stack.resource}"),
        *("redis: reachable", "redis: persistence", "redis: eviction", "redis: replication"),
        *("sidecar: alive", "sidecar: ready", "sidecar: token", "sidecar: revocation feed"),
        *("envoy: filter", "envoy: configuration of main", "envoy: failure policy of main"),
        *("envoy: cluster mcp-auth", "envoy: cluster mcp-auth-public", "envoy: keys"),
        *("token: issuer", "token: audience", "token: dates", "token: signature"),
    ):
        assert results[check] == "ok", (check, ran.findings.get(check))


def test_without_anything_it_says_what_to_give() -> None:
    ran = doctor()
    assert ran.code == 0
    assert set(ran.results().values()) == {"not_checked"}
    shown = mcp_auth("doctor").out
    for named in ("--envoy-admin", "--internal-url", "--token-file", "REDIS_URL", "MCP_AUTH_URL"):
        assert named in shown, shown


@pytest.mark.parametrize(
    "given",
    [
        {"OIDC_ISSUER": "not a url"},
        {"OIDC_ISSUER": "https://a.example/", "AUTH0_DOMAIN": "a.example"},
        {"MCP_AUTH_INTERNAL_URL": "127.0.0.1:8082"},
        {"REDIS_URL": "http://h"},
        {"MCP_AUTH_TOKEN_FILE": "/nowhere"},
    ],
)
def test_wrong_usage_names_the_variable(given: dict[str, str]) -> None:
    ran = doctor(**given)
    assert (ran.code, ran.out) == (2, "")
    assert next(iter(given)).removesuffix("_FILE") in ran.err


# Faults of Redis.


def test_a_redis_that_is_stopped_is_not_reachable(redis: Redis) -> None:
    redis.kill()
    try:
        assert doctor(REDIS_URL=redis.url).failed() == {"redis: reachable"}
    finally:
        redis.open()


def test_a_redis_that_forgets_is_told(redis: Redis) -> None:
    good = doctor(REDIS_URL=redis.url)
    assert good.results("redis: persistence") == {"redis: persistence": "ok"}
    redis.client.config_set("appendonly", "no")
    assert doctor(REDIS_URL=redis.url).failed() == {"redis: persistence"}
    redis.client.config_set("save", "60 1000")
    assert doctor(REDIS_URL=redis.url).results()["redis: persistence"] == "warn"
    redis.client.config_set("save", "")
    redis.client.config_set("appendonly", "yes")


def test_a_redis_that_evicts_is_told(redis: Redis) -> None:
    redis.client.config_set("maxmemory-policy", "allkeys-lru")
    assert doctor(REDIS_URL=redis.url).results()["redis: eviction"] == "warn"
    redis.client.config_set("maxmemory", "100mb")
    assert doctor(REDIS_URL=redis.url).failed() == {"redis: eviction"}
    redis.client.config_set("maxmemory", "0")
    redis.client.config_set("maxmemory-policy", "noeviction")


def test_replicas_are_counted_and_one_is_no_place_to_write(redis: Redis, tmp_path: Path) -> None:
    with Redis(tmp_path) as replica:
        replica.client.execute_command("REPLICAOF", "127.0.0.1", redis.port)
        eventually(lambda: redis.client.info("replication")["connected_slaves"] == 1)
        assert doctor(REDIS_URL=replica.url).failed() == {"redis: replication"}
        assert doctor(REDIS_URL=redis.url).results()["redis: replication"] == "warn"
        redis.client.config_set("min-replicas-to-write", 1)
        assert doctor(REDIS_URL=redis.url).results()["redis: replication"] == "ok"
        redis.client.config_set("min-replicas-to-write", 0)


def test_the_password_of_redis_is_not_shown(redis: Redis) -> None:
    ran = doctor(REDIS_URL=f"redis://:hunter2@127.0.0.1:{redis.port}", secrets=("hunter2",))
    assert ran.failed() == {"redis: reachable"}


# Faults between the operator and the sidecar.


def test_a_wrong_internal_token_is_told_from_none(tmp_path: Path) -> None:
    sidecar = RealSidecar(tmp_path, "embedded")
    address = {"MCP_AUTH_INTERNAL_URL": f"http://127.0.0.1:{sidecar.port}"}
    try:
        wrong = doctor(MCP_AUTH_TOKEN="hunter2", **address)
        assert wrong.failed() == {"sidecar: token"}
        none = doctor(**address)
        assert "none was given" in none.findings["sidecar: token"]["found"]
        assert doctor(MCP_AUTH_TOKEN=RealSidecar.TOKEN, **address).failed() == set()
    finally:
        sidecar.close()
    assert doctor(MCP_AUTH_TOKEN="hunter2", **address).failed() == {"sidecar: alive"}


def test_a_sidecar_whose_store_is_away_is_not_ready(tmp_path: Path) -> None:
    sidecar = RealSidecar(tmp_path, "redis")
    try:
        sidecar.redis.kill()
        ran = doctor(
            MCP_AUTH_TOKEN=RealSidecar.TOKEN,
            MCP_AUTH_INTERNAL_URL=f"http://127.0.0.1:{sidecar.port}",
        )
        assert ran.failed() == {"sidecar: ready", "sidecar: revocation feed"}
    finally:
        sidecar.close()


# Tokens that the filter would refuse.


def test_each_reason_to_refuse_a_token_is_found(upstream: Upstream, tmp_path: Path) -> None:
    signer = key("RS256", "proxy")  # which the provider publishes too
    file = tmp_path / "token"

    def look(text: str) -> Ran:
        file.write_text(text)
        given = {"OIDC_ISSUER": upstream.issuer, "OIDC_AUDIENCE": AUDIENCE}
        return doctor("--token-file", str(file), secrets=(text,), **given)

    def made(**claims: object) -> str:
        whole = {"iss": upstream.issuer, "aud": AUDIENCE} | claims
        return token(signer=signer, **whole)

    assert look(f"Bearer {made()}").failed() == set()
    assert look(made(aud="https://other.example/")).failed() == {"token: audience"}
    assert look(made(iss=f"{upstream.issuer}/")).failed() == {"token: issuer"}
    assert look(made(exp=int(time.time()) - 600)).failed() == {"token: dates"}
    assert look(made(nbf=int(time.time()) + 600)).failed() == {"token: dates"}
    assert look(tampered(made())).failed() == {"token: signature"}
    assert look("an-opaque-token-of-some-length").failed() == {"token: form"}


# What a provider gets wrong.


def test_clocks_that_differ_are_told(upstream: Upstream) -> None:
    def late(by: int) -> Ran:
        then = formatdate(time.time() - by, usegmt=True)
        fault = lambda request, onward: changed(onward(request), date=then)  # noqa: E731
        with upstream.proxy.fault(DISCOVERY, fault):
            return doctor(OIDC_ISSUER=upstream.issuer)

    assert late(300).failed() == {"provider: clock"}
    assert late(20).results()["provider: clock"] == "warn"


def test_an_issuer_that_differs_by_a_slash_is_told(upstream: Upstream) -> None:
    ran = doctor(OIDC_ISSUER=f"{upstream.issuer}/")
    assert ran.failed() == {"provider: discovery"}
    assert f"exactly {upstream.issuer} " in ran.findings["provider: discovery"]["advice"]


def test_keys_that_the_filter_cannot_use_are_told(upstream: Upstream) -> None:
    weak = key("RS256", "weak", bits=1024).jwk(kid="weak")
    with upstream.proxy.fault(JWKS, always(200, json.dumps({"keys": [weak]}).encode())):
        ran = doctor(OIDC_ISSUER=upstream.issuer)
    assert ran.failed() == {"provider: keys"}
    assert "2048" in ran.findings["provider: key weak"]["found"]
    with upstream.proxy.fault(JWKS, always(500)):
        assert doctor(OIDC_ISSUER=upstream.issuer).failed() == {"provider: keys"}


def test_certificates_that_have_ended_or_soon_will_are_told(tmp_path: Path) -> None:
    def look(server: TlsServer, ca_file: Path) -> Ran:
        with server:
            server.body = json.dumps({"issuer": server.url}).encode()
            return doctor(OIDC_ISSUER=server.url, SSL_CERT_FILE=str(ca_file))

    good, soon, over = (TlsServer(tmp_path, days) for days in (300, 5, -1))
    assert look(good, good.ca_file).results()["provider: certificate"] == "ok"
    warned = look(soon, soon.ca_file).findings["provider: certificate"]
    assert (warned["result"], "4 days" in warned["found"]) == ("warn", True), warned
    expired = look(over, over.ca_file)
    assert expired.failed() == {"provider: discovery"}
    assert "certificate" in expired.findings["provider: discovery"]["advice"]
    with TlsServer(tmp_path, 301) as unknown:
        ran = doctor(OIDC_ISSUER=unknown.url, SSL_CERT_FILE=str(good.ca_file))
        assert ran.failed() == {"provider: discovery"}


def test_a_provider_that_does_not_answer_takes_no_longer_than_it_may(upstream: Upstream) -> None:
    with upstream.silence(DISCOVERY):
        ran = doctor("--timeout", "1s", OIDC_ISSUER=upstream.issuer)
    assert ran.failed() == {"provider: discovery"}
    assert "in time" in ran.findings["provider: discovery"]["found"]


# Faults that only Envoy sees.


def of_envoy(tmp_path: Path, listener: Listener, **clusters: int) -> Ran:
    ports = {name.replace("_", "-"): port for name, port in clusters.items()}
    with Envoy(tmp_path, {"main": listener}, {"backend": 1} | ports) as envoy:
        return doctor(MCP_AUTH_ENVOY_ADMIN=f"http://127.0.0.1:{envoy.admin_port}")


def test_a_filter_that_is_not_loaded_is_told(tmp_path: Path) -> None:
    assert of_envoy(tmp_path, Listener(None)).failed() == {"envoy: filter"}


def test_a_configuration_that_the_filter_refused_is_told(tmp_path: Path) -> None:
    broken = config(issuers=[issuer(leeway="soon")])
    ran = of_envoy(tmp_path, Listener(broken), keys=1)
    assert "envoy: configuration of main" in ran.failed()
    assert "issuers[0].leeway" in ran.findings["envoy: configuration of main"]["found"]


def test_clusters_that_are_missing_or_lead_nowhere_are_told(tmp_path: Path) -> None:
    settings = config(issuers=[issuer(session="required")], sessions={"cluster": "sidecar"})
    ran = of_envoy(tmp_path / "missing", Listener(settings), keys=1)
    assert "envoy: cluster sidecar" in ran.failed()
    assert "no cluster" in ran.findings["envoy: cluster sidecar"]["found"]
    ran = of_envoy(tmp_path / "dead", Listener(settings), keys=1, sidecar=1)
    dead = {"envoy: keys", "envoy: cluster keys", "envoy: cluster sidecar"}
    assert ran.failed() == dead, ran.findings


def test_an_admin_interface_that_is_another_thing_is_told(upstream: Upstream) -> None:
    assert doctor(MCP_AUTH_ENVOY_ADMIN=upstream.issuer).failed() == {"envoy: admin"}


def test_a_sidecar_that_envoy_does_not_reach_any_more_is_told(tmp_path: Path) -> None:
    sidecar = RealSidecar(tmp_path, "embedded")
    settings = config(
        issuers=[issuer(session="required")],
        sessions={"cluster": "sidecar", "token": RealSidecar.TOKEN},
    )
    ports = {"backend": 1, "keys": 1, "sidecar": sidecar.port}
    try:
        with Envoy(tmp_path / "envoy", {"main": Listener(settings)}, ports) as envoy:
            given = {"MCP_AUTH_ENVOY_ADMIN": f"http://127.0.0.1:{envoy.admin_port}"}
            secrets = (RealSidecar.TOKEN,)
            assert "envoy: cluster sidecar" not in doctor(secrets=secrets, **given).failed()
            sidecar.kill()
            assert "envoy: cluster sidecar" in doctor(secrets=secrets, **given).failed()
    finally:
        sidecar.close()


# What MCP clients would find.


def test_a_resource_that_nobody_protects_is_told(stack: Stack) -> None:
    bare = f"http://127.0.0.1:{stack.backend.port}/mcp"
    failed = doctor(MCP_RESOURCES=bare).failed()
    assert failed == {f"public: metadata of {bare}", f"public: challenge of {bare}"}


def test_another_url_than_the_servers_own_is_told(stack: Stack) -> None:
    other = stack.url.replace("127.0.0.1", "localhost")
    ran = doctor(MCP_AUTH_URL=other, MCP_RESOURCES=stack.resource)
    assert ran.failed() == {
        "public: authorization server",
        f"public: metadata of {stack.resource}",
    }


def test_a_filter_that_is_closed_is_told(tmp_path: Path) -> None:
    broken = config(resources=[resource(surprise=1)])
    with Envoy(tmp_path, {"main": Listener(broken)}, {"backend": 1, "keys": 1}) as envoy:
        address = f"http://127.0.0.1:{envoy.ports['main']}/mcp"
        ran = doctor(MCP_RESOURCES=address)
    assert "503" in ran.findings[f"public: challenge of {address}"]["found"]


def test_people_read_lines_with_what_to_do(redis: Redis) -> None:
    redis.client.config_set("appendonly", "no")
    shown = mcp_auth("doctor", environment={"REDIS_URL": redis.url})
    redis.client.config_set("appendonly", "yes")
    assert shown.code == 1
    lines = shown.out.splitlines()
    nth = next(nth for nth, line in enumerate(lines) if line.startswith("fail"))
    assert "redis: persistence" in lines[nth]
    assert "-> CONFIG SET appendonly yes" in lines[nth + 1]
    assert lines[-1].endswith("not checked")
