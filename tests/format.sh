#!/bin/sh
# Every C++ file is as .clang-format would write it.
cd "$(dirname "$0")/.." || exit 1
find app lib drivers tests -name '*.[ch]pp' -print0 2>/dev/null | xargs -0 clang-format --dry-run -Werror
