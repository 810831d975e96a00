/**
 * The tables of the database, and how they came to be: each migration runs once, in order, in one transaction with the
 * others that are missing. Statements are those that SQLite and PostgreSQL share.
 *
 * Times are milliseconds since 1970, amounts of money are nanodollars (1e-9 US dollars), both as 64-bit integers. Flags are
 * 0 or 1. Lists and mappings are JSON texts. A missing name is the empty text where it is part of a primary key.
 *
 * What many calls have in common, such as their key, route and outcome, is a row of `call_dimensions`; what differs is a row of
 * `call_facts` for each. The view `calls` has both. `used_at` is the start of the last day on which a call had these dimensions.
 *
 * Most calls make one attempt, which has no row of its own: a call with `attempt_millis` is also that of its attempt. The view
 * `attempts` has all of them.
 */
import * as Effect from "effect/Effect"
import type { ResolvedMigration } from "effect/sql/Migrator"
import { SqlClient } from "effect/sql/SqlClient"
import { responses } from "./ResponseTables.ts"

/** A migration of statements separated by semicolons. */
const statements = (id: number, name: string, text: string): ResolvedMigration => [
  id,
  name,
  Effect.succeed(
    Effect.flatMap(SqlClient, (sql) =>
      Effect.forEach(
        text.split(";").filter((statement) => statement.trim() !== ""),
        (statement) => sql.unsafe(statement),
        { discard: true },
      ),
    ),
  ),
]

/** A roll-up of the ledger: `start` is the start of its days or hours in UTC. */
const spend = (table: string): string => `CREATE TABLE ${table} (
  start BIGINT NOT NULL,
  key_id TEXT NOT NULL,
  team_id TEXT NOT NULL,
  tags TEXT NOT NULL,
  route TEXT NOT NULL,
  deployment TEXT NOT NULL,
  vendor TEXT NOT NULL,
  model TEXT NOT NULL,
  calls BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  failed_calls BIGINT NOT NULL,
  input_tokens BIGINT NOT NULL,
  cached_input_tokens BIGINT NOT NULL,
  cache_write_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  reasoning_tokens BIGINT NOT NULL,
  cost BIGINT NOT NULL,
  estimated_cost BIGINT NOT NULL,
  unpriced_attempts BIGINT NOT NULL,
  PRIMARY KEY (start, key_id, team_id, tags, route, deployment, vendor, model)
)`

