# shellcheck shell=bash
# What scripts/test says in the end: a line for each check, and how many of them passed, failed and did
# not run. What did not run must not look as if it had passed.

summary=()
checks_passed=0
checks_failed=0
checks_skipped=0

# summarize NAME passed|FAILED|SKIPPED SECONDS WORDS: remembers how a check ended; "-" for no seconds.
summarize() {
    local unit=s
    [[ $3 != - ]] || unit=' '
    summary+=("$(printf '%-12s %-7s %5s %s   %s' "$1" "$2" "$3" "$unit" "$4")")
    case $2 in
        passed) checks_passed=$((checks_passed + 1)) ;;
        SKIPPED) checks_skipped=$((checks_skipped + 1)) ;;
        *) checks_failed=$((checks_failed + 1)) ;;
    esac
}

# summarize_step STATUS NAME SECONDS LOG: the same of a step, whose last line says how it went. One that
# could not run says so in it: "SKIPPED: " and why.
summarize_step() {
    local result=passed last
    last=$(sed 's/\x1b\[[0-9;]*m//g' "$4" | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c 1-100 || true)
    if (($1)); then
        result=FAILED
    elif [[ $last == "SKIPPED: "* ]]; then
        result=SKIPPED
        last=${last#SKIPPED: }
    fi
    summarize "$2" "$result" "$3" "$last"
}

# print_summary: fails when a check did.
print_summary() {
    local skipped=
    ((checks_skipped == 0)) || skipped=", $checks_skipped SKIPPED"
    printf '\n%s\n' "Summary"
    printf '%s\n' "${summary[@]}"
    if ((checks_failed)); then
        printf '%s\n' "FAILED: $checks_failed of $((checks_passed + checks_failed)) checks$skipped."
        return 1
    fi
    printf '%s\n' "All $checks_passed checks passed$skipped."
}
