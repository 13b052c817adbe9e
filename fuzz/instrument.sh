#!/bin/sh
# The compiler for fuzz targets (RUSTC_WRAPPER): has LLVM count edges and comparisons in the crates that are
# looked at, and compiles the others as ever, so that they are shared with the tests. Works with stable Rust:
# `-C passes` only names a pass that LLVM has anyway.
rustc=$1
shift
crate= previous=
for word do
    [ "$previous" = --crate-name ] && crate=$word
    previous=$word
done
case $crate in
juga | juga_fuzz | fuzz_* | federation_composition | graphql_core | graphql_tools | hive_router_query_planner) ;;
*) exec "$rustc" "$@" ;;
esac
exec "$rustc" "$@" -C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 \
    -C llvm-args=-sanitizer-coverage-inline-8bit-counters -C llvm-args=-sanitizer-coverage-pc-table \
    -C llvm-args=-sanitizer-coverage-trace-compares
