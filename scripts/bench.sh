#!/bin/sh
# Runs one benchmark: npm run bench -- NAME [--json FILE]
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh dev
[ $# -gt 0 ] || { printf 'usage: npm run bench -- NAME [--json FILE]; there are:\n' >&2; ls bench/*.bench.ts | sed 's|.*/||; s|\.bench\.ts||' >&2; exit 64; }
name=$1
shift
[ -f "bench/$name.bench.ts" ] || { printf 'no benchmark %s; see: npm run bench\n' "$name" >&2; exit 64; }
exec .keepmesh/node --no-warnings "bench/$name.bench.ts" "$@"
