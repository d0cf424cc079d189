#!/bin/sh
# examples.sh EXAMPLES_DIR CCCC - the examples of the manual do what they say, with a real daemon.
set -eu
CCCC_HOME=$(mktemp -d "${TMPDIR:-/tmp}/cccc-examples-XXXXXX")
export CCCC_HOME
follower=''
cccc=$2
trap '[ -z "$follower" ] || kill "$follower"; "$cccc" daemon stop >/dev/null 2>&1 || true; rm -rf "$CCCC_HOME"' EXIT INT TERM

# Wait until the follower has written a line.
wait_for() {
    tries=0
    until grep -q "$1" "$CCCC_HOME/followed"; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || { echo "the follower did not write: $1"; exit 1; }
        sleep 0.05
    done
}

status=0
"$1/example_send" g_0123456789ab user hello 2>"$CCCC_HOME/error" || status=$?
[ "$status" -eq 5 ] && grep -q 'cccc daemon start' "$CCCC_HOME/error"

"$cccc" daemon start >/dev/null
group=$("$cccc" group create --title examples --json | grep -oE 'g_[0-9a-f]{12}' | head -n 1)
"$cccc" actor add peer-1 --group "$group" >/dev/null

"$1/example_follow" "$group" >"$CCCC_HOME/followed" &
follower=$!
wait_for '^# live$'
"$1/example_send" "$group" peer-1 'a message' | grep -qE '^[0-9a-f]{32} [0-9]+$'
"$1/example_pipeline" "$group" 500 | grep -qx 'stored 500, failed 0'
"$1/example_send" "$group" peer-1 'the last one' >/dev/null
wait_for 'the last one'
[ "$(grep -c '"kind":"chat.message"' "$CCCC_HOME/followed")" -eq 502 ]
