# Shared by the set-up scripts (sourced): one voice for progress and one for failure.

# Progress goes to standard error: what a script prints on standard output is its result.
say() { echo "${0##*/}: $*" >&2; }

# die SENTENCE: what went wrong and its remedy, in one sentence.
die() {
  echo "${0##*/}: error: $*" >&2
  exit 1
}

# need PROGRAM REMEDY
need() { command -v "$1" >/dev/null || die "$1 is missing: $2"; }

# apt_install PACKAGE PURPOSE: installs a Debian package, or says how.
apt_install() {
  command -v apt-get >/dev/null || die "$1 is missing ($2): install it with this system's packages"
  [[ $(id -u) == 0 ]] || die "$1 is missing ($2): run 'sudo apt-get install $1'"
  say "installing Debian's $1"
  { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$1"; } >&2 ||
    die "installing $1 failed: see apt's words above"
}

# make_venv: the project's own Python environment in .venv, made once.
make_venv() {
  [[ ! -x .venv/bin/pip ]] || return 0
  need python3 "install Python 3.11 or later"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$(python3 --version) is too old: install Python 3.11 or later"
  python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv "for the environment .venv"
  say "making the Python environment .venv"
  python3 -m venv .venv >&2 || die "python3 could not make .venv: see its words above"
}

# pip_install ARGUMENT...: into .venv, with pip's own progress.
pip_install() {
  .venv/bin/pip --disable-pip-version-check install "$@" >&2 ||
    die "pip could not install $*: check that the Python package index is reached"
}

# npm_install FOLDER: the Node.js packages of FOLDER/package-lock.json, installed once.
npm_install() {
  local lock=$1/package-lock.json stamp=$1/node_modules/lock.installed
  ! cmp -s "$lock" "$stamp" || return 0
  need npm "install Node.js 20 or later"
  say "installing the Node.js packages of $1 (once)"
  npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 ||
    die "npm could not install $lock: check that the npm registry is reached"
  cp "$lock" "$stamp"
}

# fetch_package NAME VERSION-PREFIX: leaves $work/NAME.deb, from the first of the machine's archives
# that has the package in $suite. Uses apt with folders of its own, so no state of the machine changes.
# Where that is not possible, $remedy is what to do.
fetch_package() {
  local name=$1 prefix=$2 version
  need apt-get "$remedy: this is no Debian machine"
  [[ -f $work/apt/sources.list ]] || read_archive
  version=$(private_apt apt-cache madison "$name" | awk -F' *[|] *' '{ print $2 }' |
    { grep -m1 "^$prefix" || true; })
  [[ -n $version ]] ||
    die "Debian's $suite has no $name ${prefix:-of any version}: set DEBIAN_SUITE to one that has, or $remedy"
  say "fetching $name $version from Debian's $suite"
  (cd "$work/apt" && private_apt apt-get -q download "$name=$version" >"$work/apt.log" 2>&1) ||
    die "downloading $name failed: $(tail -n 1 "$work/apt.log")"
  mv "$work/apt/${name}"_*.deb "$work/$name.deb"
}

# Writes a sources.list with $suite of the machine's own archive and reads that suite's index.
read_archive() {
  local archives archive
  mkdir -p "$work"/apt/{lists,cache/archives}/partial
  archives=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | awk '!seen[$0]++')
  [[ -n $archives ]] ||
    die "the machine's apt has no sources: $remedy"
  for archive in $archives; do
    say "reading $suite of $archive"
    echo "deb $archive $suite main" >"$work/apt/sources.list"
    if private_apt apt-get -q update --error-on=any >"$work/apt.log" 2>&1; then return; fi
  done
  rm -f "$work/apt/sources.list"
  die "none of the machine's apt sources gives $suite ($(grep -m1 -E '^(E|W|Err)' "$work/apt.log" || echo 'no reason said')): check the network, or $remedy"
}

private_apt() {
  local program=$1
  shift
  "$program" -o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" \
    -o APT::Sandbox::User="$(id -un)" "$@"
}
