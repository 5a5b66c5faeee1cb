#!/usr/bin/env bash
# Builds the bare loops where they are older than their source: limit.sh PROGRAM
# Needs a C compiler and OpenSSL's headers (Debian: libssl-dev).
set -euo pipefail
source=$(dirname "${BASH_SOURCE[0]}")/limit.c
[ "$1" -nt "$source" ] && exit
cc -O2 -Wall -Wextra -o "$1.part" "$source" -lcrypto -lpthread
mv "$1.part" "$1"
