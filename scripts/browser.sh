#!/bin/sh
# Finds a Chromium for the page's test, and installs the distribution's where that is allowed.
set -eu

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then
        echo "browser: $(command -v "$name")"
        exit 0
    fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null && exit 0
fi
echo "browser: none. The page's test needs one; as root: apt-get install chromium" >&2
[ -z "${CI:-}" ]
