"""The harness itself, so that a green test of the filter means something."""

import pytest
from harness import challenge, client
from harness.envoy import Listener
from harness.gateway import Gateway, eventually


@pytest.fixture(scope="module")
def bare(start) -> Gateway:
    return start({"bare": Listener(None)})


@pytest.mark.parametrize("over", [client.http1, client.http2])
def test_without_the_filter_a_request_reaches_the_backend_as_it_was_sent(bare, over):
    fields = [("x-user-id", "a"), ("x-user-id", "b"), ("x_user_id", "c")]
    got = bare.forwarded("/a%61/./b?q=1", fields=fields, over=over)
    assert got.path == "/a%61/./b?q=1"
    assert sorted(v for _, v in got.alike("x-user-id")) in (["a", "b", "c"], ["a,b", "c"])


@pytest.mark.parametrize("over", [client.http1, client.http2])
def test_bodies_pass(bare, over):
    assert bare.forwarded(method="POST", body=b"hello", over=over).body == "hello"


def test_requests_are_in_the_access_log(bare):
    bare.send("/logged")
    assert eventually(lambda: [e for e in bare.envoy.access_log() if e["path"] == "/logged"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Bearer", [("Bearer", {})]),
        (
            'Bearer realm="a, \\"b\\"", scope="x y"',
            [("Bearer", {"realm": 'a, "b"', "scope": "x y"})],
        ),
        (
            "Basic, Bearer error=invalid_token",
            [("Basic", {}), ("Bearer", {"error": "invalid_token"})],
        ),
        ('A x="1", B abc==', [("A", {"x": "1"}), ("B", {})]),
    ],
)
def test_challenges_are_read(value, expected):
    assert [(c.scheme, c.params) for c in challenge.parse(value)] == expected


@pytest.mark.parametrize(
    "value", ["", 'Bearer x="1" y="2"', 'Bearer x="1', 'Bearer x="1", X="2"', "Bearer x=\x01"]
)
def test_broken_challenges_are_refused(value):
    with pytest.raises(challenge.BadChallenge):
        challenge.parse(value)
