"""The manifests of `examples` against the schemas of what reads them, and what they promise."""

import json
import re
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from harness.built import ROOT
from harness.commands import mcp_auth
from harness.manifests import OVERLAYS, ROTATIONS, TOKEN, Examples, Objects
from harness.mesh import filter_configs
from harness.oauth import PUBLIC
from jsonschema import Draft202012Validator

SCHEMAS = ROOT / "tests/schemas"
README = ROOT / "examples/kubernetes/README.md"
KUBERNETES = ("1.31", "1.37")  # the oldest and the newest that the examples are for
BUILT_IN = (
    *("v1", "apps/v1", "batch/v1", "policy/v1"),
    *("networking.k8s.io/v1", "rbac.authorization.k8s.io/v1"),
)
ENVOY_GATEWAY = "gateway.envoyproxy.io/v1alpha1"
REDIS = {"mcp-auth-redis": {"url": "rediss://redis.example.com:6380/0"}}
CARRIERS = ("WasmPlugin", "EnvoyFilter", "EnvoyExtensionPolicy")  # of the filter


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> Examples:
    return Examples(tmp_path_factory.mktemp("manifests"))


@pytest.fixture(scope="module", params=OVERLAYS)
def objects(request, examples):
    return examples.built(request.param)


@pytest.fixture(scope="module")
def everything(objects, examples):
    """A mesh's objects, and the rotation's beside them."""
    return Objects(objects + [it for name in ROTATIONS for it in examples.built(name)])


def test_what_kubernetes_knows_has_its_form(objects):
    known = [it for it in objects if it["apiVersion"] in BUILT_IN]
    for it in known:
        for version in KUBERNETES:
            kubernetes_validate.validate(it, version, strict=True)
    assert len(known) >= 10


def test_what_the_mesh_knows_has_its_form(objects):
    of_envoy_gateway = [it for it in objects if it["apiVersion"] == ENVOY_GATEWAY]
    schema = Draft202012Validator(json.loads((SCHEMAS / "envoy-gateway.json").read_text()))
    for it in of_envoy_gateway:
        schema.validate(it)
    others = [
        it
        for it in objects
        if it["apiVersion"] not in BUILT_IN and it["apiVersion"] != ENVOY_GATEWAY
    ]
    assert others
    assert checked(others) == ""


def test_a_member_that_the_mesh_does_not_know_is_noticed(examples):
    plugin = examples.built("istio/base").one("WasmPlugin")
    plugin["spec"]["failurePolicy"] = "FAIL_CLOSE"
    assert "'failurePolicy' does not exist" in checked([plugin]).replace('"', "")


def test_pods_are_restricted_and_get_no_account(objects):
    for deployment in objects.of("Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"].keys() == {"memory"}
        assert {"livenessProbe", "readinessProbe"} <= container.keys()


def test_selectors_find_pods_and_ports_are_theirs(everything):
    pods = {it["metadata"]["name"]: template(it) for it in workloads(everything)}
    for service in everything.of("Service"):
        (pod,) = matching(pods, service["spec"]["selector"])
        ports = named_ports(pod)
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"], service["metadata"]["name"]
    for budget in everything.of("PodDisruptionBudget"):
        assert matching(pods, budget["spec"]["selector"]["matchLabels"])
        # By `minAvailable` no node could be drained once there are fewer replicas.
        assert budget["spec"]["maxUnavailable"] == 1
    for policy in everything.of("NetworkPolicy"):
        (pod,) = matching(pods, policy["spec"]["podSelector"]["matchLabels"])
        allowed = {it["port"] for rule in policy["spec"]["ingress"] for it in rule["ports"]}
        assert allowed == set(named_ports(pod).values())
        for rule in policy["spec"]["ingress"]:
            for peer in rule["from"]:
                labels = peer["podSelector"]["matchLabels"]
                assert matching(pods, labels) or any("gateway" in name for name in labels)
    for workload in workloads(everything):
        selector = workload["spec"].get("selector", {}).get("matchLabels", {})
        assert selector.items() <= template(workload)["metadata"]["labels"].items()


