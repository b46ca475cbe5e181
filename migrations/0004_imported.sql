-- Payloads that were imported, not taken from CPA: decoded later, they become history and no counter
-- moves. Events say the same of themselves by 128 in `flags`.
ALTER TABLE reject ADD COLUMN imported INTEGER NOT NULL DEFAULT 0;
