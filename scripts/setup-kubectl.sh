#!/usr/bin/env bash
# Brings a kubectl whose kustomize understands `labels` (1.27 or later), for the tests of manifests and
# of rotation. Where the machine has none, that of Debian's suite DEBIAN_SUITE (default trixie) is put
# into .tools/bin, without installing it. Does nothing when there is one.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh

suite=${DEBIAN_SUITE:-trixie}
remedy="install kubectl 1.27 or later (https://kubernetes.io/docs/tasks/tools/)"

main() {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  PATH=$PWD/.tools/bin:$PATH
  ! understands_labels || return 0
  fetch_package kubectl ""
  dpkg -x "$work/kubectl.deb" "$work/kubectl" || die "kubectl is no Debian package"
  mkdir -p .tools/bin
  install -m 755 "$work/kubectl/usr/bin/kubectl" .tools/bin/kubectl
  hash -r # the one that was found before
  understands_labels || die "Debian's kubectl does not run here: $remedy"
  say "kubectl is in .tools/bin"
}

understands_labels() {
  mkdir -p "$work/probe"
  printf 'kind: Kustomization\nlabels:\n  - pairs: {a: b}\n' >"$work/probe/kustomization.yaml"
  command -v kubectl >/dev/null && kubectl kustomize "$work/probe" >/dev/null 2>&1
}

main
