#!/bin/sh
# MLflow and Optuna each keep their own migrations, so each gets a database of its own.
set -eu
for name in mlflow optuna; do
  psql --username "$POSTGRES_USER" --dbname postgres --set name="$name" <<'SQL'
SELECT format('CREATE DATABASE %I', :'name') WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
SQL
done
