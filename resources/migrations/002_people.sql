-- SPDX-License-Identifier: Apache-2.0
-- Work packages, what came back of them, and what was erased.

CREATE TABLE packages (
    id                INTEGER PRIMARY KEY,
    uuid              TEXT NOT NULL UNIQUE,
    task_id           INTEGER NOT NULL REFERENCES tasks(id),
    guideline_version INTEGER NOT NULL,
    annotator_id      INTEGER NOT NULL REFERENCES annotators(id),
    seed              INTEGER NOT NULL,
    sha               TEXT NOT NULL, -- of the file that was written
    created_ms        INTEGER NOT NULL
) STRICT;
CREATE INDEX packages_by_person ON packages(annotator_id);

-- shared: every package of the same deal has it.
CREATE TABLE package_pairs (
    package_id    INTEGER NOT NULL REFERENCES packages(id),
    comparison_id INTEGER NOT NULL REFERENCES comparisons(id),
    shared        INTEGER NOT NULL CHECK (shared IN (0, 1)),
    PRIMARY KEY (package_id, comparison_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX package_pairs_by_comparison ON package_pairs(comparison_id);

-- Files that were merged, each once.
CREATE TABLE package_returns (
    id         INTEGER PRIMARY KEY,
    package_id INTEGER NOT NULL REFERENCES packages(id),
    sha        TEXT NOT NULL UNIQUE,
    origin     TEXT NOT NULL,
    events     INTEGER NOT NULL, -- in the file
    fresh      INTEGER NOT NULL, -- of them not known before
    merged_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX package_returns_by_package ON package_returns(package_id);

-- Presentations of another project: their identity is its origin and their number there.
CREATE TABLE merged_presentations (
    presentation_id INTEGER PRIMARY KEY REFERENCES presentations(id),
    origin          TEXT NOT NULL,
    number          INTEGER NOT NULL,
    UNIQUE (origin, number)
) STRICT;

-- What was erased: that it was, never what it said. `why` and `who` are the words of whoever erased it.
CREATE TABLE tombstones (
    id         INTEGER PRIMARY KEY,
    uuid       TEXT NOT NULL UNIQUE, -- of the person or prompt
    kind       TEXT NOT NULL CHECK (kind IN ('person', 'prompt')),
    why        TEXT NOT NULL,
    who        TEXT NOT NULL,
    counts     TEXT NOT NULL,
    cleaned    INTEGER NOT NULL DEFAULT 0 CHECK (cleaned IN (0, 1)), -- file rewritten and backups removed
    created_ms INTEGER NOT NULL
) STRICT;

-- Events whose words were erased: the digest covers sha, which is what the words hashed to.
CREATE TABLE erased_parts (
    event_id INTEGER NOT NULL REFERENCES judgements(id),
    part     TEXT NOT NULL CHECK (part IN ('skip', 'flag', 'details')),
    sha      TEXT NOT NULL,
    PRIMARY KEY (event_id, part)
) STRICT, WITHOUT ROWID;

-- Datasets and runs that held something that was erased.
CREATE TABLE erased_from (
    tombstone_id INTEGER NOT NULL REFERENCES tombstones(id),
    kind         TEXT NOT NULL CHECK (kind IN ('dataset', 'run')),
    uuid         TEXT NOT NULL,
    PRIMARY KEY (tombstone_id, kind, uuid)
) STRICT, WITHOUT ROWID;
