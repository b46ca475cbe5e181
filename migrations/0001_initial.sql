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
    flags            INTEGER NOT NULL, -- bits: `EventFlags` in src/store/flags.rs
    latency_ms       INTEGER NOT NULL,
    ttft_ms          INTEGER NOT NULL, -- 0 = unknown
    input            INTEGER NOT NULL, -- the six token kinds are disjoint
    cache_read       INTEGER NOT NULL,
    cache_write      INTEGER NOT NULL,
    output           INTEGER NOT NULL,
    reasoning        INTEGER NOT NULL,
    unclassified     INTEGER NOT NULL,
    request_id       ANY,              -- blob when it was lower-case hex or a UUID, else text
    status           INTEGER,          -- failed attempts only, like the next two
    reason           INTEGER,
    excerpt          ANY,              -- start of the error text, secrets masked; or its id
    value_nano       INTEGER,          -- nano-dollars at list price; NULL = no price known
    cost_nano        INTEGER,          -- nano-dollars; 0 when a plan covers it
    price_version    INTEGER,
    cache_write_1h   INTEGER,          -- part of cache_write that is kept for an hour; NULL = not told
    PRIMARY KEY (ts, digest)
) STRICT, WITHOUT ROWID;

-- Keys of events in the order of their insertion, which the key of `event` does not tell. Filled
-- only while a forwarder has a cursor; rows go once every forwarder has passed them.
CREATE TABLE outbox (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    ts     INTEGER NOT NULL,
    digest INTEGER NOT NULL
) STRICT;

-- Payloads that are no records: whole, secrets masked, until they are replayed.
CREATE TABLE reject (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    received INTEGER NOT NULL, -- ns since the epoch
    reason   INTEGER NOT NULL,
    detail   TEXT    NOT NULL,
    payload  BLOB    NOT NULL,
    imported INTEGER NOT NULL DEFAULT 0 -- 1: decoded later, it moves no counter
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
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    epoch   INTEGER NOT NULL,
    commits INTEGER NOT NULL, -- number of the last ingest commit
    events  INTEGER NOT NULL  -- rows in event
) STRICT;

INSERT INTO state VALUES (1, 1, 0, 0);

-- How far each source was read and each sink was written. A cursor moves in the transaction that
-- stores what lies before it.
CREATE TABLE cursor (
    name  TEXT    NOT NULL PRIMARY KEY, -- `spool`, or `forward/` and the name of a sink
    major INTEGER NOT NULL,             -- spool: id of the segment; forwarder: 0
    minor INTEGER NOT NULL              -- spool: offset in bytes; forwarder: `seq` of the outbox
    -- Of CPA: `contact` (ns since the epoch, 0), `contact/counts` (CPA's request count, records
    -- since), `loss` (ns since the epoch, 0).
) STRICT, WITHOUT ROWID;

-- Accounts that CPA has listed, kept when CPA lists them no longer.
CREATE TABLE account (
    account    INTEGER NOT NULL PRIMARY KEY, -- id in `dimension`
    provider   TEXT    NOT NULL,             -- the credential's own, not the executor's
    first_seen INTEGER NOT NULL,             -- ns since the epoch
    last_seen  INTEGER NOT NULL              -- to the hour
) STRICT;

-- The limit windows that readings were ever taken of.
CREATE TABLE quota_window (
    id       INTEGER NOT NULL PRIMARY KEY,
    account  INTEGER NOT NULL,
    provider TEXT    NOT NULL, -- the credential's own
    name     TEXT    NOT NULL, -- `main`, or the provider's own name
    window   TEXT    NOT NULL, -- `5h`, `weekly`, …
    seconds  INTEGER,          -- length, where it is known
    role     INTEGER NOT NULL, -- what the provider calls a window without length
    scope    INTEGER NOT NULL, -- 0 account, 1 model, 2 feature, 3 spend, 4 local
    title    TEXT,             -- the provider's display name
    unit     INTEGER NOT NULL, -- 0 tokens, 1 requests, 2 credits, 3 USD, 4 seconds
    UNIQUE (account, name, window)
) STRICT;

-- Readings that differ from the one before: change points, not polls.
CREATE TABLE quota_point (
    window     INTEGER NOT NULL,
    observed   INTEGER NOT NULL, -- ns since the epoch
    used_ratio REAL,             -- 1 = all; absent = unknown, like all that follow
    used       REAL,
    quota      REAL,
    remaining  REAL,
    reset_at   INTEGER,          -- ns since the epoch
    exhausted  INTEGER,          -- 0 or 1
    unlimited  INTEGER NOT NULL, -- 0 or 1
    source     INTEGER NOT NULL, -- 0 poll, 1 header, 2 error, 3 local
    PRIMARY KEY (window, observed)
) STRICT, WITHOUT ROWID;

-- The states of the price list that values were computed by.
CREATE TABLE price_version (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE, -- day and hash
    source     TEXT    NOT NULL,        -- the lists it consists of
    first_used INTEGER NOT NULL         -- ns since the epoch
) STRICT;

-- What repricing has added to the values of events that had been counted before, so that counter
-- and correction together are the sum of the events.
CREATE TABLE correction (
    provider   INTEGER NOT NULL,
    model      INTEGER NOT NULL,
    account    INTEGER NOT NULL,
    value_nano INTEGER NOT NULL,
    cost_nano  INTEGER NOT NULL,
    PRIMARY KEY (provider, model, account)
) STRICT, WITHOUT ROWID;

-- Position in the log of a gateway (New API, One API): a single row. Ids are the gateway's.
CREATE TABLE gateway_tail (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    location    TEXT    NOT NULL, -- database of the log, without user and password
    cursor      INTEGER NOT NULL, -- last row that is counted
    cursor_time INTEGER           -- its time, Unix seconds
) STRICT;

-- Missing ids below the cursor: rows that may still be committed.
CREATE TABLE gateway_gap (
    first INTEGER PRIMARY KEY,
    last  INTEGER NOT NULL
) STRICT;

-- Some rows that were counted, by which an emptied log is told from an older copy.
CREATE TABLE gateway_anchor (
    id   INTEGER PRIMARY KEY,
    time INTEGER NOT NULL -- Unix seconds
) STRICT;
