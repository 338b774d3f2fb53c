#!/bin/sh
# clang-tidy finds no fault: .clang-tidy says what it looks for. usage: tidy.sh BUILD [analyzer]
# The static analyzer takes two thirds of the time: it is left out unless asked for.
cd "$(dirname "$0")/.." || exit 1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
checks=-clang-analyzer-*
[ "${2:-}" = analyzer ] && checks=
run-clang-tidy-14 -p "$1" -checks="$checks" -quiet -j "$(nproc)" "^$PWD/(lib|app)/" > "$log" 2>&1
status=$?
grep -A4 -E '(warning|error):' "$log"
exit $status
