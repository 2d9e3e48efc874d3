#!/usr/bin/env bash
# Builds the mds that this action belongs to. `digest` tells what it is made of, for the cache; `build` builds it.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)

case "${1:-}" in
digest)
  cd "$top"
  digest=$(find Cargo.toml Cargo.lock src templates schemas -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
  echo "digest=${digest%% *}" >>"$GITHUB_OUTPUT"
  ;;
build)
  rustup toolchain install stable --profile minimal
  cargo +stable install --locked --path "$top" --root "$RUNNER_TEMP/mds"
  ;;
*)
  echo "usage: install.sh digest|build" >&2
  exit 64
  ;;
esac
