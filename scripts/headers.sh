#!/bin/sh
# Sees that what Kafka's client is built with is there: a C and a C++ compiler, make, and OpenSSL's and zlib's headers.
# Installs the distribution's where that is allowed; the build is of no use without, so that is a failure.
set -eu

packages="gcc g++ make pkg-config libssl-dev zlib1g-dev"

has() {
    pkg-config --exists "$1" 2>/dev/null || echo "the headers of $1"
}

missing() {
    for tool in cc c++ make pkg-config; do
        command -v "$tool" >/dev/null || echo "$tool"
    done
    [ -n "${OPENSSL_DIR:-}" ] || has openssl
    has zlib
}

if [ -n "$(missing)" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages >/dev/null; } || true
fi
lacking=$(missing | paste -sd, -)
if [ -n "$lacking" ]; then
    echo "headers: no $lacking. Kafka's client needs them; as root: apt-get install $packages." >&2
    echo "Elsewhere set OPENSSL_DIR, or build without Kafka: cargo build --no-default-features" >&2
    exit 1
fi
echo "headers: of openssl and zlib"
