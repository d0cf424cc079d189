# stages.bash - sourced by .ci/run and .ci/nightly: runs stages one after another, each within a budget, until one fails; then a table says what each took.
#
# CCCC_PATIENCE=N multiplies the budgets, for a machine that has other work. Words given to the script choose stages whose names contain one of them.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
chosen=("$@")
took=()

is_chosen() {
    local word
    [ ${#chosen[@]} -gt 0 ] || return 0
    for word in "${chosen[@]}"; do
        [[ $1 != *"$word"* ]] || return 0
    done
    return 1
}

report() {
    [ ${#took[@]} -eq 0 ] || printf '\n%-50s %9s %9s %9s\n' stage 'wall s' 'CPU s' 'budget s'
    [ ${#took[@]} -eq 0 ] || printf '%s\n' "${took[@]}"
}
trap report EXIT

# stage SECONDS NAME COMMAND...
stage() {
    local budget=$(($1 * ${CCCC_PATIENCE:-1})) name=$2 status=0 begin=$SECONDS spent
    is_chosen "$name" || return 0
    shift 2
    printf '\n=== %s (at most %d s)\n' "$name" "$budget"
    spent=$(mktemp)
    local TIMEFORMAT='%U %S'
    { time timeout --kill-after=10 "$budget" "$@" 2>&3; } 3>&2 2>"$spent" || status=$?
    took+=("$(printf '%-50s %9d %9.0f %9d' "$name" $((SECONDS - begin)) "$(awk '{ print $1 + $2 }' "$spent")" "$budget")")
    rm -f "$spent"
    [ "$status" -eq 0 ] || {
        [ "$status" -ne 124 ] || printf '=== %s used up its budget\n' "$name"
        printf '=== %s FAILED (status %d) after %d s\n' "$name" "$status" $((SECONDS - begin))
        exit 1
    }
}
