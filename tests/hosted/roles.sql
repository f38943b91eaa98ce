-- What the provider's superuser makes in a cluster before the project's owner comes.

CREATE ROLE project_owner LOGIN CREATEDB CREATEROLE BYPASSRLS;
ALTER ROLE project_owner SET statement_timeout = '2min';

CREATE ROLE anon NOLOGIN NOINHERIT;
CREATE ROLE authenticated NOLOGIN NOINHERIT;
CREATE ROLE service_role NOLOGIN NOINHERIT BYPASSRLS;
GRANT anon, authenticated, service_role TO project_owner WITH ADMIN OPTION;
ALTER ROLE anon SET statement_timeout = '3s';
ALTER ROLE authenticated SET statement_timeout = '8s';
