#!/bin/sh
# Creates Temporal's two databases and brings their schema to the version of this image. Safe to repeat.
set -eu
for name in temporal temporal_visibility; do
  versioned=/etc/temporal/schema/postgresql/v12/${name#temporal_}/versioned
  sql() { temporal-sql-tool --plugin postgres12 --ep postgres -p 5432 -u "$POSTGRES_USER" --db "$name" "$@"; }
  # These two fail on a database that is there already; the update below tells whether all is well.
  sql create || true
  sql setup-schema -v 0.0 || true
  sql update-schema -d "$versioned"
done
