#!/usr/bin/env bash
# Keeps one comment on a pull request up to date: the one that begins with our mark, or a new one. A pull request from a
# fork has a token that may not write; then there is no comment, and that is no failure.
set -euo pipefail

# Most bytes of a comment: GitHub takes 65,536 characters.
longest=65000

# A repository may have several sites, each with a comment of its own. A number cannot end the mark.
number=$(printf '%s' "$MDS_CHECK_SITE" | cksum)
mark="<!-- mds-check ${number%% *} -->"

body=$RUNNER_TEMP/mds-check-comment
{
  echo "$mark"
  if [ "$(wc -c <"$MDS_CHECK_MARKDOWN")" -le "$longest" ]; then
    cat "$MDS_CHECK_MARKDOWN"
  else
    echo "### mds: the report is too long for a comment; it is in the summary of the job"
  fi
} >"$body"

comments=repos/$GITHUB_REPOSITORY/issues/$MDS_CHECK_PULL_REQUEST/comments

# Only comments of bots: whoever wrote one can change it, and could make it say anything.
ours=".[] | select(.user.type == \"Bot\") | select(.body | startswith(\"$mark\")) | .id"
if ! found=$(gh api --paginate "$comments?per_page=100" --jq "$ours"); then
  echo "::notice::The comments of the pull request cannot be read, so none is written."
  exit 0
fi
id=${found%%$'\n'*}

if [ -n "$id" ]; then
  write=(--method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id")
else
  write=(--method POST "$comments")
fi
if ! gh api "${write[@]}" --field "body=@$body" --silent; then
  echo "::notice::The comment cannot be written; the report is in the summary of the job. The job needs pull-requests: write, which pull requests from forks do not get."
fi
