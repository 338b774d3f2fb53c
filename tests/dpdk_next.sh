#!/bin/sh
# Every file of lib/, app/, drivers/ and tests/eswitch compiles with the headers of DPDK 24.11, as Debian 13 has them, the
# driver headers from its source package. They are fetched by apt into a folder of our own; nothing is installed.
# usage: dpdk_next.sh
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
mirror='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main'
echo "deb $mirror" > "$work/sources.list"
apt() {
  apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root "$@"
}
apt update
(cd "$work" && apt download libdpdk-dev)
dpkg-deb -x "$work"/libdpdk-dev_*.deb "$work/root"
grep -q 'RTE_VER_YEAR 24' "$work"/root/usr/include/*/dpdk/rte_build_config.h

# A mirror that has only binary packages leaves the driver out.
version=$(dpkg-deb -f "$work"/libdpdk-dev_*.deb Version)
drivers=
if drivers/fetch_driver_headers.sh "$work/driver" "$version" "deb-src $mirror"; then
  drivers="drivers tests/eswitch"
else
  echo "drivers/net/eswitch is left out: no driver headers of $version"
fi

includes="-isystem $work/driver/include -isystem $work/root/usr/include/dpdk -isystem $(echo "$work"/root/usr/include/*/dpdk)"
# shellcheck disable=SC2086  # a list of folders
find lib app $drivers -name '*.cpp' | xargs -P "$(nproc)" -I{} sh -c "g++ -std=c++20 -Wall -Wextra -Wpedantic -Werror \
  -Wno-missing-field-initializers -fsyntax-only -D_GNU_SOURCE -DALLOW_INTERNAL_API -DALLOW_EXPERIMENTAL_API \
  -DCULVERT_VERSION='\"next\"' -Ilib -Iapp -Iapp/culvert -Iapp/bench -Idrivers/net/eswitch -Itests/eswitch $includes \
  -include rte_config.h -march=corei7 $(pkg-config --cflags-only-I libnl-3.0) {}"
