-- What is kept for an Idempotency-Key goes with the analysis it speaks of. Written once, with the answer; a reservation has none.
CREATE INDEX IF NOT EXISTS idempotency_location ON idempotency (location) WHERE location IS NOT NULL;
