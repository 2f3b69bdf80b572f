#!/bin/sh
# The image takes the password from its environment only: there it comes from the secret's file.
set -eu
POSTGRES_PWD=$(cat /run/secrets/temporal_db_password)
export POSTGRES_PWD
exec /etc/temporal/entrypoint.sh
