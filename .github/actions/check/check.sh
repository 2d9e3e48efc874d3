#!/usr/bin/env bash
# Checks a site and puts the reports where they belong. How it went is an output, not the exit code: the comment and code
# scanning come after this, also when there are findings.
#
# Everything comes from the environment, so that nothing anybody chose is ever read as a command.
set -euo pipefail

folder=$RUNNER_TEMP/mds-check
rm -rf "$folder"
mkdir -p "$folder"

mds=${MDS_CHECK_BINARY:-}
if [ -z "$mds" ]; then
  mds=$RUNNER_TEMP/mds/bin/mds
fi

# A value after `=` is never taken for a flag.
arguments=(build --check --site="$MDS_CHECK_SITE" --fail-on="$MDS_CHECK_FAIL_ON")
if [ "$MDS_CHECK_LOCKED" = true ]; then
  arguments+=(--locked)
fi

base=${MDS_CHECK_BASE:-}
if [ -z "$base" ] && [ -n "${MDS_CHECK_MERGE_BASE:-}" ]; then
  if git -C "$MDS_CHECK_SITE" cat-file -e "$MDS_CHECK_MERGE_BASE^{commit}" 2>/dev/null; then
    base=$MDS_CHECK_MERGE_BASE
  else
    echo "::warning::What the pull request changes is not shown: its base was not checked out. Give actions/checkout fetch-depth: 0."
  fi
fi
if [ -n "$base" ]; then
  arguments+=(--base="$base")
fi
for format in markdown sarif json; do
  arguments+=(--report="$format=$folder/mds.$format")
done

code=0
"$mds" "${arguments[@]}" --report=github || code=$?

# Without reports there is still something to say in their place.
if [ ! -s "$folder/mds.markdown" ]; then
  echo "### mds could not check the site (exit code $code); the log of the job says why" >"$folder/mds.markdown"
fi
cat "$folder/mds.markdown" >>"$GITHUB_STEP_SUMMARY"

{
  echo "code=$code"
  for format in markdown sarif json; do
    if [ -s "$folder/mds.$format" ]; then
      echo "$format=$folder/mds.$format"
    fi
  done
} >>"$GITHUB_OUTPUT"
