# Jobs in the background, two at a time, for .ci/run: `job NAME COMMAND...` starts one,
# `all_jobs` waits for all.  Each writes to a file of its own in $work, and shows how it
# ended.  The first that fails ends the others and the script.

declare -A running=() # process group: name
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

job() {
    while ((${#running[@]} == 2)); do next_job; done
    set -m # a process group of its own, which is ended as one
    logged "$@" </dev/null &
    set +m
    running[$!]=$1
}

all_jobs() { while ((${#running[@]})); do next_job; done; }

next_job() {
    local pid
    while true; do
        for pid in "${!running[@]}"; do
            if ! kill -0 "$pid" 2>/dev/null; then
                unset "running[$pid]"
                wait "$pid" || exit 1
                return
            fi
        done
        sleep 0.5
    done
}

logged() {
    local name=$1 log="$work/job-$BASHPID.log" status=0 start=$SECONDS
    shift
    trap 'exit 130' INT # ended for another's sake, it has nothing to say
    # Within || and if, set -e would be out of force.
    set +e
    (set -e; "$@") >"$log" 2>&1
    status=$?
    echo "$(summary "$name" "$log" "$status" "$((SECONDS - start))")" # in one piece
    exit "$status"
}

summary() {
    local name=$1 log=$2 status=$3 seconds=$4
    if ((status)); then
        printf '\n-- %s: FAILED (%s s)\n' "$name" "$seconds"
        failures "$log"
    else
        printf '\n-- %s (%s s)\n' "$name" "$seconds"
        grep '^Python [0-9.]*,' "$log"
        tail -n 3 "$log" | grep -v '^Python '
    fi
}

# What pytest says of failures, up to the end; of anything else, all there is
failures() { sed -nE '/^=+ (ERRORS|FAILURES) =+$/,$p' "$1" | grep . || cat "$1"; }

# The folder goes when nothing runs in it any more.  pytest is interrupted rather than
# killed so that it ends what its tests have started.
finish() {
    local pid
    trap - EXIT
    for pid in "${!running[@]}"; do kill -INT -- "-$pid" 2>/dev/null || true; done
    for _ in {1..60}; do
        [[ $(jobs -pr) ]] || break
        sleep 0.5
    done
    for pid in $(jobs -pr); do kill -KILL -- "-$pid" 2>/dev/null || true; done
    wait
    rm -rf "$work"
}
