#!/bin/sh
# Every file of lib/ and app/ compiles with the headers of DPDK 24.11, as Debian 13 has them. They are fetched by apt into
# a folder of our own; nothing is installed. usage: dpdk_next.sh
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
echo 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main' \
  > "$work/sources.list"
apt() {
  apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root "$@"
}
apt update
(cd "$work" && apt download libdpdk-dev)
dpkg-deb -x "$work"/libdpdk-dev_*.deb "$work/root"
grep -q 'RTE_VER_YEAR 24' "$work"/root/usr/include/*/dpdk/rte_build_config.h

includes="-isystem $work/root/usr/include/dpdk -isystem $(echo "$work"/root/usr/include/*/dpdk)"
find lib app -name '*.cpp' | xargs -P "$(nproc)" -I{} sh -c "g++ -std=c++20 -Wall -Wextra -Wpedantic -Werror \
  -Wno-missing-field-initializers -fsyntax-only -D_GNU_SOURCE -DALLOW_EXPERIMENTAL_API -DCULVERT_VERSION='\"next\"' -Ilib -Iapp -Iapp/culvert \
  -Iapp/bench $includes -include rte_config.h -march=corei7 $(pkg-config --cflags-only-I libnl-3.0) {}"
