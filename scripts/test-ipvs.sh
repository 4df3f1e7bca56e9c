#!/bin/sh
# Tests IPVS on a kernel that has it: a QEMU guest with Debian's kernel, nothing of it outside this checkout. Takes file names.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh dev
sh test/ipvs/guest/packages.sh
exec .keepmesh/node --no-warnings test/ipvs/guest/run.ts "$@"
