#!/bin/sh
# Creates the namespace and plumbline's search attributes. Safe to repeat.
set -eu
attempt=0
until temporal operator cluster health >/dev/null 2>&1; do
  attempt=$((attempt + 1))
  if [ "$attempt" -ge 60 ]; then
    echo "Temporal at $TEMPORAL_ADDRESS was not healthy after 60 attempts" >&2
    exit 1
  fi
  sleep 1
done
temporal operator namespace describe -n "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
  temporal operator namespace create -n "$TEMPORAL_NAMESPACE" --retention "$TEMPORAL_RETENTION"
for attribute in PlumblineProject=Keyword PlumblineStage=Keyword PlumblineEnv=Keyword PlumblineModelVersion=Keyword PlumblineRows=Int; do
  temporal operator search-attribute create -n "$TEMPORAL_NAMESPACE" --name "${attribute%=*}" --type "${attribute#*=}"
done
