-- A claim looks at a few rows of each receiver, however many wait for it: the receivers one after the other, the oldest due rows of each, and those that are on their way.
CREATE INDEX webhook_deliveries_target ON webhook_deliveries (target, due_at, id) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_claimed ON webhook_deliveries (claimed_until) WHERE state = 'pending';
-- The log is cut at its old end.
CREATE INDEX webhook_deliveries_created ON webhook_deliveries (created_at);
