#!/usr/bin/env bash
# Runs a command with base images that are made here, on Debian, for machines without an image registry:
#
#   scripts/local-docker.sh scripts/test-compose.sh
#
# Takes the Docker engine that runs; where none does, starts one for the time of the command, which needs
# root. What is missing is installed: Debian's docker.io and debootstrap; Compose, which bookworm has too old, is
# taken from Debian's suite DEBIAN_SUITE (default trixie) into .tools. The images are a fresh Debian, and on
# it this machine's Rust, Node.js and Envoy, and Debian's Redis. They stand in for those that the Dockerfile
# names, so a run shows that the Dockerfile and the stack work, not that those images do.
#
# Environment, all optional:
#   LOCAL_DOCKER_DATA  where the engine keeps its images (default: a temporary folder, removed at the end)

set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repo"
source scripts/lib.sh

suite=${DEBIAN_SUITE:-trixie}
remedy="install Docker with Compose 2.26 or later"
base=bookworm

main() {
  [[ $# -gt 0 ]] || { sed -n '2,14s/^# \?//p' "$0"; exit 2; }
  work=$(mktemp -d)
  trap clean_up EXIT
  # Debian's client, of the engine's own version and with BuildKit, before any other.
  mkdir "$work/bin"
  command -v /usr/bin/docker >/dev/null || apt_install docker.io "the Docker engine"
  ln -s /usr/bin/docker "$work/bin/docker"
  export PATH=$work/bin:$PATH DOCKER_BUILDKIT=1
  bring_compose
  docker info >/dev/null 2>&1 || start_engine
  make_images
  "$@"
}

clean_up() {
  if [[ -n ${engine:-} ]]; then
    kill "$engine"
    wait "$engine" 2>/dev/null || true
  fi
  rm -rf "$work"
}

# Compose is a plugin of the client, which looks for it in its configuration's folder.
bring_compose() {
  ! docker compose version >/dev/null 2>&1 || return 0
  export DOCKER_CONFIG=$repo/.tools/docker
  local plugin=$DOCKER_CONFIG/cli-plugins/docker-compose
  ! docker compose version >/dev/null 2>&1 || return 0
  fetch_package docker-compose ""
  dpkg -x "$work/docker-compose.deb" "$work/compose" || die "docker-compose is no Debian package"
  mkdir -p "${plugin%/*}"
  install -m 755 "$work/compose/usr/libexec/docker/cli-plugins/docker-compose" "$plugin"
  docker compose version >&2 || die "Debian's Compose does not run here: $remedy"
}

start_engine() {
  [[ $(id -u) == 0 ]] || die "no Docker engine runs, and only root can start one: start it, or run this as root"
  say "starting a Docker engine for the time of this command"
  export DOCKER_HOST=unix://$work/docker.sock
  dockerd --host "$DOCKER_HOST" --pidfile "$work/pid" --exec-root "$work/exec" \
    --data-root "${LOCAL_DOCKER_DATA:-$work/data}" >"$work/dockerd.log" 2>&1 &
  engine=$!
  local _
  for _ in {1..60}; do
    ! docker info >/dev/null 2>&1 || return 0
    kill -0 "$engine" 2>/dev/null || break
    sleep 0.5
  done
  tail -n 5 "$work/dockerd.log" >&2
  die "the Docker engine does not start: see its words above"
}

# The names are those of the Dockerfile's arguments and of Compose's variables.
make_images() {
  export RUNTIME_IMAGE=local/runtime RUST_IMAGE=local/rust NODE_IMAGE=local/node
  export ENVOY_IMAGE=local/envoy REDIS_IMAGE=local/redis
  runtime_image
  rust_image
  node_image
  envoy_image
  redis_image
}

runtime_image() {
  ! exists runtime || return 0
  command -v debootstrap >/dev/null || apt_install debootstrap "a fresh Debian as base image"
  say "making local/runtime: a fresh Debian $base (a minute)"
  debootstrap --variant=minbase --include=ca-certificates "$base" "$work/base" >"$work/debootstrap.log" 2>&1 ||
    { tail -n 5 "$work/debootstrap.log" >&2; die "debootstrap failed: see its words above"; }
  rm -rf "$work/base/var/cache/apt/archives"/*.deb "$work/base/var/lib/apt/lists"/*
  tar -C "$work/base" -c . | docker import - local/runtime >/dev/null
  rm -rf "$work/base"
}

# This machine's toolchain, with its WebAssembly targets, and the CAs that vouch for its registries.
rust_image() {
  ! exists rust || return 0
  scripts/setup-wasm-target.sh
  say "building local/rust"
  local sysroot
  sysroot=$(readlink -f "$(rustc --print sysroot)")
  mkdir -p "$work/rust"
  cp -a --reflink=auto "$sysroot"/{bin,lib} "$work/rust/"
  image rust "$work/rust" <<'EOF'
RUN apt-get -q update && apt-get -q -y --no-install-recommends install gcc libc6-dev make git python3 && rm -rf /var/lib/apt/lists
COPY bin /usr/local/bin
COPY lib /usr/local/lib
ENV CARGO_HOME=/usr/local/cargo
EOF
}

node_image() {
  ! exists node || return 0
  say "building local/node"
  local modules
  modules=$(npm root --global)
  mkdir -p "$work/node/bin"
  cp -L "$(command -v node)" "$work/node/bin/node"
  cp -a "$modules/npm" "$work/node/npm"
  image node "$work/node" <<'EOF'
COPY bin/node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
EOF
}

envoy_image() {
  ! exists envoy || return 0
  say "building local/envoy"
  mkdir -p "$work/envoy"
  cp -L "$(scripts/setup-envoy.sh)" "$work/envoy/envoy"
  image envoy "$work/envoy" <<<'COPY envoy /usr/local/bin/envoy'
}

# Like Redis' own image, with a folder for its user that a volume takes over.
redis_image() {
  ! exists redis || return 0
  say "building local/redis"
  image redis <<'EOF'
RUN apt-get -q update && apt-get -q -y --no-install-recommends install redis-server && rm -rf /var/lib/apt/lists
RUN install -d -o 999 -g 999 /data
EOF
}

# image NAME [CONTEXT]: builds local/NAME on the fresh Debian by the lines on standard input.
image() {
  local context=${2:-$work/empty}
  mkdir -p "$context/certificates"
  cp /etc/ssl/certs/ca-certificates.crt "$context/certificates/"
  {
    echo "FROM local/runtime"
    [[ $1 == envoy || $1 == redis ]] || echo "COPY certificates /etc/ssl/certs"
    cat
  } >"$context/Dockerfile"
  docker build --quiet --tag "local/$1" "$context" >&2 || die "local/$1 did not build: see Docker's words above"
  rm -rf "$context"
}

exists() { docker image inspect "local/$1" >/dev/null 2>&1; }

main "$@"
