#!/bin/sh
# Finds an nginx for the tests behind a proxy, and installs the distribution's where that is allowed.
set -eu

# Where distributions put it, whether or not that is on the path of who is not root.
PATH="$PATH:/usr/sbin:/usr/local/sbin"
if command -v nginx >/dev/null; then
    echo "nginx: $(command -v nginx)"
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx >/dev/null && exit 0
fi
echo "nginx: none. The tests behind a proxy need one; as root: apt-get install nginx" >&2
[ -z "${CI:-}" ]
