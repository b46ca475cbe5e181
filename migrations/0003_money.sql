-- The states of the price list that values were computed by.
CREATE TABLE price_version (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE, -- day and hash
    source     TEXT    NOT NULL,        -- the lists it consists of
    first_used INTEGER NOT NULL         -- ns since the epoch
) STRICT;

-- NULL in events from before there were prices. Amounts are nano-dollars.
ALTER TABLE event ADD COLUMN value_nano    INTEGER; -- at list price; NULL = no price known
ALTER TABLE event ADD COLUMN cost_nano     INTEGER; -- 0 when a plan covers it
ALTER TABLE event ADD COLUMN price_version INTEGER;

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
