#!/bin/sh
# The namespace of the onboardings, created or brought to this retention.
set -eu
namespace=${TEMPORAL_NAMESPACE:-default}
retention=${TEMPORAL_RETENTION:-90d}
if temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1; then
    temporal operator namespace update --namespace "$namespace" --retention "$retention"
else
    temporal operator namespace create --namespace "$namespace" --retention "$retention"
fi
# A server learns a new namespace with a delay; whoever comes next counts on it.
tries=0
until temporal workflow count --namespace "$namespace" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 30 ] || { echo "namespace $namespace: still unknown to the server" >&2; exit 1; }
    sleep 2
done
