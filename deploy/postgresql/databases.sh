#!/bin/sh
# Once, when PostgreSQL's volume is new: Temporal's two databases and the register's, each side
# with its own user, none of them an administrator, neither able to enter the other's.
set -eu
export SECRETS="${SECRETS:-/run/secrets}"
psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres <<'SQL'
\set temporal `cat "$SECRETS/temporal_db_password"`
\set onboarding `cat "$SECRETS/onboarding_db_password"`
CREATE ROLE temporal LOGIN PASSWORD :'temporal';
CREATE ROLE onboarding LOGIN PASSWORD :'onboarding';
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
CREATE DATABASE onboarding OWNER onboarding;
REVOKE CONNECT ON DATABASE postgres, temporal, temporal_visibility, onboarding FROM PUBLIC;
SQL
