#!/bin/sh
# exports.sh LIBRARY HEADER - the library shows the functions its header declares and nothing else.
set -eu
declared=$(grep -oE '\bcccc_[a-z0-9_]+\(' "$2" | tr -d '(' | sort -u)
shown=$(nm -D --defined-only "$1" | awk '$2 == "T" {sub(/@.*/, "", $3); print $3}' | sort -u)
if [ "$declared" != "$shown" ]; then
    echo "declared but not shown, or shown but not declared:"
    printf '%s\n' "$declared" "$shown" | sort | uniq -u
    exit 1
fi
others=$(nm -D --defined-only "$1" | awk '$2 != "T" && $3 !~ /^CCCC_0/' || true)
[ -z "$others" ] || { echo "also shown: $others"; exit 1; }
