#!/usr/bin/env bash
# run.sh BINARIES - every mistake of broker/mutants.def is planted in turn and the suites are run until one fails: prints which one noticed. Exit 1
# when a mistake survives all of them, or a suite fails without any.
#
# BINARIES has mutant_<suite> programs (tests/mutants/CMakeLists.txt). One mutant: CCCC_MUTANT=NO_SYNC BINARIES/mutant_sim --seconds 60
set -u
binaries=$1
table=$(dirname "$0")/../../broker/mutants.def
suites=(ledger_crash ledger_damage ledger_repair ledger_ids ledger_read ledger_retire ledger_seal ledger_snapshot store_crash core_automation core_cases core_guards core_nudges core_waits core_history damage sim)

# run_suite SUITE MUTANT: 0 when the suite passes.
run_suite() {
    local arguments=()
    [ "$1" != sim ] || arguments=(--histories 6000 --jobs 1)
    case $1 in ledger_crash | ledger_seal) arguments=(--histories 2000) ;; esac
    [ "$1" != core_history ] || arguments=(--histories 3000)
    [ "$1" != damage ] || arguments=(--flips 600 --cuts 200 --jobs 1)
    CCCC_MUTANT=$2 timeout 300 "$binaries/mutant_$1" ${arguments[@]+"${arguments[@]}"} >/dev/null 2>&1
}

# hunt NAME FIRST: print who noticed the mutant. A suite that is out of time has noticed nothing.
hunt() {
    local suite status late=
    for suite in "$2" $(printf '%s\n' "${suites[@]}" | grep -vx "$2"); do
        run_suite "$suite" "$1"
        status=$?
        case $status in
        0) ;;
        124) late="$late, $suite was out of time" ;;
        *)
            printf '%-24s killed by %s%s\n' "$1" "$suite" "$late"
            return
            ;;
        esac
    done
    printf '%-24s SURVIVED%s\n' "$1" "$late"
}

# control SUITE: without a mistake a suite passes, in the size that the mistakes get, or its failures would mean nothing.
control() {
    run_suite "$1" NONE || echo "the suite $1 fails without any mistake: status $? (124: out of time)"
}

export -f hunt control run_suite
export binaries
# The longest suite, the simulation, is the last of the list and begins first.
# shellcheck disable=SC2016  # for the inner shell
unsound=$(printf '%s\n' "${suites[@]}" | tac | xargs -P 2 -n 1 bash -c 'control "$1"' control)
[ -z "$unsound" ] || {
    echo "$unsound"
    exit 1
}

result=$(
    export suites_text="${suites[*]}"
    # shellcheck disable=SC2016  # for the inner shell
    sed -n 's/^CCCC_MUTANT(\([A-Z_]*\), *\([a-z_]*\),.*/\1 \2/p' "$table" |
        xargs -P 2 -n 2 bash -c 'read -r -a suites <<<"$suites_text"; hunt "$1" "$2"' hunt
)
sort <<<"$result"
count=$(grep -c . <<<"$result")
expected=$(grep -c '^CCCC_MUTANT(' "$table")
survivors=$(grep -c SURVIVED <<<"$result")
printf '%d mutants, %d survived\n' "$count" "$survivors"
[ "$survivors" = 0 ] && [ "$count" = "$expected" ] && [ "$count" -gt 0 ]
