"""Secrets of Kubernetes: made and rotated through the real kubectl, and with a pod's own rights."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from harness.built import ROOT
from harness.commands import mcp_auth
from harness.kubernetes import NAMESPACE, Kubernetes
from harness.management import Management
from harness.upstream import Upstream

KEYS = "mcp-jwt-signing-key"
CREDENTIALS = "mcp-auth0-credentials"
MANIFESTS = ROOT / "examples" / "kubernetes" / "rotation"
MADE = (
    (KEYS, "jwt-signing-key"),
    (KEYS, "storage-encryption-key"),
    ("mcp-auth-token", "mcp-auth-token"),
)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Kubernetes]:
    with Kubernetes(tmp_path) as cluster:
        yield cluster


def manifest(path: str, kind: str) -> dict:
    """The object of this kind in a file of the example."""
    objects = yaml.safe_load_all((MANIFESTS / path).read_text())
    return next(it for it in objects if it["kind"] == kind)


def generate(cluster: Kubernetes, *arguments: str, **how: str):
    return mcp_auth(
        *("secrets", "generate", "--apply", *arguments),
        environment=cluster.for_kubectl(),
        **how,
    )


def rotate(environment: dict[str, str], *arguments: str):
    return mcp_auth("keys", "rotate", *arguments, "--kubernetes", environment=environment)


def ways(cluster: Kubernetes) -> dict[str, dict[str, str]]:
    """The environments of whoever may rotate."""
    cluster.rules = manifest("rbac.yaml", "Role")["rules"]
    return {"kubectl": cluster.for_kubectl(), "pod": cluster.for_pod()}


def test_secrets_are_made_once_and_what_is_missing_is_added(cluster: Kubernetes):
    generate(cluster).done()
    first = {key: cluster.value(secret, key) for secret, key in MADE}
    assert all(first.values())
    del cluster._state.objects["mcp-auth-token"]
    cluster.put(KEYS, of_somebody_else="kept")
    assert generate(cluster).done().count("kept") == 2
    assert cluster.value("mcp-auth-token", "mcp-auth-token") != first["mcp-auth-token"]
    assert cluster.value(KEYS, "jwt-signing-key") == first["jwt-signing-key"]
    generate(cluster, "--force").done()
    assert cluster.value(KEYS, "jwt-signing-key") != first["jwt-signing-key"]
    assert cluster.value(KEYS, "of-somebody-else") == "kept"


def test_what_auth0_gave_is_read_from_standard_input_and_never_overwritten(cluster: Kubernetes):
    of_auth0 = ("--client-secret-file", "-", "--auth0-domain", "tenant.auth0.com")
    generate(cluster, *of_auth0, stdin="hunter2\n").done()
    assert cluster.value(CREDENTIALS, "server-client-secret") == "hunter2"
    assert cluster.value(CREDENTIALS, "auth0-domain") == "tenant.auth0.com"
    assert generate(cluster, *of_auth0, stdin="hunter2").done().count("made") == 0
    generate(cluster, *of_auth0, stdin="hunter3").refused("server-client-secret")
    assert cluster.value(CREDENTIALS, "server-client-secret") == "hunter2"


def test_no_secret_is_on_a_command_line_or_printed(cluster: Kubernetes, tmp_path: Path):
    kubectl = next(
        path
        for folder in os.environ["PATH"].split(":")
        if (path := Path(folder) / "kubectl").is_file()
    )
    told = tmp_path / "bin" / "kubectl"
    told.parent.mkdir()
    log = tmp_path / "arguments"
    told.write_text(f'#!/bin/sh\necho "$@" >>{log}\nexec {kubectl} "$@"\n')
    told.chmod(told.stat().st_mode | stat.S_IEXEC)
    environment = cluster.for_kubectl() | {"PATH": f"{told.parent}:{os.environ['PATH']}"}
    secrets = mcp_auth("secrets", "generate", "--apply", environment=environment)
    rotated = rotate(environment, "signing", "storage", "token")
    listed = mcp_auth("keys", "list", "--kubernetes", environment=environment)
    seen = (
        secrets.done()
        + rotated.done()
        + listed.done()
        + secrets.err
        + rotated.err
        + log.read_text()
    )
    assert "replace" in log.read_text()
    for secret, key in MADE:
        for value in cluster.value(secret, key).split(","):
            assert value not in seen, key


@pytest.mark.parametrize("way", ["kubectl", "pod"])
def test_a_rotation_goes_its_steps(cluster: Kubernetes, way: str):
    generate(cluster).done()
    environment = ways(cluster)[way]
    old = cluster.value(KEYS, "jwt-signing-key")
    rotate(environment, "signing").done()
    first, new = cluster.value(KEYS, "jwt-signing-key").split(",")
    assert first == old
    assert "signs with the next run after" in rotate(environment, "signing").done()
    assert cluster.value(KEYS, "jwt-signing-key") == f"{old},{new}"
    rotate(environment, "signing", "--settle", "0s", "--every", "720h").done()
    assert cluster.value(KEYS, "jwt-signing-key") == f"{new},{old}"
    # Access tokens live an hour: the old key counts for longer than that.
    assert "may go" in rotate(environment, "signing", "--settle", "0s", "--every", "720h").done()
    assert cluster.value(KEYS, "jwt-signing-key") == f"{new},{old}"
    forced = mcp_auth(
        *("keys", "prune", "signing", "--force", "--kubernetes"), environment=environment
    )
    forced.done()
    assert cluster.value(KEYS, "jwt-signing-key") == new


@pytest.mark.parametrize("way", ["kubectl", "pod"])
def test_of_two_changes_at_once_none_is_lost(cluster: Kubernetes, way: str):
    generate(cluster).done()
    environment = ways(cluster)[way]
    old = cluster.value(KEYS, "jwt-signing-key")

    def overtake() -> None:
        cluster.between = None
        cluster.put(KEYS, of_somebody_else="1")

    cluster.between = overtake
    rotate(environment, "signing").done()
    assert cluster.conflicts == 1
    assert cluster.value(KEYS, "of-somebody-else") == "1"
    assert cluster.value(KEYS, "jwt-signing-key").startswith(f"{old},")


def test_of_many_rotations_at_once_one_begins(cluster: Kubernetes):
    generate(cluster).done()
    environments = [*ways(cluster).values()] * 4
    old = {key: cluster.value(KEYS, key) for _, key in MADE[:2]}
    with ThreadPoolExecutor(len(environments)) as pool:
        for outcome in pool.map(lambda it: rotate(it, "signing", "storage"), environments):
            outcome.done()
    for key, value in old.items():
        first, *added = cluster.value(KEYS, key).split(",")
        assert first == value, key
        assert len(added) == 1, f"{key}: {len(added)} were added"


def test_the_role_of_the_cronjob_is_enough_for_it_and_for_nothing_else(cluster: Kubernetes):
    generate(cluster).done()
    environment = ways(cluster)["pod"]
    container = manifest("cronjob.yaml", "CronJob")["spec"]["jobTemplate"]["spec"]["template"]
    arguments = container["spec"]["containers"][0]["args"]
    mcp_auth(*arguments, environment=environment).done()
    rotate(environment, "token").refused("403")
    made = mcp_auth(
        *("secrets", "generate", "--apply", "--namespace", NAMESPACE, "--force"),
        environment=environment,
    )
    made.refused("403")
    cluster.rules = manifest("client-secret/rbac.yaml", "Role")["rules"]
    rotate(environment, "signing").refused("403")


def test_the_client_secret_is_replaced_with_the_rights_of_its_own_cronjob(
    cluster: Kubernetes, upstream: Upstream
):
    client = upstream.register("https://auth.example.com/auth/callback")
    cluster.put(
        CREDENTIALS, server_client_id=client.client_id, server_client_secret=client.client_secret
    )
    cluster.rules = manifest("client-secret/rbac.yaml", "Role")["rules"]
    job = manifest("client-secret/cronjob.yaml", "CronJob")["spec"]["jobTemplate"]
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    with Management(upstream, client) as auth0:
        environment = cluster.for_pod() | auth0.environment

        def run(*further: str) -> str:
            return mcp_auth(*arguments, *further, environment=environment).done()

        assert "nothing to do before" in run()
        now = [it for it in arguments if not it.startswith(("--every", "--settle"))]
        arguments = [*now, "--settle=0s"]
        assert "given to everybody first" in run()
        assert "Auth0 has taken the new one" in run()
        assert cluster.value(CREDENTIALS, "server-client-secret") == auth0.secret
        assert auth0.secret != client.client_secret
        fallback = cluster.value(CREDENTIALS, "server-client-secret-fallback")
        assert fallback == client.client_secret
        assert "taken away" in run()
        del environment["AUTH0_MGMT_TOKEN"]
        mcp_auth(*arguments, environment=environment).refused("AUTH0_MGMT_TOKEN is required", 2)
        wrong = environment | {"AUTH0_MGMT_TOKEN": "another"}
        mcp_auth(*arguments, environment=wrong).refused("the management token is wrong")
        assert auth0.rotations == 1


@pytest.mark.parametrize("folder", [".", "client-secret"])
def test_the_manifests_have_the_form_that_kubernetes_knows(folder: str):
    built = subprocess.run(
        ["kubectl", "kustomize", MANIFESTS / folder], capture_output=True, text=True, check=True
    )
    objects = list(yaml.safe_load_all(built.stdout))
    assert {it["kind"] for it in objects} == {"ServiceAccount", "Role", "RoleBinding", "CronJob"}
    for it in objects:
        for version in ("1.31", "1.37"):
            kubernetes_validate.validate(it, version, strict=True)
    # Without it the API refuses the binding.
    (binding,) = [it for it in objects if it["kind"] == "RoleBinding"]
    assert binding["subjects"][0]["namespace"] == binding["metadata"]["namespace"]


def test_what_kubernetes_says_no_to_is_told(cluster: Kubernetes):
    rotate(cluster.for_kubectl() | {"PATH": "/nowhere"}, "signing").refused("kubectl cannot be run")
    (cluster.folder / "serviceaccount" / "token").write_text("another")
    rotate(cluster.for_pod(), "signing").refused("mcp-jwt-signing-key: the API answers 401")
    (cluster.folder / "serviceaccount" / "ca.crt").unlink()
    rotate(cluster.for_pod(), "signing").refused("ca.crt")
