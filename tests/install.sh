#!/bin/sh
# Installs the Debian packages that are missing. usage: install.sh build|demo|test
# `build` is what meson needs, `demo` adds what the demonstration shows things with, `test` what the tests look with.
set -eu

build="g++ meson ninja-build pkg-config dpdk-dev libdpdk-dev libnl-3-dev libyaml-cpp-dev libfmt-dev
       libexpected-dev nlohmann-json3-dev libedit-dev libjemalloc-dev libgtest-dev libpcap0.8"
demo="dpdk iproute2 iputils-ping iperf3 ethtool procps jq"
test="gcc libibverbs-dev python3-scapy tshark tcpdump babeltrace2 clang-format clang-tidy xz-utils"

case ${1:-build} in
  build) want=$build ;;
  demo) want="$build $demo" ;;
  test) want="$build $demo $test" ;;
  *) echo "usage: $0 build|demo|test" >&2; exit 2 ;;
esac

missing=
for package in $want; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

echo "installing:$missing"
[ "$(id -u)" = 0 ] || { echo "run as root (sudo), or install the packages above yourself" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086  # a list of words
apt-get install -y -qq --no-install-recommends $missing >/dev/null
