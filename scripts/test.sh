#!/bin/sh
# Builds and runs all tests, several binaries at a time: most of what they do is wait, for brokers that are to give up
# and for clients that are to be late. `cargo test` runs the same, one binary after the other.
#
# What a binary says comes in one piece when it has ended. Ctrl-C reaches all of them: they share the terminal's process
# group.
set -eu
cd "$(dirname "$0")/.."

# Binaries at a time.
jobs=${TEST_JOBS:-3}

# These run alone, behind the others: they have thousands of clients, hold memory or events per second to a bar, profile
# the processor, or hold to fractions of a second what may take that long where others work.
alone='chaos federation_limits pprof scale_brokers scale_connections scale_fan_out scale_kafka scale_nats scale_trouble
sources_nats sources_subgraph ws_echo'

for it in $alone; do
    [ -f "tests/$it.rs" ] || {
        echo "there is no test $it to run alone" >&2
        exit 1
    }
done

# The target's name, of the path that Cargo gave the binary.
name() {
    file=${1##*/}
    printf '%s\n' "${file%-*}"
}

# Runs one binary, says what it said, and notes a failure.
run() {
    log=$work/${1##*/}.log
    began=$(date +%s)
    outcome=passed
    "$1" >"$log" 2>&1 || outcome="FAILED with status $?"
    took=$(($(date +%s) - began))
    [ "$outcome" = passed ] || name "$1" >>"$work/failed"
    # One at a time.
    until mkdir "$work/talking" 2>/dev/null; do sleep 1; done
    printf '\n== %s: %s, %s s\n' "$(name "$1")" "$outcome" "$took"
    cat "$log"
    rmdir "$work/talking"
}

# What xargs calls below.
if [ "${1-}" = --run ]; then
    work=$2
    run "$3"
    exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
touch "$work/failed"

# Cargo tells tests about their package in the environment, too; ours read that as they are compiled.
cargo test --locked --no-run --message-format=json-render-diagnostics >"$work/built"
sed -n 's/.*"profile":{[^}]*"test":true}.*"executable":"\([^"]*\)".*/\1/p' "$work/built" | sort >"$work/binaries"
[ -s "$work/binaries" ] || {
    echo "Cargo names no test binary" >&2
    exit 1
}
while read -r binary; do
    case " $(echo $alone) " in
        *" $(name "$binary") "*) printf '%s\0' "$binary" >>"$work/alone" ;;
        *) printf '%s\0' "$binary" >>"$work/together" ;;
    esac
done <"$work/binaries"

xargs -0 -n 1 -P "$jobs" sh scripts/test.sh --run "$work" <"$work/together"
xargs -0 -n 1 sh scripts/test.sh --run "$work" <"$work/alone"

printf '\n== examples in the documentation\n'
cargo test --locked --doc || echo 'examples in the documentation' >>"$work/failed"

if [ -s "$work/failed" ]; then
    printf '\n== failed:\n'
    sort "$work/failed"
    exit 1
fi
printf '\n== all passed\n'
