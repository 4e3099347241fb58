-- A withdrawal through this node's own API is for good: the name is never given again, by no protocol. Deletions of SNMS
-- and of the Handle protocol are not, since their clients delete and register again. What was withdrawn before is left
-- as it was.
ALTER TABLE identifiers ADD COLUMN for_good boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN identifiers.for_good IS 'of a tombstone: the name is never given again, though it has no successor';
