#!/bin/sh
# Writes the name and size of every disk of this node to a file, one disk a line.
set -eu

output=${1:?usage: report-disks FILE}

for disk in /sys/block/*; do
  [ -r "$disk/size" ] || continue
  # The kernel counts sectors of 512 bytes, whatever the disk's own are.
  printf '%s %s MiB\n' "${disk##*/}" "$(($(cat "$disk/size") / 2048))"
done >"$output"
