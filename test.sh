#!/bin/bash
# Installs, builds and tests. usage: sudo ./test.sh [--quick | --long]
#   --quick  unit and smoke tests, no sanitizers: for the working day
#   (none)   what CI runs: unit and smoke tests, sanitizer builds of both
#   --long   all of it, and the soak, fuzz and stress tests
# Closes with meson's summaries and then one line: N passed, N failed
set -u
cd "$(dirname "$0")"

length=default
case ${1:-} in
  '') ;;
  --quick) length=quick ;;
  --long) length=long ;;
  *) echo "usage: $0 [--quick | --long]" >&2; exit 2 ;;
esac
[ "$(id -u)" = 0 ] || { echo "the tests make network namespaces: run as root (sudo ./test.sh)" >&2; exit 1; }
tests/install.sh test || exit 1

passed=0
failed=0
failures=

# configure DIRECTORY [MESON OPTION ...]
configure() {
  local dir=$1; shift
  # The embedded switch is left out, and meson says so, where DPDK's driver headers cannot be had.
  drivers/fetch_driver_headers.sh "$dir/dpdk-driver-headers" || echo "going on without drivers/net/eswitch"
  [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@"
}

# run DIRECTORY [MESON TEST OPTION ...]: builds what these tests need, and adds meson's own counts to the totals
run() {
  local dir=$1; shift
  meson test -C "$dir" --print-errorlogs "$@" | tee "$dir/summary.txt"
  local ok bad
  ok=$(awk '/^(Ok|Expected Fail): /{n += $NF} END{print n + 0}' "$dir/summary.txt")
  bad=$(awk '/^(Fail|Unexpected Pass|Timeout): /{n += $NF} END{print n + 0}' "$dir/summary.txt")
  [ $((ok + bad)) -gt 0 ] || { echo "no test ran in $dir"; bad=1; }
  failures+=$(grep -E '^ *[0-9]+/[0-9]+ .* (FAIL|TIMEOUT|UNEXPECTEDPASS|ERROR|INTERRUPT) ' "$dir/summary.txt" | sed "s|^|$dir: |")$'\n'
  passed=$((passed + ok))
  failed=$((failed + bad))
}

# stage DIRECTORY "MESON OPTIONS" [MESON TEST OPTION ...]
stage() {
  local dir=$1 options=$2; shift 2
  echo "== $dir"
  # shellcheck disable=SC2086  # a list of words
  if configure "$dir" $options && { [ "$dir" != build ] || ninja -C build; }; then
    run "$dir" "$@"
  else
    echo "$dir: build failed"
    failed=$((failed + 1))
  fi
}

if [ $length = quick ]; then stage build '' --no-suite long --no-suite tidy; else stage build '' --no-suite long; fi
# Meson leaves these out, and only says so, where what they need is missing; tests/install.sh brings that on Debian 12.
if grep -q '^VERSION_ID="12"' /etc/os-release; then
  for suite in mlx5 eswitch; do
    grep -q "culvert:$suite " build/summary.txt || { echo "suite $suite was left out of build"; failed=$((failed + 1)); }
  done
fi
if [ $length != quick ]; then
  # Half the optimization and only line numbers: a third of the time to build. Warnings are the plain build's: so
  # instrumented, g++ sees overflows where there are none.
  cheap='-Doptimization=1 -Dc_args=-g1 -Dcpp_args=-g1 -Dwerror=false'
  stage build-asan "-Db_sanitize=address,undefined -Db_lundef=false $cheap" --no-suite long --no-suite static --no-suite tidy --no-suite eswitch
  stage build-tsan "-Db_sanitize=thread -Db_lundef=false $cheap" --suite unit --suite eswitch-unit
fi
if [ $length = long ]; then
  stage build '' --suite long --timeout-multiplier 0
  for dir in build-asan build-tsan; do run $dir --timeout-multiplier 0 'offload stress 600 s'; done
fi

[ $failed = 0 ] || printf '%s' "$failures" | grep .
echo "$passed passed, $failed failed"
[ $failed = 0 ]