def test_what_is_named_is_there_and_probes_ask_open_ports(everything):
    accounts = {it["metadata"]["name"] for it in everything.of("ServiceAccount")}
    made = set(re.findall(r"^\| `([\w-]+)` \|", README.read_text(), re.MULTILINE))
    for workload in workloads(everything):
        pod = template(workload)["spec"]
        assert pod.get("serviceAccountName") in accounts | {None}
        (container,) = pod["containers"]
        ports = named_ports(template(workload))
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            if kind in container:
                assert container[kind]["httpGet"]["port"] in ports
        volumes = {it["name"]: it["secret"]["secretName"] for it in pod.get("volumes", [])}
        assert {it["name"] for it in container.get("volumeMounts", [])} == volumes.keys()
        variables = [
            it["valueFrom"]["secretKeyRef"]["name"]
            for it in container.get("env", [])
            if "valueFrom" in it
        ]
        assert {*volumes.values(), *variables} <= made, "a Secret that the README does not name"
    bound = {it["roleRef"]["name"] for it in everything.of("RoleBinding")}
    assert bound == {it["metadata"]["name"] for it in everything.of("Role")}
    for binding in everything.of("RoleBinding"):
        assert {it["name"] for it in binding["subjects"]} <= accounts
    places = {
        (it["metadata"]["name"], port["port"])
        for it in everything.of("Service")
        for port in it["spec"]["ports"]
    }
    for job in everything.of("CronJob"):
        (container,) = template(job)["spec"]["containers"]
        for variable in container["env"]:
            if variable["name"] == "MCP_AUTH_INTERNAL_URL":
                host, _, port = variable["value"].removeprefix("http://").partition(":")
                assert (host, int(port)) in places


def test_roles_name_the_secrets_that_they_are_for(everything):
    for role in everything.of("Role"):
        (rule,) = role["rules"]
        assert (rule["apiGroups"], rule["resources"]) == ([""], ["secrets"])
        assert len(rule["resourceNames"]) == 1
        assert rule["verbs"] == ["get", "update"]
    assert everything.of("ClusterRole") == []


def test_images_have_a_registry_and_a_version(everything):
    for workload in workloads(everything):
        (container,) = template(workload)["spec"]["containers"]
        assert re.fullmatch(r"registry\.example\.com/[\w-]+:\d+\.\d+\.\d+", container["image"])


