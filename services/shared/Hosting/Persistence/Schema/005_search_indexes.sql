-- A filter of a listing finds the rare value among all that a tenant ever had. Columns that never change, or once at the end: in SQLite a step of an
-- analysis writes to none of these. (PostgreSQL writes to all indexes of a row, partial ones aside, whenever one changes, and analyses_due does with each step.)
-- IF NOT EXISTS: a large installation may have made them beforehand, without holding up its services (docs/operating.md).
CREATE INDEX IF NOT EXISTS analyses_sha256 ON analyses (tenant, sha256, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS analyses_verdict ON analyses (tenant, verdict, created_at DESC, id DESC) WHERE verdict IS NOT NULL;
-- What is queued or running is found by analyses_due; of what succeeded there is enough.
CREATE INDEX IF NOT EXISTS analyses_unsuccessful ON analyses (tenant, status, created_at DESC, id DESC) WHERE status IN ('failed', 'canceled');
CREATE INDEX IF NOT EXISTS webhook_deliveries_undelivered ON webhook_deliveries (tenant, state, created_at DESC, id DESC) WHERE state <> 'delivered';
CREATE INDEX IF NOT EXISTS webhook_deliveries_endpoint ON webhook_deliveries (tenant, endpoint_id, created_at DESC, id DESC) WHERE endpoint_id IS NOT NULL;
-- Answers are forgotten at the old end. By created_at, which completing an answer does not change.
CREATE INDEX IF NOT EXISTS idempotency_created ON idempotency (created_at);
