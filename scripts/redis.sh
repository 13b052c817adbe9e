#!/bin/sh
# Finds a Redis server for the tests, and installs the distribution's where that is allowed.
set -eu

if command -v redis-server >/dev/null; then
    echo "redis-server: $(command -v redis-server)"
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server >/dev/null && exit 0
fi
echo "redis-server: none. The tests about Redis need version 7; as root: apt-get install redis-server" >&2
[ -z "${CI:-}" ]
