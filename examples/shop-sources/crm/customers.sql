-- What a shop's own database has; any PostgreSQL will do.
CREATE SCHEMA shop_crm;
CREATE TABLE shop_crm.customers (id integer PRIMARY KEY, name text NOT NULL, updated_at timestamptz NOT NULL);
INSERT INTO shop_crm.customers VALUES (1, 'Ann', '2025-01-01 09:00Z'), (2, 'Bob', '2025-01-02 10:30Z'), (3, 'Cleo', '2025-01-03 11:00Z');
