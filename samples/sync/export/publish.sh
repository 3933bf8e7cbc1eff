#!/bin/sh
# Exports a cluster into a git repository: one commit for each state that differs from the last.
#
# usage: publish.sh URL     BRANCH (main), FOLDER in the repository (manifests)
set -eu

url=${1:?usage: publish.sh URL}
branch=${BRANCH:-main}
folder=${FOLDER:-manifests}
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

git clone --quiet --depth 1 --branch "$branch" "$url" "$work/tree"
MODE=0644 "$here/export.sh" "$work/tree/$folder"
git -C "$work/tree" add --all -- "$folder/cluster.yaml"
if git -C "$work/tree" diff --cached --quiet; then
    exit 0
fi
git -C "$work/tree" -c user.name=balancer-export -c user.email=balancer-export@localhost \
    commit --quiet --message "Services and endpoints of the cluster"
# A push that was overtaken fails; the next run starts from what overtook it.
git -C "$work/tree" push --quiet origin "HEAD:$branch"
