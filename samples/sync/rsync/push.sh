#!/bin/sh
# Brings a directory of manifests to hosts. Nothing leaves this host that does not pass `balancer validate`.
#
# usage: push.sh DIR TARGET...      TARGET as rsync takes it: root@edge-1:/etc/balancer/manifests
set -eu

source=${1:?usage: push.sh DIR TARGET...}
shift
[ $# -gt 0 ] || { echo "usage: push.sh DIR TARGET..." >&2; exit 2; }

# An empty source with --delete would empty every target.
[ -n "$(find "$source" -type f \( -name '*.yaml' -o -name '*.yml' -o -name '*.json' \) ! -name '.*' -print)" ] ||
    { echo "push: no manifests in $source" >&2; exit 1; }
balancer validate "$source"

failed=0
for target in "$@"; do
    # --delay-updates: files are put in their places one behind the other when all of them have arrived.
    rsync --recursive --links --times --chmod=D0755,F0644 --delete-delay --delay-updates --timeout=60 \
        "$source/" "$target/" || { echo "push: $target failed" >&2; failed=1; }
done
exit "$failed"
