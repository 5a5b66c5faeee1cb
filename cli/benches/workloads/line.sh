#!/usr/bin/env bash
# Stands for ssh to the other host, which is this one: calls what stands behind the host's name, over the pipes that it was given.
#   line.sh [-OPTION]... HOST [--] COMMAND...
# No network is in between, so a tool's time is its own; SITE_CACHE is where the other host remembers digests.
set -euo pipefail
while [[ $1 == -* ]]; do shift; done
shift
[ "$1" != -- ] || shift
# As ssh does it: one line for the shell there.
XDG_CACHE_HOME=$SITE_CACHE exec sh -c "$*"
