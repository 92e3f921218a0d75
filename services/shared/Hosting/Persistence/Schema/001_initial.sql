-- One script for SQLite and PostgreSQL. Times are Unix milliseconds, documents JSON text.
CREATE TABLE tenants (
    id             TEXT PRIMARY KEY,
    webhook_secret TEXT NOT NULL,
    created_at     BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY,          -- the key's public prefix
    tenant     TEXT NOT NULL REFERENCES tenants (id),
    hash       TEXT NOT NULL,             -- SHA-256 of the whole key, hex
    name       TEXT NOT NULL,
    scopes     TEXT NOT NULL,             -- space separated: submit read admin
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_tenant ON api_keys (tenant);

CREATE TABLE analyses (
    id             TEXT PRIMARY KEY,
    tenant         TEXT NOT NULL,
    version        INTEGER NOT NULL,      -- optimistic concurrency; also the SSE event id
    status         TEXT NOT NULL,
    stage          TEXT NOT NULL,
    stage_since    BIGINT NOT NULL,       -- when the pending step was (re)sent
    stage_attempts INTEGER NOT NULL,      -- how often it was re-sent
    stage_due      BIGINT,                -- when the sweep looks again; null when terminal
    created_at     BIGINT NOT NULL,
    started_at     BIGINT,
    completed_at   BIGINT,
    erased_at      BIGINT,
    verdict        TEXT,
    score          DOUBLE PRECISION,
    kind           TEXT,
    sha256         TEXT NOT NULL,
    batch_id       TEXT,
    batch_index    INTEGER,
    expires_at     BIGINT NOT NULL,       -- retention sweep
    request        TEXT NOT NULL,
    findings       TEXT NOT NULL
);
CREATE INDEX analyses_tenant ON analyses (tenant, created_at DESC, id DESC);
CREATE INDEX analyses_due ON analyses (stage_due) WHERE stage_due IS NOT NULL;
CREATE INDEX analyses_expiry ON analyses (expires_at) WHERE erased_at IS NULL;
CREATE INDEX analyses_batch ON analyses (batch_id, batch_index) WHERE batch_id IS NOT NULL;

CREATE TABLE outbox (
    id          TEXT PRIMARY KEY,         -- UUIDv7: sorts by time, becomes the MessageId
    analysis_id TEXT NOT NULL,
    destination TEXT,                     -- queue of a command; null: publish
    type        TEXT NOT NULL,
    body        TEXT NOT NULL,
    traceparent TEXT,
    created_at  BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE idempotency (
    tenant       TEXT NOT NULL,
    key          TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    status       INTEGER,                 -- null while in flight
    location     TEXT,
    body         TEXT,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant, key)
);

CREATE TABLE batches (
    id           TEXT PRIMARY KEY,
    tenant       TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    completed_at BIGINT,
    total        INTEGER NOT NULL,
    callback_url TEXT,
    metadata     TEXT,
    rejected     TEXT NOT NULL            -- JSON list: items refused at submission
);
CREATE INDEX batches_tenant ON batches (tenant, created_at DESC);

CREATE TABLE detectors (
    name       TEXT NOT NULL,
    instance   TEXT NOT NULL,             -- one row a process
    state      TEXT NOT NULL,             -- ready or error
    reason     TEXT,
    document   TEXT NOT NULL,             -- DetectorHeartbeat as JSON
    seen_at    BIGINT NOT NULL,
    PRIMARY KEY (name, instance)
);

CREATE TABLE webhook_endpoints (
    id              TEXT PRIMARY KEY,
    tenant          TEXT NOT NULL,
    url             TEXT NOT NULL,
    description     TEXT,
    events          TEXT NOT NULL,        -- space separated; empty: all
    secret          TEXT NOT NULL,
    previous_secret TEXT,
    previous_until  BIGINT,
    created_at      BIGINT NOT NULL,
    failing_since   BIGINT,
    disabled_at     BIGINT,
    disabled_reason TEXT
);
CREATE INDEX webhook_endpoints_tenant ON webhook_endpoints (tenant);

CREATE TABLE webhook_deliveries (
    id           TEXT PRIMARY KEY,        -- webhook-id, the same on every attempt
    tenant       TEXT NOT NULL,
    endpoint_id  TEXT,                    -- null: the analysis' own callback_url
    analysis_id  TEXT,
    batch_id     TEXT,
    url          TEXT NOT NULL,
    target       TEXT NOT NULL,           -- whose limit of parallel deliveries it counts against
    event        TEXT NOT NULL,
    body         TEXT NOT NULL,
    traceparent  TEXT,
    state        TEXT NOT NULL,           -- pending, delivered, failed
    attempts     INTEGER NOT NULL,
    due_at       BIGINT,
    claimed_until BIGINT NOT NULL DEFAULT 0,
    created_at   BIGINT NOT NULL,
    delivered_at BIGINT,
    last_status  INTEGER,
    last_error   TEXT,
    history      TEXT NOT NULL DEFAULT '[]' -- JSON list of attempts: at, status, error, duration_ms
);
-- A handler that runs twice schedules once.
CREATE UNIQUE INDEX webhook_deliveries_once ON webhook_deliveries (event, COALESCE(analysis_id, ''), COALESCE(batch_id, ''), COALESCE(endpoint_id, ''))
    WHERE analysis_id IS NOT NULL OR batch_id IS NOT NULL;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (due_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_tenant ON webhook_deliveries (tenant, created_at DESC);
CREATE INDEX webhook_deliveries_analysis ON webhook_deliveries (analysis_id);

CREATE TABLE feedback (
    analysis_id TEXT NOT NULL,
    tenant      TEXT NOT NULL,
    label       TEXT NOT NULL,
    note        TEXT,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (analysis_id, tenant)
);
