#!/bin/sh
# Exports when something changes, and every five minutes anyway: export.sh driven by `kubectl get --watch-only`.
#
# usage: watch.sh DIR       QUIET  seconds between two exports at the least (2)
#                           RESYNC seconds between two exports at the most (300)
set -eu

directory=${1:?usage: watch.sh DIR}
quiet=${QUIET:-2}
resync=${RESYNC:-300}
here=$(dirname "$0")
work=$(mktemp -d)
changes=$work/changes
watchers=

# shellcheck disable=SC2086 # one word for each process
trap 'kill $watchers 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 0' HUP INT TERM

follow() { # one resource, for ever: the API server ends a watch every few minutes
    child=
    trap 'kill "$child" 2>/dev/null; exit 0' TERM
    trap - EXIT
    while :; do
        kubectl get "$1" --all-namespaces --watch-only --output=name >>"$changes" &
        child=$!
        wait "$child" || true
        echo "what came between two watches of $1 is unknown" >>"$changes"
        sleep "$quiet" &
        child=$!
        wait "$child" || true
    done
}

for resource in services endpointslices.discovery.k8s.io nodes; do
    follow "$resource" &
    watchers="$watchers $!"
done

waited=$resync
while :; do
    if [ "$waited" -ge "$resync" ] || [ -s "$changes" ]; then
        waited=0
        : >"$changes"
        "$here/export.sh" "$directory" || true
    fi
    sleep "$quiet"
    waited=$((waited + quiet))
done
