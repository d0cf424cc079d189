#!/bin/sh
# installed.sh CMAKE BUILD_DIR CC SOURCE_DIR - what `install` puts down is enough to build the examples and a C++ program with pkg-config alone.
set -eu
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cccc-installed-XXXXXX")
trap 'rm -rf "$scratch"' EXIT INT TERM
DESTDIR="$scratch" "$1" --install "$2" --component cccc-client >/dev/null
pc=$(find "$scratch" -name cccc.pc)
flags=$(PKG_CONFIG_SYSROOT_DIR='' PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --define-prefix --cflags --libs cccc)
lib=$(dirname "$(dirname "$pc")")
for example in send follow pipeline; do
    # shellcheck disable=SC2086
    "$3" -Wall -Wextra -Werror "$4/clients/lib/examples/$example.c" $flags -o "$scratch/$example"
    status=0
    LD_LIBRARY_PATH=$lib "$scratch/$example" >/dev/null 2>&1 || status=$?
    [ "$status" -eq 2 ] || { echo "$example without arguments exits $status, not 2"; exit 1; }
done
printf '#include <cccc.h>\nint main() { return cccc_version()[0] == 0; }\n' >"$scratch/plus.cpp"
if command -v c++ >/dev/null; then
    # shellcheck disable=SC2086
    c++ "$scratch/plus.cpp" $flags -o "$scratch/plus"
    LD_LIBRARY_PATH=$lib "$scratch/plus"
fi
find "$scratch" -name cccc.3 | grep -q . || { echo "no man page"; exit 1; }
