#!/bin/sh
# installed.sh CMAKE BUILD_DIR CC SOURCE_DIR - an installation works wherever it was put: programs are built with pkg-config alone, and the daemon finds its holder.
set -eu
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cccc-installed-XXXXXX")
export CCCC_HOME="$scratch/home"
unset CCCC_GROUP_ID CCCC_ACTOR_ID
prefix="$scratch/some where"
finish() {
    "$prefix/bin/cccc" actor stop pty >/dev/null 2>&1 || true
    "$prefix/bin/cccc" daemon stop >/dev/null 2>&1 || true
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 1' INT TERM
fail() {
    echo "$*"
    exit 1
}

"$1" --install "$2" --prefix "$prefix" >/dev/null
pc=$(find "$prefix" -name cccc.pc)
lib=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH="$lib/pkgconfig" LD_LIBRARY_PATH="$lib"
flags=$(pkg-config --cflags --libs cccc)
for example in send follow pipeline; do
    eval "\"$3\" -Wall -Wextra -Werror \"$4/clients/lib/examples/$example.c\" $flags -o \"$scratch/$example\""
    status=0
    "$scratch/$example" >/dev/null 2>&1 || status=$?
    [ "$status" -eq 2 ] || fail "$example without arguments exits $status, not 2"
done
printf '#include <cccc.h>\nint main() { return cccc_version()[0] == 0; }\n' >"$scratch/plus.cpp"
if command -v c++ >/dev/null; then
    eval "c++ \"$scratch/plus.cpp\" $flags -o \"$scratch/plus\""
    "$scratch/plus"
fi
find "$prefix" -name cccc.3 | grep -q . || fail "no man page"
grep -qxF "ExecStart=\"$prefix/bin/ccccd\"" "$prefix/lib/systemd/user/ccccd.service" || fail "ccccd.service starts another ccccd"

mkdir -m 700 "$CCCC_HOME"
"$prefix/bin/cccc" attach "$scratch" >/dev/null
"$prefix/bin/cccc" actor add pty --runtime custom --command cat >/dev/null
"$prefix/bin/cccc" actor start pty >/dev/null || fail "the daemon starts no actor"
"$prefix/bin/cccc" actor list | grep -q '^pty.*running' || fail "the actor does not run"
"$prefix/bin/cccc" actor stop pty >/dev/null
