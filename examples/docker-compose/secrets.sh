#!/usr/bin/env bash
# Makes the secrets of the compose stack in ./secrets, once: what is there stays, so that logins go on.
#
# The folder is for its owner alone. The files in it are readable for all, since Compose mounts them as
# they are and the services run as users of their own.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
command -v openssl >/dev/null || { echo "secrets.sh: error: openssl is missing: install it" >&2; exit 1; }

install -d -m 0700 secrets
cd secrets

# keep NAME: standard input becomes the file, unless it is there.
keep() {
  if [[ -s $1 ]]; then
    cat >/dev/null
    echo "secrets/$1: kept"
  else
    install -m 0444 /dev/stdin "$1.new"
    mv "$1.new" "$1"
    echo "secrets/$1: made"
  fi
}

openssl rand -hex 32 | keep jwt-signing-key
openssl rand -base64 32 | tr '+/' '-_' | keep storage-encryption-key
openssl rand -hex 32 | sed 's#.*#redis://:&@redis:6379/0#' | keep redis-url
password=$(sed -E 's#redis://:([^@]*)@.*#\1#' redis-url)
printf 'requirepass %s\ndir /data\nappendonly yes\nprotected-mode yes\n' "$password" | keep redis-conf
