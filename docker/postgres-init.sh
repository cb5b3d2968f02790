#!/bin/sh
# Runs once, on an empty volume: plumbline's own role and database, apart from Temporal's.
set -eu
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
-- Not as an argument, which every process of the machine could read.
\getenv password PLUMBLINE_DB_PASSWORD
CREATE ROLE plumbline LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE plumbline OWNER plumbline;
SQL
