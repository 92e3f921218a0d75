-- Perceptual hashes of pictures that are still kept, for near-duplicates within a tenant. Four bands of 16 bits: two hashes that differ in at most 7 bits have a band that differs in at most one.
CREATE TABLE perceptual_hashes (
    analysis_id TEXT PRIMARY KEY,
    tenant      TEXT NOT NULL,
    hash        TEXT NOT NULL,            -- 16 hex digits
    band0       INTEGER NOT NULL,
    band1       INTEGER NOT NULL,
    band2       INTEGER NOT NULL,
    band3       INTEGER NOT NULL
);
CREATE INDEX perceptual_hashes_band0 ON perceptual_hashes (tenant, band0);
CREATE INDEX perceptual_hashes_band1 ON perceptual_hashes (tenant, band1);
CREATE INDEX perceptual_hashes_band2 ON perceptual_hashes (tenant, band2);
CREATE INDEX perceptual_hashes_band3 ON perceptual_hashes (tenant, band3);
