#!/bin/sh
# Creates the namespace and plumbline's search attributes. Safe to repeat.
set -eu
until_it_works() {
  what=$1
  shift
  attempt=0
  until "$@" >/dev/null 2>&1; do
    attempt=$((attempt + 1))
    if [ "$attempt" -ge 60 ]; then
      echo "$what at $TEMPORAL_ADDRESS was not ready after 60 attempts" >&2
      exit 1
    fi
    sleep 1
  done
}
until_it_works Temporal temporal operator cluster health
temporal operator namespace describe -n "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
  temporal operator namespace create -n "$TEMPORAL_NAMESPACE" --retention "$TEMPORAL_RETENTION"
# The server knows a new namespace only when it has read the list of them again.
until_it_works "Namespace $TEMPORAL_NAMESPACE" temporal operator search-attribute list -n "$TEMPORAL_NAMESPACE"
for attribute in PlumblineProject=Keyword PlumblineStage=Keyword PlumblineEnv=Keyword PlumblineModelVersion=Keyword PlumblineRows=Int; do
  temporal operator search-attribute create -n "$TEMPORAL_NAMESPACE" --name "${attribute%=*}" --type "${attribute#*=}"
done
