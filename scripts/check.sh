#!/bin/sh
# Types, format and lint, layers, links of the documents, unused code.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh dev
node_modules/.bin/tsc -p .
node_modules/.bin/biome check .
.keepmesh/node --no-warnings scripts/check-layers.ts
.keepmesh/node --no-warnings scripts/check-links.ts
.keepmesh/node --no-warnings node_modules/knip/bin/knip.js
printf 'check: types, lint, layers, links and unused code are clean\n'
