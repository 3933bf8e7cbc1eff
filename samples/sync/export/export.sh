#!/bin/sh
# Writes what balancer reads from a cluster into one file, DIR/cluster.yaml. The file is replaced in one step
# and only by a whole export: whatever goes wrong, the old one stays.
#
# usage: export.sh DIR      (KUBECONFIG or a service account says which cluster)
# RESOURCES  what to export. Pods are needed for policies and opt-outs only, and hold the most private data.
set -eu

directory=${1:?usage: export.sh DIR}
resources=${RESOURCES:-services,endpointslices.discovery.k8s.io,endpoints,pods,nodes}
umask 077

mkdir -p "$directory"
exec 9>"$directory/.export.lock"
flock -n 9 || { echo "export: another export to $directory is running" >&2; exit 1; }

# Hidden, so that nothing reads it; in the same directory, so that mv is a rename. What a killed export left
# is overwritten by the next one.
temporary="$directory/.cluster.yaml.new"
trap 'rm -f "$temporary"' EXIT
trap 'exit 1' HUP INT TERM

# Two steps, not a pipe: a question that failed must not pass for "there are no policies".
policies=$(kubectl api-resources --api-group=balancing.elf.io --output=name)
for policy in $policies; do
    resources="$resources,$policy"
done
kubectl get "$resources" --all-namespaces --output=yaml >"$temporary"

# Every cluster has default/kubernetes. An export without a Service is a wrong cluster or missing rights.
if ! grep -q '^  kind: Service$' "$temporary"; then
    echo "export: no Service in the export: $directory/cluster.yaml is left as it was" >&2
    exit 1
fi
cmp -s "$temporary" "$directory/cluster.yaml" && exit 0
chmod "${MODE:-0640}" "$temporary"
mv -f "$temporary" "$directory/cluster.yaml"
echo "export: wrote $directory/cluster.yaml"
