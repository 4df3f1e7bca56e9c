#!/bin/sh
# npm run charts [-- DIRECTORY]: the charts of deploy/helm complete, and packed into a directory.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh run
exec .keepmesh/node --no-warnings scripts/write-charts.ts "$@"
