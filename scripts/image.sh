#!/bin/sh
# npm run image -- FILE.tar [NAME]
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh run
command -v busybox >/dev/null 2>&1 || sh scripts/setup-cluster.sh
exec .keepmesh/node --no-warnings scripts/write-image.ts "$@"
