"""Bad configurations: refused at start, the field named in the log, and everything denied."""

import copy
import json

import pytest
from harness.envoy import Listener
from harness.gateway import config, issuer, resource
from harness.tokens import ISSUER, key, token


def jwks(**changes) -> dict:
    return config(issuers=[issuer(jwks=changes)])


def issuers(**changes) -> dict:
    return config(issuers=[issuer(**changes)])


def resources(**changes) -> dict:
    return config(resources=[resource(**changes)])


def sessions(**changes) -> dict:
    """The settings with sessions, good but for the changes; the issuer has them required."""
    return issuers(session="required") | {"sessions": {"cluster": "mcp-auth"} | changes}


def without(settings: dict, *path: str | int) -> dict:
    """The settings less one member."""
    settings = copy.deepcopy(settings)
    inner = settings
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return settings


def fixed(*keys: object) -> dict:
    given = issuer()
    given["jwks"] = {"keys": list(keys)}
    return config(issuers=[given])


def twice(member: str) -> str:
    """The settings as text, with a member said twice."""
    return json.dumps(config())[:-1] + f", {member}}}"


# name: (configuration, what the log must name)
BAD = {
    "no json": ("{", ""),
    "empty": ("", ""),
    "an array": ("[]", ""),
    "no issuers": (without(config(), "issuers"), "issuers"),
    "empty issuers": (config(issuers=[]), "issuers"),
    "no resources": (without(config(), "resources"), "resources"),
    "empty resources": (config(resources=[]), "resources"),
    "unknown key": (config(surprise=1), "surprise"),
    "unknown key of an issuer": (issuers(surprise=1), "surprise"),
    "unknown key of jwks": (jwks(surprise=1), "surprise"),
    "unknown key of a resource": (resources(surprise=1), "surprise"),
    "duplicate key": (twice('"audit": "off", "audit": "off"'), "audit"),
    "no issuer name": (without(config(), "issuers", 0, "issuer"), "issuer"),
    "empty issuer name": (issuers(issuer=""), "issuer"),
    "no jwks": (without(config(), "issuers", 0, "jwks"), "jwks"),
    "no jwks uri": (without(config(), "issuers", 0, "jwks", "uri"), "jwks"),
    "no jwks cluster": (without(config(), "issuers", 0, "jwks", "cluster"), "jwks"),
    "two issuers alike": (config(issuers=[issuer(), issuer()]), "issuers"),
    "a jwks uri that is none": (jwks(uri="keys.json"), "uri"),
    "a jwks uri of another scheme": (jwks(uri="ftp://x.example/k"), "uri"),
    "uri and keys": (jwks(keys=[key().jwk()]), "keys"),
    "a fixed key that cannot be used": (fixed({"kty": "RSA"}), "keys"),
    "a weak fixed key": (fixed(key("RS256", "weak", bits=1024).jwk()), "keys"),
    "no fixed keys": (fixed(), "keys"),
    "no algorithms": (issuers(algorithms=[]), "algorithms"),
    "algorithm none": (issuers(algorithms=["none"]), "algorithms"),
    "algorithm HS256": (issuers(algorithms=["RS256", "HS256"]), "algorithms"),
    "algorithm unheard of": (issuers(algorithms=["RS257"]), "algorithms"),
    "timeout zero": (jwks(timeout="0s"), "timeout"),
    "refresh zero": (jwks(refresh="0s"), "refresh"),
    "cooldown zero": (jwks(cooldown="0ms"), "cooldown"),
    "duration without unit": (jwks(refresh="10"), "refresh"),
    "duration as number": (jwks(refresh=10), "refresh"),
    "negative duration": (issuers(leeway="-1s"), "leeway"),
    "lifetime zero": (issuers(max_token_lifetime="0s"), "max_token_lifetime"),
    "session required without sessions": (issuers(session="required"), "issuers[0].session"),
    "session observed without sessions": (issuers(session="observe"), "issuers[0].session"),
    "session unheard of": (issuers(session="maybe"), "session"),
    "resource without path": (without(config(), "resources", 0, "path"), "path"),
    "resource without identifier": (without(config(), "resources", 0, "resource"), "resource"),
    "relative path": (resources(path="mcp"), "path"),
    "path with a trailing slash": (resources(path="/mcp/"), "path"),
    "path with dots": (resources(path="/a/../mcp"), "path"),
    "path with an empty segment": (resources(path="/a//b"), "path"),
    "path with a query": (resources(path="/mcp?x"), "path"),
    "path escaped without need": (resources(path="/%6dcp"), "path"),
    "identifier that is no url": (resources(resource="mcp"), "resource"),
    "identifier of another scheme": (resources(resource="urn:mcp"), "resource"),
    "identifier with a query": (resources(resource="https://a.example/mcp?x=1"), "resource"),
    "identifier with a fragment": (resources(resource="https://a.example/mcp#x"), "resource"),
    "resource of an unknown issuer": (resources(issuers=["https://x.example/"]), "issuers"),
    "two resources of one path": (config(resources=[resource(), resource()]), "resources"),
    "path public and resource": (config(public=["/mcp"]), "public"),
    "relative public path": (config(public=["healthz"]), "public"),
    "public path with a trailing slash": (config(public=["/healthz/"]), "public"),
    "scope with a space": (resources(scopes=["a b"]), "scopes"),
    "scope with a quote": (resources(scopes=['a"b']), "scopes"),
    "scope with a backslash": (resources(scopes=["a\\b"]), "scopes"),
    "empty scope": (resources(scopes=[""]), "scopes"),
    "origin with a path": (resources(origins=["https://a.example/x"]), "origins"),
    "origin with a slash": (resources(origins=["https://a.example/"]), "origins"),
    "pseudo header": (config(identity_headers={":path": "user_id"}), "identity_headers"),
    "header authorization": (
        config(identity_headers={"Authorization": "user_id"}),
        "identity_headers",
    ),
    "header host": (config(identity_headers={"host": "user_id"}), "identity_headers"),
    "header with a space": (config(identity_headers={"x user": "user_id"}), "identity_headers"),
    "header of an unknown source": (config(identity_headers={"x-a": "age"}), "identity_headers"),
    "header content-length": (
        config(identity_headers={"content-length": "user_id"}),
        "identity_headers",
    ),
    "too few hash digits": (config(user_id_hash_digits=7), "user_id_hash_digits"),
    "too many hash digits": (config(user_id_hash_digits=41), "user_id_hash_digits"),
    "audit unheard of": (config(audit="sometimes"), "audit"),
    "forward_token as text": (config(forward_token="yes"), "forward_token"),
    "negative token cache": (config(token_cache=-1), "token_cache"),
    "sessions without a cluster": (config(sessions={}), "sessions"),
    "sessions of an empty cluster": (sessions(cluster=""), "sessions.cluster"),
    "unknown key of sessions": (sessions(surprise=1), "surprise"),
    "sessions token with a space": (sessions(token="a b"), "sessions.token"),
    "sessions timeout zero": (sessions(timeout="0ms"), "sessions.timeout"),
    "sessions cache zero": (sessions(cache="0s"), "sessions.cache"),
    "sessions revocations zero": (sessions(revocations="0s"), "sessions.revocations"),
    "sessions feed_loss_after zero": (sessions(feed_loss_after="0s"), "sessions.feed_loss_after"),
    "sessions duration without unit": (sessions(cache="30"), "sessions.cache"),
    "on_feed_loss unheard of": (sessions(on_feed_loss="maybe"), "sessions.on_feed_loss"),
    "tools that cannot be told apart": (
        resources(tools=[{"name": "*", "scopes": ["a"]}]),
        "resources[0].tools",
    ),
    "methods that cannot be told apart": (
        resources(methods=[{"method": "*", "scopes": ["a"]}]),
        "resources[0].methods",
    ),
    "a tool with another wildcard": (
        config(
            resources=[resource(tools=[{"name": "delete_?", "scopes": ["a"]}])],
            body_access=True,
        ),
        "resources[0].tools[0].name",
    ),
    "a tool that needs nothing": (
        config(resources=[resource(tools=[{"name": "add"}])], body_access=True),
        "resources[0].tools[0].scopes",
    ),
}

