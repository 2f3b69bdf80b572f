#!/bin/sh
# Temporal's two databases brought to the version of this image: nothing changes when they are.
set -eu
SQL_PASSWORD=$(cat /run/secrets/temporal_db_password)
export SQL_PASSWORD
schema=/etc/temporal/schema/postgresql/v12
for part in temporal visibility; do
    database=temporal
    [ "$part" = temporal ] || database=temporal_visibility
    temporal-sql-tool --db "$database" setup-schema -v 0.0
    temporal-sql-tool --db "$database" update-schema -d "$schema/$part/versioned"
done
