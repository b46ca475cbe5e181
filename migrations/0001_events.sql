-- Values that repeat, stored once. Id 0 is the absent value and has no row.
CREATE TABLE dimension (
    dimension INTEGER NOT NULL,
    id        INTEGER NOT NULL,
    value     TEXT    NOT NULL,
    -- Name in labels where it is not the value: accounts and clients. Chosen once, never reused.
    label     TEXT,
    PRIMARY KEY (dimension, id),
    UNIQUE (dimension, value),
    UNIQUE (dimension, label)
) STRICT, WITHOUT ROWID;

-- One row for each upstream attempt. The key orders by time and finds re-deliveries.
CREATE TABLE event (
    ts               INTEGER NOT NULL, -- ns since the epoch, start of the attempt
    digest           INTEGER NOT NULL, -- hash of identity and content
    provider         INTEGER NOT NULL,
    executor         INTEGER NOT NULL,
    model            INTEGER NOT NULL,
    alias            INTEGER NOT NULL,
    endpoint         INTEGER NOT NULL,
    account          INTEGER NOT NULL,
    source           INTEGER NOT NULL,
    client           INTEGER NOT NULL,
    service_tier     INTEGER NOT NULL,
    response_tier    INTEGER NOT NULL,
    reasoning_effort INTEGER NOT NULL,
    flags            INTEGER NOT NULL, -- 1 failed, 2 prewarm, 4 stream, 8.. auth type, 32.. quality
    latency_ms       INTEGER NOT NULL,
    ttft_ms          INTEGER NOT NULL, -- 0 = unknown
    input            INTEGER NOT NULL, -- the six token kinds are disjoint
    cache_read       INTEGER NOT NULL,
    cache_write      INTEGER NOT NULL,
    output           INTEGER NOT NULL,
    reasoning        INTEGER NOT NULL,
    unclassified     INTEGER NOT NULL,
    request_id       ANY,              -- blob when it was lower-case hex or a UUID, else text
    status           INTEGER,          -- failed attempts only, from here on
    reason           INTEGER,
    excerpt          ANY,              -- start of the error text, secrets masked; or its id
    PRIMARY KEY (ts, digest)
) STRICT, WITHOUT ROWID;

-- Payloads that are no records: whole, secrets masked, until they are replayed.
CREATE TABLE reject (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    received INTEGER NOT NULL, -- ns since the epoch
    reason   INTEGER NOT NULL,
    detail   TEXT    NOT NULL,
    payload  BLOB    NOT NULL
) STRICT;

-- Running totals behind the counters. Never lowered by retention; a new epoch starts at zero.
CREATE TABLE total (
    epoch  INTEGER NOT NULL,
    family INTEGER NOT NULL,
    k1     INTEGER NOT NULL,
    k2     INTEGER NOT NULL,
    k3     INTEGER NOT NULL,
    k4     INTEGER NOT NULL,
    k5     INTEGER NOT NULL,
    shown  INTEGER NOT NULL, -- 1 once a scrape has seen the series at zero
    cells  BLOB    NOT NULL, -- unsigned 64-bit little-endian integers
    PRIMARY KEY (epoch, family, k1, k2, k3, k4, k5)
) STRICT, WITHOUT ROWID;

-- A single row: what this database has seen.
CREATE TABLE state (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    epoch          INTEGER NOT NULL,
    commits        INTEGER NOT NULL, -- number of the last ingest commit
    events         INTEGER NOT NULL, -- rows in event
    spool_segment  INTEGER NOT NULL, -- everything before this position has been committed
    spool_offset   INTEGER NOT NULL
) STRICT;

INSERT INTO state VALUES (1, 1, 0, 0, 0, 0);
