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