GOOD = {
    "leeway zero": issuers(leeway="0s"),
    "a longer hash": config(user_id_hash_digits=40),
    "root path": resources(path="/"),
    "a fixed key": fixed(key().jwk()),
    "session off": issuers(session="off"),
    "everything said": config(
        issuers=[
            issuer(
                audiences=[],
                algorithms=["RS256"],
                leeway="60s",
                max_token_lifetime="24h",
                clients=[],
                identity_issuer_claim="",
                scope_claims=["scope"],
                username_claims=["sub"],
                session="off",
                jwks={"timeout": "250ms", "refresh": "10m", "cooldown": "10s"},
            )
        ],
        resources=[
            resource(
                hosts=["a.example"],
                name="A",
                issuers=[ISSUER],
                audiences=[],
                tools=[],
                trust_mcp_headers=False,
                origins=["https://a.example"],
            )
        ],
        public=["/healthz"],
        body_access=False,
        body_limit="1MiB",
        identity_headers={"x-user-id": "user_id"},
        forward_token=False,
        token_cache=10000,
        audit="authentications",
    ),
}


def listener(name: str) -> str:
    """A name that can be found in a log line."""
    return "cfg-" + name.replace(" ", "-") + "-end"


@pytest.fixture(scope="module")
def gateway(start):
    bad = {listener(name): Listener(settings) for name, (settings, _) in BAD.items()}
    good = {listener(name): Listener(settings) for name, settings in GOOD.items()}
    return start(bad | good)


def log_of(gateway, name: str) -> list[str]:
    """What the plugin of this listener has logged as a warning or worse."""
    marker = f"wasm log {listener(name)}"
    lines = [line for line in gateway.envoy.log().splitlines() if marker in line]
    return [
        line for line in lines if any(f"[{lv}]" in line for lv in ("warning", "error", "critical"))
    ]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_configuration_is_refused_with_the_field_named(gateway, name):
    lines = log_of(gateway, name)
    assert any(BAD[name][1] in line for line in lines), lines


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("path", ["/mcp", "/healthz", "/", "/.well-known/oauth-protected-resource"])
def test_a_bad_configuration_denies_everything(gateway, name, path):
    before = gateway.backend.requests
    reply = gateway.send(path, token=token(), listener=listener(name))
    assert reply.status == 503, reply
    assert gateway.backend.requests == before


@pytest.mark.parametrize("name", GOOD)
def test_a_good_configuration_is_taken(gateway, name):
    # What is said of 8 digits is said of every configuration that leaves them at that.
    assert [it for it in log_of(gateway, name) if "user_id_hash_digits: whoever" not in it] == []
    reply = gateway.send(token=token(), listener=listener(name), host="a.example")
    assert reply.status == 200, reply


def test_no_secret_of_a_refused_configuration_is_logged(start):
    secret = "s3cr3t-of-the-sidecar"
    gateway = start({"secret": config(sessions={"cluster": "c", "token": secret}, surprise=1)})
    assert secret not in gateway.envoy.log()