export const migrations: ReadonlyArray<ResolvedMigration> = [
  statements(
    1,
    "keys, teams, budgets, ledger",
    `
CREATE TABLE teams (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  routes TEXT,
  limits TEXT,
  metadata TEXT NOT NULL,
  disabled INTEGER NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE TABLE keys (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  hint TEXT NOT NULL,
  team_id TEXT REFERENCES teams (id),
  role TEXT NOT NULL,
  routes TEXT,
  limits TEXT,
  tags TEXT NOT NULL,
  metadata TEXT NOT NULL,
  expires_at BIGINT,
  disabled INTEGER NOT NULL,
  previous_hash TEXT UNIQUE,
  previous_until BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  last_used_at BIGINT
);
CREATE INDEX keys_team ON keys (team_id);
CREATE TABLE budgets (
  id TEXT PRIMARY KEY,
  scope_type TEXT NOT NULL,
  scope_name TEXT NOT NULL,
  amount BIGINT NOT NULL,
  budget_window TEXT NOT NULL,
  time_zone TEXT NOT NULL,
  then_use TEXT,
  alerts TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX budgets_scope ON budgets (scope_type, scope_name);
CREATE TABLE gateways (
  id TEXT PRIMARY KEY,
  seen_at BIGINT NOT NULL
);
CREATE TABLE budget_leases (
  budget_id TEXT NOT NULL,
  period_start BIGINT NOT NULL,
  gateway_id TEXT NOT NULL,
  granted BIGINT NOT NULL,
  spent BIGINT NOT NULL,
  reserved BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (budget_id, period_start, gateway_id)
);
CREATE INDEX budget_leases_gateway ON budget_leases (gateway_id);
CREATE TABLE budget_alerts (
  budget_id TEXT NOT NULL,
  period_start BIGINT NOT NULL,
  share DOUBLE PRECISION NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (budget_id, period_start, share)
);
CREATE TABLE audit (
  seq BIGINT PRIMARY KEY,
  at BIGINT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  before TEXT,
  after TEXT
);
CREATE INDEX audit_subject ON audit (kind, subject_id);
CREATE TABLE idempotency (
  actor TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  status INTEGER,
  body TEXT,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (actor, idempotency_key)
);
CREATE TABLE call_dimensions (
  id BIGINT PRIMARY KEY,
  used_at BIGINT NOT NULL,
  key_id TEXT NOT NULL,
  team_id TEXT NOT NULL,
  tags TEXT NOT NULL,
  route TEXT NOT NULL,
  model TEXT NOT NULL,
  deployment TEXT NOT NULL,
  vendor TEXT NOT NULL,
  served_model TEXT NOT NULL,
  protocol TEXT NOT NULL,
  streamed INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  reason TEXT,
  status INTEGER,
  cache TEXT,
  attempts INTEGER NOT NULL,
  price_version TEXT,
  split TEXT,
  estimated INTEGER NOT NULL
);
CREATE TABLE call_facts (
  id TEXT PRIMARY KEY,
  dimensions_id BIGINT NOT NULL,
  shadow_of TEXT,
  at BIGINT NOT NULL,
  millis BIGINT NOT NULL,
  first_token_millis BIGINT,
  attempt_millis BIGINT,
  input_tokens BIGINT NOT NULL,
  cached_input_tokens BIGINT NOT NULL,
  cache_write_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  reasoning_tokens BIGINT NOT NULL,
  cost BIGINT
);
CREATE INDEX call_facts_at ON call_facts (at);
CREATE INDEX call_facts_dimensions ON call_facts (dimensions_id, at);
CREATE INDEX call_facts_shadow ON call_facts (at) WHERE shadow_of IS NOT NULL;
CREATE VIEW calls AS
SELECT f.id, at, key_id, team_id, tags, route, model, deployment, vendor, served_model, protocol, streamed, outcome, reason,
  status, cache, millis, first_token_millis, attempts, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
  reasoning_tokens, cost, estimated, attempt_millis, price_version, split, shadow_of
FROM call_facts f JOIN call_dimensions d ON d.id = f.dimensions_id;
CREATE TABLE multiple_attempts (
  call_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  deployment TEXT NOT NULL,
  vendor TEXT NOT NULL,
  model TEXT NOT NULL,
  outcome TEXT NOT NULL,
  reason TEXT,
  status INTEGER,
  millis BIGINT NOT NULL,
  input_tokens BIGINT NOT NULL,
  cached_input_tokens BIGINT NOT NULL,
  cache_write_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  reasoning_tokens BIGINT NOT NULL,
  cost BIGINT,
  price_version TEXT,
  estimated INTEGER NOT NULL,
  PRIMARY KEY (call_id, position)
);
CREATE VIEW attempts AS
SELECT call_id, position, deployment, vendor, model, outcome, reason, status, millis, input_tokens, cached_input_tokens,
  cache_write_tokens, output_tokens, reasoning_tokens, cost, price_version, estimated
FROM multiple_attempts
UNION ALL
SELECT f.id, 0, deployment, vendor, served_model, outcome, reason, status, attempt_millis, input_tokens, cached_input_tokens,
  cache_write_tokens, output_tokens, reasoning_tokens, cost, price_version, estimated
FROM call_facts f JOIN call_dimensions d ON d.id = f.dimensions_id WHERE attempt_millis IS NOT NULL;
${spend("spend_daily")};
${spend("spend_hourly")}
`,
  ),
  statements(2, "stored responses", responses),
]
