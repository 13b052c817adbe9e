#!/bin/sh
# Builds the fuzz targets and runs each for so many seconds: sh fuzz/run.sh SECONDS [TARGET…]
#
# Fails on the first finding, whose input is left in target/fuzz. Inputs that reach something new are kept there
# too, so that the next run begins where this one ended.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-30}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- text grammar sdl variables answers frames
# Into the folder of the tests, whose dependencies are used again.
RUSTC_WRAPPER=$PWD/fuzz/instrument.sh \
    cargo build --locked --manifest-path fuzz/Cargo.toml --target-dir target
for target do
    corpus=target/fuzz/corpus/$target findings=target/fuzz/findings/$target
    mkdir -p "$corpus" "$findings"
    printf '\n== %s, %s s\n' "$target" "$seconds"
    # Texts are long and have words; generators make much of few bytes, from the beginning.
    case $target in
    text) how='-max_len=8192 -dict=fuzz/graphql.dict' ;;
    sdl) how='-max_len=8192 -dict=fuzz/sdl.dict' ;;
    *) how='-max_len=1024 -len_control=0' ;;
    esac
    log=target/fuzz/$target.log
    # An input that takes ten seconds hangs, even on a busy machine.
    if ! RUST_BACKTRACE=0 target/debug/fuzz_$target "$corpus" "fuzz/seeds/$target" $how \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$findings/" >"$log" 2>&1; then
        tail -n 60 "$log"
        printf 'Finding in %s. Once more: target/debug/fuzz_%s FILE\n' "$findings" "$target"
        exit 1
    fi
    grep -E '^Done|cov:' "$log" | tail -n 2
done
