#!/bin/sh
# clang-tidy finds no fault: .clang-tidy says what it looks for. usage: tidy.sh BUILD
cd "$(dirname "$0")/.." || exit 1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run-clang-tidy-14 -p "$1" -quiet -j "$(nproc)" "^$PWD/(lib|app)/" > "$log" 2>&1
status=$?
grep -A4 -E '(warning|error):' "$log"
exit $status
