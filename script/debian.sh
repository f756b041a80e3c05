# shellcheck shell=bash
# Packages of another Debian release for this project alone: unpacked into a folder, the system stays as it is. apt
# fetches them from the mirror that the machine already uses and checks their signatures against the system's Debian
# keyring. Sourced, never run.

# The machine's own mirror: the URI that its apt sources give for the running Debian release.
find_mirror() {
  local codename
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && [ "$ID" = debian ] && printf %s "${VERSION_CODENAME:-}") || return 1
  # shellcheck disable=SC2016  # the format is apt's, not the shell's
  apt-get indextargets --no-release-info --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    awk -v release="$codename" '$1 == release { print $2; exit }'
}

private_apt() {  # WORK ARGUMENT...
  local work=$1
  shift
  apt-get -q -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State="$work/state" -o Dir::State::status="$work/state/status" -o Dir::Cache="$work/cache" \
    -o Acquire::http::Timeout=20 -o Acquire::Retries=1 -o APT::Sandbox::User= -o Acquire::Languages=none \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false "$@"
}

# open_debian SUITE WORK: the package list of a release, for private_apt to take from. Where that cannot be, prints why.
open_debian() {
  local suite=$1 work=$2 mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  if ! command -v apt-get >/dev/null || [ ! -r "$keyring" ]; then
    echo "this is no Debian"
    return 1
  fi
  mirror=$(find_mirror) || true
  if [ -z "$mirror" ]; then
    echo "there is no Debian mirror to take packages of $suite from"
    return 1
  fi
  mkdir -p "$work"/{state/lists/partial,cache/archives/partial,debs,root}
  touch "$work/state/status"
  printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite" >"$work/sources.list"
  if ! private_apt "$work" update >"$work/log" 2>&1; then
    echo "could not read the package list of $suite"
    return 1
  fi
}

unpack_debs() {  # WORK DEB...
  local work=$1 deb
  shift
  for deb in "$@"; do
    if ! dpkg -x "$deb" "$work/root"; then
      echo "could not unpack ${deb##*/}"
      return 1
    fi
  done
}

# unpack_debian SUITE WORK PACKAGE...: leaves the packages' files under WORK/root. Where that cannot be, prints why.
unpack_debian() {
  local suite=$1 work=$2
  shift 2
  open_debian "$suite" "$work" || return 1
  if ! (cd "$work/debs" && private_apt "$work" download "$@") >"$work/log" 2>&1; then
    echo "could not fetch $1 of $suite"
    return 1
  fi
  unpack_debs "$work" "$work"/debs/*.deb
}

# unpack_debian_whole SUITE WORK PACKAGE...: the same, with everything that they need down to the C library: what apt
# would install with them on a system that has nothing.
unpack_debian_whole() {
  local suite=$1 work=$2
  shift 2
  open_debian "$suite" "$work" || return 1
  if ! private_apt "$work" install --download-only --no-install-recommends -y "$@" >"$work/log" 2>&1; then
    echo "could not fetch $1 of $suite"
    return 1
  fi
  unpack_debs "$work" "$work"/cache/archives/*.deb
}
