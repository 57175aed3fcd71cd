-- A spool as the first schema left it: five events, the first delivered, two in an open batch, one waiting, one refused.
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE counter(name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE event(
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, class INTEGER NOT NULL, wall_ms INTEGER NOT NULL,
    session TEXT NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX event_c ON event(seq) WHERE class = 2;
CREATE TABLE batch(
    key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    rows INTEGER NOT NULL, bytes INTEGER NOT NULL, tries INTEGER NOT NULL, plain INTEGER NOT NULL,
    next_at INTEGER NOT NULL);
CREATE TABLE quarantine(seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, code INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE open_impression(slot INTEGER PRIMARY KEY, event TEXT NOT NULL);
INSERT INTO meta VALUES ('installation', '11111111-2222-4333-8444-555555555555');
INSERT INTO event VALUES
    (2, 'old', 1, 1700000000000, 's', 69, x'62036f6c64'),
    (3, 'old', 1, 1700000000000, 's', 69, x'62036f6c64'),
    (4, 'old', 2, 1700000000000, 's', 69, x'62036f6c64');
INSERT INTO batch VALUES (1, '11111111-2222-4333-8444-555555555555/2', 2, 3, 2, 138, 3, 0, 0);
INSERT INTO quarantine VALUES (5, 'old', 400, x'62036f6c64');
INSERT INTO counter VALUES
    ('recorded', 5), ('delivered', 1), ('quarantined', 1), ('last_seq', 5), ('claimed_to', 3),
    ('rows', 3), ('bytes', 207), ('unclaimed_rows', 1), ('unclaimed_bytes', 69);
PRAGMA user_version = 1;
