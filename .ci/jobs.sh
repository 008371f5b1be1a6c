# Jobs in the background, for .ci/run.  `start COMMAND...` starts one, `ended_jobs` looks
# whether one has failed, `all_jobs` waits for all.  One that fails ends the others and
# the script.  `logged NAME COMMAND...` shows how a command ended, in one piece.

declare -A running=() # process groups
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start() {
    # A process group of its own, which is ended as one, and in which Ctrl-C is not
    # ignored: there are tests of it.
    set -m
    (
        trap 'exit 130' INT # ended for another's sake, it has nothing to say
        "$@"
    ) </dev/null &
    set +m
    running[$!]=1
}

ended_jobs() {
    local pid
    for pid in "${!running[@]}"; do
        if ! kill -0 "$pid" 2>/dev/null; then
            unset "running[$pid]"
            # What hung was ended alone, and may have left others.
            wait "$pid" || { kill -KILL -- "-$pid" 2>/dev/null || true; exit 1; }
        fi
    done
}

all_jobs() {
    while ((${#running[@]})); do
        sleep 0.5
        ended_jobs
    done
}

logged() {
    local name=$1 log status start=$SECONDS
    shift
    log=$(mktemp "$work/log.XXXXXX")
    set +e # but not within: behind || or if, it would be out of force there too
    (set -e; "$@") >"$log" 2>&1
    status=$?
    echo "$(summary "$name" "$log" "$status" "$((SECONDS - start))")"
    set -e
    return "$status"
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
