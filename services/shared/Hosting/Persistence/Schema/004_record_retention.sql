-- The records of erased analyses go after a while.
CREATE INDEX analyses_erased ON analyses (erased_at) WHERE erased_at IS NOT NULL;
