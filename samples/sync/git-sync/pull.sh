#!/bin/sh
# What the git-sync container does, for a host without containers: a branch in a directory of its own for each
# commit, and a symbolic link that is moved to it in one step.
#
# usage: pull.sh URL DIR    DIR/current is what balancer reads; BRANCH (main)
set -eu

url=${1:?usage: pull.sh URL DIR}
root=${2:?usage: pull.sh URL DIR}
branch=${BRANCH:-main}
umask 022

mkdir -p "$root"
exec 9>"$root/.lock"
flock -n 9 || exit 0

[ -d "$root/.git" ] || git clone --quiet --bare --branch "$branch" "$url" "$root/.git"
git -C "$root/.git" fetch --quiet --prune "$url" "+refs/heads/$branch:refs/heads/$branch"
commit=$(git -C "$root/.git" rev-parse "refs/heads/$branch")
[ "$(readlink "$root/current" || true)" = "$commit" ] && exit 0

# Built under hidden names: what a killed run left behind is never taken for a whole commit.
rm -rf "${root:?}/.new" "${root:?}/.tar" "${root:?}/$commit"
mkdir "$root/.new"
git -C "$root/.git" archive --output="$root/.tar" --format=tar "$commit"
tar -x -f "$root/.tar" -C "$root/.new"
rm "$root/.tar"
[ -n "$(ls -A "$root/.new")" ] || { echo "pull: commit $commit is empty" >&2; exit 1; }
mv "$root/.new" "$root/$commit"

old=$(readlink "$root/current" || true)
ln -sfn "$commit" "$root/.current"
mv -T "$root/.current" "$root/current"
# The commit before stays until the next pull, for whoever is reading it now.
for directory in "$root"/*; do
    case "${directory##*/}" in
    current | "$commit" | "$old") ;;
    *) rm -rf "$directory" ;;
    esac
done
echo "pull: now at $commit"
