#!/bin/sh
# Says in one line which node this is and how busy.
set -eu

read -r load _ </proc/loadavg
printf '%s: load %s\n' "$(uname -n)" "$load"
