#!/usr/bin/env bash
# Unpacks a file and makes it durable: unpack.sh PROGRAM PACKED OUTPUT
set -euo pipefail
"$1" -dc "$2" >"$3"
sync "$3"
