#!/bin/sh
# Takes DPDK's driver headers (ethdev_driver.h and what it needs), which libdpdk-dev leaves out, from the
# distribution's source package of exactly the version installed. Only headers are kept, and only in DIR.
#
#   drivers/fetch_driver_headers.sh DIR        e.g. build/dpdk-driver-headers; run it before `meson setup build`
#   drivers/fetch_driver_headers.sh DIR VERSION SOURCE
#                                              another version, from this source entry (deb-src ...)
#
# It uses apt with a sources list and state of its own under DIR, so the system's configuration stays as it is and
# no deb-src entry is needed. Needs: apt, dpkg, network to the distribution's mirror, about 20 MB on the way.
# Exit 0: DIR/include has the headers, DIR/version says of which version. Exit 1: they cannot be had; why, on stderr.
set -eu

die() { echo "fetch_driver_headers: $*" >&2; exit 1; }

[ $# -eq 1 ] || [ $# -eq 3 ] || die "usage: $0 DIR [VERSION SOURCE]"
mkdir -p "$1"
dir=$(cd "$1" && pwd)

command -v dpkg-query >/dev/null || die "not a Debian system: build DPDK with -Denable_driver_sdk=true instead"
version=${2:-$(dpkg-query -W -f '${source:Version}' libdpdk-dev 2>/dev/null)} || die "libdpdk-dev is not installed"
[ -f "$dir/version" ] && [ "$(cat "$dir/version")" = "$version" ] && exit 0

work=$dir/work
rm -rf "$work" "$dir/include" "$dir/version"
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/sources.d"
trap 'rm -rf "$work"' EXIT

[ $# -eq 1 ] || echo "$3" >"$work/sources.d/given.list"
# Else the system's own binary entries, in either format, turned into source entries for the same suites.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ $# -eq 1 ] && [ -f "$file" ] && sed -n -E 's/^[[:space:]]*deb([[:space:]])/deb-src\1/p' "$file" |
    grep -Ei 'debian|ubuntu' >>"$work/sources.d/system.list" || :
done
for file in /etc/apt/sources.list.d/*.sources; do
  [ $# -eq 1 ] && [ -f "$file" ] && grep -Eiq '^URIs:.*(debian|ubuntu)' "$file" &&
    sed -E 's/^Types:.*/Types: deb-src/' "$file" >"$work/sources.d/$(basename "$file")" || :
done
if [ -z "$(ls "$work/sources.d")" ]; then
  # shellcheck source=/dev/null
  . /etc/os-release
  echo "deb-src http://deb.debian.org/debian ${VERSION_CODENAME:?} main" >"$work/sources.d/default.list"
  echo "deb-src http://deb.debian.org/debian-security $VERSION_CODENAME-security main" >>"$work/sources.d/default.list"
fi

private_apt() {
  apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/sources.d" \
    -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Get::List-Cleanup=0 \
    -o APT::Sandbox::User=root "$@"
}

private_apt update >"$work/log" 2>&1 || { cat "$work/log" >&2; die "no list of source packages"; }
(cd "$work" && private_apt source --download-only "dpdk=$version") >"$work/log" 2>&1 || {
  cat "$work/log" >&2
  die "no source package dpdk $version"
}

tarball=$(ls "$work"/dpdk_*.orig.tar.* | grep -v '\.asc$' | head -n 1)
mkdir "$work/src"
tar -xf "$tarball" -C "$work/src" --strip-components=1 --wildcards '*/lib/*.h' '*/drivers/bus/*.h' '*/VERSION'
upstream=${version%-*}
[ "$(cat "$work/src/VERSION")" = "$upstream" ] || die "the tarball is $(cat "$work/src/VERSION"), not $upstream"

headers='lib/ethdev/ethdev_driver.h lib/ethdev/ethdev_vdev.h lib/ethdev/rte_flow_driver.h lib/ethdev/ethdev_pci.h
lib/eal/include/dev_driver.h lib/eal/include/bus_driver.h drivers/bus/vdev/bus_vdev_driver.h'

# A patch of the distribution's that touches one of them would have to be applied: none does, and if one ever should,
# refuse rather than build against something else than what is installed.
tar -xf "$(ls "$work"/dpdk_*.debian.tar.*)" -C "$work"
mkdir "$dir/include"
for header in $headers; do
  ! grep -rqs "^+++ [^ ]*/$header" "$work/debian/patches" || die "the distribution patches $header"
  [ ! -f "$work/src/$header" ] || cp "$work/src/$header" "$dir/include/"
done
[ -f "$dir/include/ethdev_driver.h" ] || die "ethdev_driver.h is not in $tarball"
echo "$version" >"$dir/version"
