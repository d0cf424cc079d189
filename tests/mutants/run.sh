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

# hunt NAME FIRST: print who noticed the mutant.
hunt() {
    local suite
    for suite in "$2" "${suites[@]}"; do
        if ! run_suite "$suite" "$1"; then
            printf '%-24s killed by %s\n' "$1" "$suite"
            return
        fi
    done
    printf '%-24s SURVIVED\n' "$1"
}

# Without a mistake every suite passes, or its failures would mean nothing.
for suite in "${suites[@]}"; do
    sound=yes
    if [ "$suite" = sim ]; then
        CCCC_MUTANT=NONE timeout 120 "$binaries/mutant_sim" --histories 1000 --jobs 1 >/dev/null || sound=no
    else
        run_suite "$suite" NONE || sound=no
    fi
    [ "$sound" = yes ] || {
        echo "the suite $suite fails without any mistake"
        exit 1
    }
done

export -f hunt run_suite
export binaries
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
