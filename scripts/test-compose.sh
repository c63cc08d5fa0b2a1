#!/usr/bin/env bash
# Builds every image, starts examples/docker-compose, and tries what its README says: by hand, since it needs a
# Docker engine (20.10 or later) with Compose 2.26 or later, and the ports 9000 and 10000. Works under a
# project name of its own, and leaves no container and no volume behind; images stay.
#
#   scripts/test-compose.sh [ARGUMENT OF PYTEST…]
#
# Images and their bases are chosen by the variables that Compose reads (examples/docker-compose/README.md).
# Without an image registry: scripts/local-docker.sh scripts/test-compose.sh

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh

needed=2.26

main() {
  need docker "install Docker 20.10 or later with Compose $needed or later"
  local version
  version=$(docker compose version --short 2>/dev/null) || die "docker has no Compose: install $needed or later"
  [[ $(printf '%s\n' "$needed" "${version#v}" | sort -V | head -n 1) == "$needed" ]] ||
    die "Compose $version is too old: install $needed or later"
  docker info >/dev/null 2>&1 || die "no Docker engine answers: start it, or see scripts/local-docker.sh"
  scripts/setup-test-tools.sh
  export COMPOSE_PROJECT_NAME=mcp-auth-test
  .venv/bin/pytest -c tests/pytest.ini tests/compose "$@"
}

main "$@"