def test_a_node_of_the_gateway_can_be_drained_and_clients_keep_their_addresses(objects):
    gateway = objects.one("Gateway")["spec"]["infrastructure"]["parametersRef"]
    parameters = objects.one(gateway["kind"], gateway["name"])
    if gateway["kind"] == "EnvoyProxy":
        told = parameters["spec"]["provider"]["kubernetes"]
        assert told["envoyDeployment"]["replicas"] > 1
        assert told["envoyPDB"] == {"maxUnavailable": 1}
        assert "envoyService" not in told, "Envoy Gateway's default is externalTrafficPolicy: Local"
        return
    told = {name: yaml.safe_load(text)["spec"] for name, text in parameters["data"].items()}
    # Istio refuses other names (supportedOverlays of pilot's deploymentcontroller.go).
    assert told.keys() == {"deployment", "podDisruptionBudget", "service"}
    assert told["deployment"]["replicas"] > 1
    assert told["podDisruptionBudget"] == {"maxUnavailable": 1}
    assert told["service"] == {"externalTrafficPolicy": "Local"}
    pod = told["deployment"]["template"]["spec"]
    assert pod["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}


def test_only_the_gateway_and_the_rotation_reach_the_internal_api(objects):
    policy = objects.one("NetworkPolicy", "mcp-auth")["spec"]
    assert policy["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "mcp-auth"}
    internal = [rule for rule in policy["ingress"] if 8082 in [it["port"] for it in rule["ports"]]]
    peers = [peer["podSelector"]["matchLabels"] for rule in internal for peer in rule["from"]]
    assert len(peers) == 2
    assert any("gateway" in label for label in peers[0])
    assert peers[1] == {"app.kubernetes.io/name": "mcp-auth-rotation"}


def test_secrets_are_read_from_files_and_in_no_manifest(objects):
    (container,) = objects.one("Deployment", "mcp-auth")["spec"]["template"]["spec"]["containers"]
    mounts = [it["mountPath"] for it in container["volumeMounts"]]
    files = {it["name"]: it["value"] for it in container["env"] if it["name"].endswith("_FILE")}
    assert files.keys() == {
        "AUTH0_CLIENT_SECRET_FILE",
        "JWT_SIGNING_KEY_FILE",
        "STORAGE_ENCRYPTION_KEY_FILE",
        "MCP_AUTH_TOKEN_FILE",
        "REDIS_URL_FILE",
    }
    assert all(str(Path(path).parent) in mounts for path in files.values())
    assert objects.of("Secret") == []
    # The token of the internal API is in the filter's configuration and nowhere else.
    assert json.dumps(objects).count(TOKEN) == 1


def test_the_sidecar_takes_what_the_deployment_and_the_made_secrets_give_it(objects, tmp_path):
    (tmp_path / "id").write_text("client-1")
    (tmp_path / "secret").write_text("a-secret")
    generate = ["secrets", "generate", "--format", "k8s", "--namespace", "mcp-auth"]
    generate += ["--auth0-domain", "tenant.auth0.com", "--out", "secrets.yaml"]
    generate += ["--client-id-file", "id", "--client-secret-file", "secret"]
    mcp_auth(*generate, folder=tmp_path).done()
    made = [it for it in yaml.safe_load_all((tmp_path / "secrets.yaml").read_text()) if it]
    for it in made:
        kubernetes_validate.validate(it, KUBERNETES[-1], strict=True)
    secrets = {it["metadata"]["name"]: it["stringData"] for it in made}
    environment = in_the_pod(objects, secrets | REDIS, {}, tmp_path)
    told = mcp_auth("config", "check", environment=environment).done()
    assert "https://tenant.auth0.com/" in told


def test_with_another_provider_the_sidecar_takes_what_setup_oidc_wrote(
    examples, upstream, tmp_path
):
    overlay = examples.folder / "istio/another-provider"
    overlay.mkdir()
    resources = ["../base", "../../kubernetes/rotation"]
    of = {"resources": resources, "components": ["../../kubernetes/oidc"]}
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(of))
    objects = examples.built("istio/another-provider")
    assert objects.one("CronJob")
    mcp_auth(
        *("setup", "oidc", "--output", "k8s", "--output-file", "oidc.yaml"),
        folder=tmp_path,
        environment={
            "OIDC_ISSUER": upstream.issuer,
            "OIDC_CLIENT_ID": "client-1",
            "OIDC_CLIENT_SECRET": "a-secret",
            "MCP_AUTH_URL": "https://mcp.example.com",
            "MCP_RESOURCES": "https://mcp.example.com/mcp",
        },
    ).done()
    made = Objects(yaml.safe_load_all((tmp_path / "oidc.yaml").read_text()))
    for it in made:
        kubernetes_validate.validate(it, KUBERNETES[-1], strict=True)
    keys = ("jwt-signing-key", "storage-encryption-key", "mcp-auth-token")
    mcp_auth("secrets", "generate", "--out", "keys", folder=tmp_path).done()
    files = {name: (tmp_path / "keys" / name).read_text() for name in keys}
    secrets = {
        "mcp-jwt-signing-key": files,
        "mcp-auth-token": files,
        "mcp-oidc-credentials": made.one("Secret")["stringData"],
    }
    configs = {it["metadata"]["name"]: it["data"] for it in made.of("ConfigMap")}
    environment = in_the_pod(objects, secrets | REDIS, configs, tmp_path)
    told = mcp_auth("config", "check", environment=environment).done()
    assert upstream.issuer in told
    assert "auth0" not in json.dumps(environment).lower()
    # What the command would tell the filter is what the example tells it, but for clusters' names.
    filter_config = json.loads(configs["mcp-auth-filter"]["filter.json"])
    (ours,) = filter_configs(objects)
    assert filter_config["issuers"][0]["issuer"] == ours["issuers"][0]["issuer"]


def in_the_pod(
    objects: Objects, secrets: dict[str, dict], configs: dict[str, dict], folder: Path
) -> dict[str, str]:
    """The environment of mcp-auth's container; its files are in this folder."""
    pod = objects.one("Deployment", "mcp-auth")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    of_volume = {it["name"]: secrets[it["secret"]["secretName"]] for it in pod["volumes"]}
    for mount in container["volumeMounts"]:
        place = folder / mount["mountPath"].removeprefix("/")
        place.mkdir(parents=True)
        for key, text in of_volume[mount["name"]].items():
            (place / key).write_text(text)
    environment = {}
    for source in container.get("envFrom", []):
        environment |= configs[source["configMapRef"]["name"]]
    for it in container["env"]:
        if "value" in it:
            environment[it["name"]] = it["value"].replace("/run/secrets", f"{folder}/run/secrets")
        else:
            reference = it["valueFrom"]["secretKeyRef"]
            environment[it["name"]] = secrets[reference["name"]][reference["key"]]
    return environment


def test_the_filter_lets_through_what_is_routed_to_the_authorization_server(objects):
    paths = [
        match["path"]["value"]
        for rule in objects.one("HTTPRoute", "mcp-auth")["spec"]["rules"]
        for match in rule["matches"]
    ]
    (config,) = filter_configs(objects)
    # The filter answers this one itself.
    paths.remove("/.well-known/oauth-protected-resource")
    assert sorted(paths) == sorted(config["public"]) == sorted(PUBLIC)


def test_the_filter_is_told_the_same_on_each_mesh(examples):
    """But for the clusters, whose names are the mesh's; rules about tools add what they need."""
    told = {overlay: filter_configs(examples.built(overlay)) for overlay in OVERLAYS}
    assert all(len(configs) == 1 for configs in told.values())
    plain = {overlay: without_clusters(configs[0]) for overlay, configs in told.items()}
    for overlay in OVERLAYS:
        config = plain[overlay]
        if overlay.endswith("tools-policy"):
            assert config.pop("body_access") is True
            assert config["resources"][0].pop("tools")
        assert config == plain["istio/base"]


def test_the_filter_takes_its_configuration_as_the_mesh_has_it(objects, tmp_path):
    """What reads it is the filter's own reader; the schema is what editors are given."""
    schema = json.loads((ROOT / "docs/reference/filter-config.schema.json").read_text())
    for config in filter_configs(objects):
        Draft202012Validator(schema).validate(config)
    manifest = tmp_path / "manifest.yaml"
    plugins = [it for it in objects if it["kind"] in CARRIERS]
    manifest.write_text(yaml.safe_dump_all(plugins))
    ran = mcp_auth("config", "check", "--filter", str(manifest))
    assert "issuers:" in ran.done()
    assert TOKEN not in ran.out + ran.err


def workloads(objects: Objects) -> list[dict]:
    """What makes pods."""
    return objects.of("Deployment") + objects.of("CronJob")


def template(workload: dict) -> dict:
    """What its pods are made by."""
    spec = workload["spec"]
    return spec["jobTemplate"]["spec"]["template"] if "jobTemplate" in spec else spec["template"]


def matching(pods: dict[str, dict], labels: dict[str, str]) -> list[dict]:
    """The pods with these labels."""
    return [it for it in pods.values() if labels.items() <= it["metadata"]["labels"].items()]


def named_ports(pod: dict) -> dict[str, int]:
    """What its container listens on."""
    (container,) = pod["spec"]["containers"]
    return {it["name"]: it["containerPort"] for it in container.get("ports", [])}


def checked(objects: list) -> str:
    """What is wrong with objects of Istio or the Gateway API."""
    done = subprocess.run(
        ["node", SCHEMAS / "check.mjs"], input=json.dumps(objects), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (1 if done.stdout else 0, "")
    return done.stdout


def without_clusters(value):
    """A configuration without the members called `cluster`."""
    if isinstance(value, dict):
        return {name: without_clusters(it) for name, it in value.items() if name != "cluster"}
    return [without_clusters(it) for it in value] if isinstance(value, list) else value
