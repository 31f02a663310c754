CREATE INDEX candidates_by_batch ON candidates(import_batch_id) WHERE import_batch_id IS NOT NULL;
CREATE INDEX candidates_by_prompt ON candidates(prompt_id, sha);
CREATE INDEX candidates_by_run ON candidates(run_id) WHERE run_id IS NOT NULL;
CREATE INDEX comparisons_by_a ON comparisons(a_id);
CREATE INDEX comparisons_by_b ON comparisons(b_id);
CREATE INDEX comparisons_by_batch ON comparisons(import_batch_id) WHERE import_batch_id IS NOT NULL;
CREATE INDEX comparisons_by_prompt ON comparisons(prompt_id);
CREATE INDEX comparisons_by_run ON comparisons(run_id) WHERE run_id IS NOT NULL;
CREATE INDEX judgements_by_batch ON judgements(import_batch_id) WHERE import_batch_id IS NOT NULL;
CREATE INDEX judgements_by_comparison ON judgements(comparison_id);
CREATE INDEX judgements_by_person ON judgements(annotator_id, task_id, id);
CREATE UNIQUE INDEX judgements_chain ON judgements(origin, annotator_id, chain_seq);
CREATE INDEX package_pairs_by_comparison ON package_pairs(comparison_id);
CREATE INDEX package_returns_by_package ON package_returns(package_id);
CREATE INDEX packages_by_person ON packages(annotator_id);
CREATE INDEX presentations_by_comparison ON presentations(comparison_id);
CREATE INDEX presentations_by_person ON presentations(annotator_id, task_id, id);
CREATE INDEX presentations_of_gold ON presentations(task_id, comparison_id) WHERE stratum = 'gold';
CREATE INDEX prompts_by_batch ON prompts(import_batch_id) WHERE import_batch_id IS NOT NULL;
CREATE INDEX prompts_by_split ON prompts(split, id);
CREATE INDEX scorers_by_model ON scorers(purpose, model_hash);
CREATE INDEX scorers_by_run ON scorers(run_id);
CREATE TABLE annotators (
    id         INTEGER PRIMARY KEY,
    uuid       TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL CHECK (kind IN ('human', 'rule', 'judge', 'model')),
    name       TEXT NOT NULL CHECK (name <> ''),
    detail     TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    UNIQUE (kind, name)
) STRICT;
CREATE TABLE candidate_scores (
    scorer_id    INTEGER NOT NULL REFERENCES scorers(id),
    candidate_id INTEGER NOT NULL REFERENCES candidates(id),
    score        REAL NOT NULL,
    PRIMARY KEY (scorer_id, candidate_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE candidates (
    id              INTEGER PRIMARY KEY,
    uuid            TEXT NOT NULL UNIQUE,
    prompt_id       INTEGER NOT NULL REFERENCES prompts(id),
    kind            TEXT NOT NULL CHECK (kind IN ('text', 'image')),
    sha             TEXT NOT NULL,
    content_id      INTEGER REFERENCES contents(id),
    media_sha       TEXT,
    provenance      TEXT NOT NULL
                    CHECK (provenance IN ('human', 'rule', 'judge', 'model', 'transferred', 'imported')),
    model_name      TEXT NOT NULL DEFAULT '',
    model_hash      TEXT NOT NULL DEFAULT '',
    run_id          INTEGER REFERENCES runs(id),
    checkpoint      TEXT NOT NULL DEFAULT '',
    step            INTEGER NOT NULL DEFAULT -1,
    params          TEXT NOT NULL,
    seed            INTEGER NOT NULL DEFAULT 0,
    tokens          INTEGER NOT NULL DEFAULT -1,
    finished        INTEGER CHECK (finished IN (0, 1)),
    logp            REAL,
    parent_id       INTEGER REFERENCES candidates(id),
    import_batch_id INTEGER REFERENCES import_batches(id),
    withdrawn       INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn IN (0, 1)), -- its import was taken back
    created_ms      INTEGER NOT NULL,
    CHECK ((kind = 'text' AND content_id IS NOT NULL) OR (kind = 'image' AND media_sha IS NOT NULL))
) STRICT;
CREATE TABLE checkpoints (
    id         INTEGER PRIMARY KEY,
    run_id     INTEGER NOT NULL REFERENCES runs(id),
    step       INTEGER NOT NULL,
    path       TEXT NOT NULL,
    hash       TEXT NOT NULL DEFAULT '',
    reason     TEXT NOT NULL DEFAULT '',
    best       INTEGER NOT NULL DEFAULT 0 CHECK (best IN (0, 1)),
    pinned     INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1)),
    created_ms INTEGER NOT NULL,
    UNIQUE (run_id, path)
) STRICT;
CREATE TABLE comparison_members (
    comparison_id INTEGER NOT NULL REFERENCES comparisons(id),
    position      INTEGER NOT NULL CHECK (position >= 2),
    candidate_id  INTEGER NOT NULL REFERENCES candidates(id),
    PRIMARY KEY (comparison_id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE comparisons (
    id              INTEGER PRIMARY KEY,
    uuid            TEXT NOT NULL UNIQUE,
    sha             TEXT NOT NULL UNIQUE,
    prompt_id       INTEGER NOT NULL REFERENCES prompts(id),
    prompt_b_id     INTEGER REFERENCES prompts(id),
    a_id            INTEGER NOT NULL REFERENCES candidates(id),
    b_id            INTEGER NOT NULL REFERENCES candidates(id),
    differs_in      TEXT NOT NULL CHECK (differs_in IN ('response', 'prompt', 'image')),
    source          TEXT NOT NULL,
    task_id         INTEGER REFERENCES tasks(id),
    run_id          INTEGER REFERENCES runs(id),
    import_batch_id INTEGER REFERENCES import_batches(id),
    withdrawn       INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn IN (0, 1)), -- its import was taken back
    created_ms      INTEGER NOT NULL,
    CHECK (a_id <> b_id)
) STRICT;
CREATE TABLE contents (
    id   INTEGER PRIMARY KEY,
    sha  TEXT NOT NULL UNIQUE,
    text TEXT NOT NULL
) STRICT;
CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL CHECK (value >= 0)
) STRICT, WITHOUT ROWID;
CREATE TABLE current (
    task_id       INTEGER NOT NULL REFERENCES tasks(id),
    comparison_id INTEGER NOT NULL REFERENCES comparisons(id),
    annotator_id  INTEGER NOT NULL REFERENCES annotators(id),
    occasion      INTEGER NOT NULL,
    event_id      INTEGER NOT NULL REFERENCES judgements(id),
    kind          TEXT NOT NULL CHECK (kind IN ('vote', 'skip', 'flag')),
    winner        TEXT,
    tie_kind      TEXT,
    strength      INTEGER,
    bad_a         INTEGER NOT NULL,
    bad_b         INTEGER NOT NULL,
    flagged       INTEGER NOT NULL CHECK (flagged IN (0, 1)),
    provenance    TEXT NOT NULL,
    shown         INTEGER NOT NULL CHECK (shown IN (0, 1)),
    a_on_left     INTEGER NOT NULL CHECK (a_on_left IN (0, 1)),
    random        INTEGER NOT NULL CHECK (random IN (0, 1)),
    active_ms     INTEGER NOT NULL,
    PRIMARY KEY (task_id, comparison_id, annotator_id, occasion)
) STRICT, WITHOUT ROWID;
CREATE TABLE dataset_rows (
    dataset_id    INTEGER NOT NULL REFERENCES datasets(id),
    event_id      INTEGER NOT NULL REFERENCES judgements(id),
    task_id       INTEGER NOT NULL,
    comparison_id INTEGER NOT NULL,
    annotator_id  INTEGER NOT NULL,
    PRIMARY KEY (dataset_id, event_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE datasets (
    id            INTEGER PRIMARY KEY,
    uuid          TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL UNIQUE,
    sha           TEXT NOT NULL UNIQUE,
    filter        TEXT NOT NULL,
    aggregation   TEXT NOT NULL CHECK (aggregation IN ('majority', 'each')),
    tie_policy    TEXT NOT NULL CHECK (tie_policy IN ('drop', 'soft_label')),
    splits        TEXT NOT NULL,
    counts        TEXT NOT NULL,
    files         TEXT NOT NULL,
    last_event_id INTEGER NOT NULL,
    created_ms    INTEGER NOT NULL
) STRICT;
CREATE TABLE erased_from (
    tombstone_id INTEGER NOT NULL REFERENCES tombstones(id),
    kind         TEXT NOT NULL CHECK (kind IN ('dataset', 'run')),
    uuid         TEXT NOT NULL,
    PRIMARY KEY (tombstone_id, kind, uuid)
) STRICT, WITHOUT ROWID;
CREATE TABLE erased_parts (
    event_id INTEGER NOT NULL REFERENCES judgements(id),
    part     TEXT NOT NULL CHECK (part IN ('skip', 'flag', 'details')),
    sha      TEXT NOT NULL,
    PRIMARY KEY (event_id, part)
) STRICT, WITHOUT ROWID;
CREATE TABLE exposures (
    annotator_id INTEGER NOT NULL REFERENCES annotators(id),
    candidate_id INTEGER NOT NULL REFERENCES candidates(id),
    time_ms      INTEGER NOT NULL,
    PRIMARY KEY (annotator_id, candidate_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE gold (
    task_id       INTEGER NOT NULL REFERENCES tasks(id),
    comparison_id INTEGER NOT NULL REFERENCES comparisons(id),
    winner        TEXT NOT NULL CHECK (winner IN ('a', 'b', 'tie')),
    source        TEXT NOT NULL CHECK (source IN ('hand', 'adjudicated', 'unanimous')),
    annotator_id  INTEGER REFERENCES annotators(id), -- who decided it, and so never meets it
    created_ms    INTEGER NOT NULL,
    PRIMARY KEY (task_id, comparison_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE guidelines (
    task_id    INTEGER NOT NULL REFERENCES tasks(id),
    version    INTEGER NOT NULL CHECK (version >= 1),
    text       TEXT NOT NULL,
    sha        TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (task_id, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE import_batches (
    id          INTEGER PRIMARY KEY,
    uuid        TEXT NOT NULL UNIQUE,
    source      TEXT NOT NULL,
    sha         TEXT NOT NULL,
    format      TEXT NOT NULL,
    prompts     INTEGER NOT NULL DEFAULT 0,
    candidates  INTEGER NOT NULL DEFAULT 0,
    pairs       INTEGER NOT NULL DEFAULT 0,
    votes       INTEGER NOT NULL DEFAULT 0,
    created_ms  INTEGER NOT NULL,
    reverted_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE ingested (
    run_id INTEGER NOT NULL REFERENCES runs(id),
    file   TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    offset INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, file)
) STRICT, WITHOUT ROWID;
CREATE TABLE judgement_details (
    event_id   INTEGER PRIMARY KEY REFERENCES judgements(id),
    attributes TEXT,
    reasons    TEXT,
    rationale  TEXT,
    spans      TEXT,
    regions    TEXT,
    ranking    TEXT
) STRICT;
CREATE TABLE judgements (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid              TEXT NOT NULL UNIQUE,
    kind              TEXT NOT NULL CHECK (kind IN ('vote', 'skip', 'flag', 'undo', 'redo', 'revert')),
    task_id           INTEGER NOT NULL REFERENCES tasks(id),
    guideline_version INTEGER NOT NULL,
    comparison_id     INTEGER NOT NULL REFERENCES comparisons(id),
    annotator_id      INTEGER NOT NULL REFERENCES annotators(id),
    occasion          INTEGER NOT NULL DEFAULT 0 CHECK (occasion >= 0),
    presentation_id   INTEGER REFERENCES presentations(id),
    session_id        INTEGER REFERENCES sessions(id),
    target_id         INTEGER REFERENCES judgements(id),
    supersedes_id     INTEGER REFERENCES judgements(id),
    provenance        TEXT NOT NULL
                      CHECK (provenance IN ('human', 'rule', 'judge', 'model', 'transferred', 'imported')),
    winner            TEXT CHECK (winner IN ('a', 'b', 'tie')),
    tie_kind          TEXT CHECK (tie_kind IN ('both_good', 'both_bad', 'identical', 'unspecified')),
    strength          INTEGER CHECK (strength BETWEEN 1 AND 3),
    bad_a             INTEGER NOT NULL DEFAULT 0 CHECK (bad_a IN (0, 1)),
    bad_b             INTEGER NOT NULL DEFAULT 0 CHECK (bad_b IN (0, 1)),
    skip_reason       TEXT,
    flag              TEXT,
    edited_id         INTEGER REFERENCES candidates(id),
    details_sha       TEXT,
    view              TEXT NOT NULL DEFAULT '',
    first_paint_ms    INTEGER NOT NULL DEFAULT -1,
    active_ms         INTEGER NOT NULL DEFAULT -1,
    import_batch_id   INTEGER REFERENCES import_batches(id),
    origin            TEXT NOT NULL,
    app_version       TEXT NOT NULL,
    time_ms           INTEGER NOT NULL,
    mono_ns           INTEGER NOT NULL,
    chain_seq         INTEGER NOT NULL CHECK (chain_seq >= 1),
    prev_digest       TEXT NOT NULL,
    digest            TEXT NOT NULL,
    CHECK ((kind = 'vote') = (winner IS NOT NULL)),
    CHECK ((winner IS 'tie') = (tie_kind IS NOT NULL)),
    CHECK (strength IS NULL OR winner IN ('a', 'b')),
    CHECK ((kind IN ('undo', 'redo', 'revert')) = (target_id IS NOT NULL)),
    CHECK ((kind = 'skip') = (skip_reason IS NOT NULL))
) STRICT;
CREATE TABLE label_checks (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,
    task_id      INTEGER NOT NULL REFERENCES tasks(id),
    dataset_sha  TEXT NOT NULL,
    folds        INTEGER NOT NULL CHECK (folds >= 2),
    request      TEXT NOT NULL,
    runs         TEXT NOT NULL, -- names of the training runs, one a fold
    score_run    TEXT NOT NULL DEFAULT '',
    state        TEXT NOT NULL CHECK (state IN ('training', 'scoring', 'finished', 'failed')),
    reason       TEXT NOT NULL DEFAULT '',
    created_ms   INTEGER NOT NULL
) STRICT;
CREATE TABLE merged_presentations (
    presentation_id INTEGER PRIMARY KEY REFERENCES presentations(id),
    origin          TEXT NOT NULL,
    number          INTEGER NOT NULL,
    UNIQUE (origin, number)
) STRICT;
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE outcomes (
    id          INTEGER PRIMARY KEY,
    run_id      INTEGER NOT NULL REFERENCES runs(id),
    file        TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    prompt_id   INTEGER REFERENCES prompts(id),
    prompt_uuid TEXT NOT NULL DEFAULT '',
    winner      TEXT NOT NULL CHECK (winner IN ('a', 'b', 'tie')),
    a           TEXT NOT NULL,
    b           TEXT NOT NULL,
    judge       TEXT NOT NULL,
    score_a     REAL,
    score_b     REAL,
    UNIQUE (run_id, file, seq)
) STRICT;
CREATE TABLE package_pairs (
    package_id    INTEGER NOT NULL REFERENCES packages(id),
    comparison_id INTEGER NOT NULL REFERENCES comparisons(id),
    shared        INTEGER NOT NULL CHECK (shared IN (0, 1)),
    PRIMARY KEY (package_id, comparison_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE package_returns (
    id         INTEGER PRIMARY KEY,
    package_id INTEGER NOT NULL REFERENCES packages(id),
    sha        TEXT NOT NULL UNIQUE,
    origin     TEXT NOT NULL,
    events     INTEGER NOT NULL, -- in the file
    fresh      INTEGER NOT NULL, -- of them not known before
    merged_ms  INTEGER NOT NULL
) STRICT;
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
CREATE TABLE presentations (
    id                INTEGER PRIMARY KEY,
    task_id           INTEGER NOT NULL REFERENCES tasks(id),
    guideline_version INTEGER NOT NULL,
    comparison_id     INTEGER NOT NULL REFERENCES comparisons(id),
    annotator_id      INTEGER NOT NULL REFERENCES annotators(id),
    session_id        INTEGER REFERENCES sessions(id),
    occasion          INTEGER NOT NULL DEFAULT 0 CHECK (occasion >= 0),
    a_on_left         INTEGER NOT NULL CHECK (a_on_left IN (0, 1)),
    seed              INTEGER NOT NULL,
    rule              TEXT NOT NULL,
    propensity        REAL NOT NULL CHECK (propensity > 0 AND propensity <= 1),
    stratum           TEXT NOT NULL,
    blind             INTEGER NOT NULL CHECK (blind IN (0, 1)),
    exposed           INTEGER NOT NULL CHECK (exposed IN (0, 1)),
    shown_ms          INTEGER NOT NULL
) STRICT;
CREATE TABLE prompts (
    id              INTEGER PRIMARY KEY,
    uuid            TEXT NOT NULL UNIQUE,
    sha             TEXT NOT NULL UNIQUE,
    content_id      INTEGER NOT NULL REFERENCES contents(id),
    split           TEXT NOT NULL CHECK (split IN ('train', 'dev', 'test')),
    kind            TEXT NOT NULL DEFAULT '',
    verifier_kind   TEXT NOT NULL DEFAULT '',
    verifier_answer TEXT NOT NULL DEFAULT '',
    tags            TEXT NOT NULL,
    source          TEXT NOT NULL DEFAULT '',
    import_batch_id INTEGER REFERENCES import_batches(id),
    withdrawn       INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn IN (0, 1)), -- its import was taken back
    created_ms      INTEGER NOT NULL
) STRICT;
CREATE TABLE runs (
    id              INTEGER PRIMARY KEY,
    uuid            TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL UNIQUE,
    plugin          TEXT NOT NULL,
    plugin_version  TEXT NOT NULL,
    kind            TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('queued', 'running', 'paused', 'finished', 'stopped', 'failed')),
    reason          TEXT NOT NULL DEFAULT '',
    dataset_sha     TEXT NOT NULL DEFAULT '',
    device          TEXT NOT NULL DEFAULT '',
    seed            INTEGER NOT NULL DEFAULT 0,
    parameters      TEXT NOT NULL,
    models          TEXT NOT NULL,
    result          TEXT NOT NULL,
    last_checkpoint TEXT NOT NULL DEFAULT '',
    note            TEXT NOT NULL DEFAULT '',
    pinned          INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1)),
    priority        INTEGER NOT NULL DEFAULT 0,
    created_ms      INTEGER NOT NULL,
    started_ms      INTEGER NOT NULL DEFAULT 0,
    ended_ms        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE scorers (
    id         INTEGER PRIMARY KEY,
    purpose    TEXT NOT NULL CHECK (purpose IN ('queue', 'doctor')),
    model_hash TEXT NOT NULL,
    model_name TEXT NOT NULL,
    run_id     INTEGER NOT NULL REFERENCES runs(id), -- the newest job that brought scores of it
    active     INTEGER NOT NULL CHECK (active IN (0, 1)),
    created_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE second_looks (
    task_id        INTEGER NOT NULL REFERENCES tasks(id),
    comparison_id  INTEGER NOT NULL REFERENCES comparisons(id),
    after_event_id INTEGER NOT NULL,
    reason         TEXT NOT NULL,
    created_ms     INTEGER NOT NULL,
    PRIMARY KEY (task_id, comparison_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,
    annotator_id INTEGER NOT NULL REFERENCES annotators(id),
    task_id      INTEGER NOT NULL REFERENCES tasks(id),
    program      TEXT NOT NULL,
    app_version  TEXT NOT NULL,
    started_ms   INTEGER NOT NULL,
    ended_ms     INTEGER
) STRICT;
CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE standing_orders (
    id         INTEGER PRIMARY KEY,
    uuid       TEXT NOT NULL UNIQUE,
    task_id    INTEGER NOT NULL REFERENCES tasks(id),
    target     INTEGER NOT NULL CHECK (target >= 0),
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    generate   TEXT NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE tasks (
    id                INTEGER PRIMARY KEY,
    uuid              TEXT NOT NULL UNIQUE,
    name              TEXT NOT NULL UNIQUE CHECK (name <> ''),
    question          TEXT NOT NULL,
    guideline_version INTEGER NOT NULL CHECK (guideline_version >= 1),
    scale             TEXT NOT NULL CHECK (scale IN ('simple', 'seven_point')),
    required_parts    TEXT NOT NULL,
    view              TEXT NOT NULL,
    queue_mix         TEXT NOT NULL,
    attributes        TEXT NOT NULL,
    people            TEXT NOT NULL,
    quota             INTEGER NOT NULL DEFAULT 0 CHECK (quota >= 0),
    reveal_names      INTEGER NOT NULL DEFAULT 0 CHECK (reveal_names IN (0, 1)),
    archived          INTEGER NOT NULL DEFAULT 0 CHECK (archived IN (0, 1)),
    created_ms        INTEGER NOT NULL
) STRICT;
CREATE TABLE test_openings (
    id      INTEGER PRIMARY KEY,
    why     TEXT NOT NULL,
    program TEXT NOT NULL,
    time_ms INTEGER NOT NULL
) STRICT;
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
CREATE TRIGGER candidates_stay BEFORE DELETE ON candidates
BEGIN SELECT RAISE(ABORT, 'candidates are withdrawn, never deleted'); END;
CREATE TRIGGER comparisons_stay BEFORE DELETE ON comparisons
BEGIN SELECT RAISE(ABORT, 'comparisons are withdrawn, never deleted'); END;
CREATE TRIGGER count_candidate_change AFTER UPDATE OF withdrawn ON candidates BEGIN
    UPDATE counters SET value = value + OLD.withdrawn - NEW.withdrawn WHERE name = 'candidates';
END;
CREATE TRIGGER count_candidate_in AFTER INSERT ON candidates WHEN NEW.withdrawn = 0 BEGIN
    UPDATE counters SET value = value + 1 WHERE name = 'candidates';
END;
CREATE TRIGGER count_comparison_change AFTER UPDATE OF withdrawn ON comparisons BEGIN
    UPDATE counters SET value = value + OLD.withdrawn - NEW.withdrawn WHERE name = 'comparisons';
END;
CREATE TRIGGER count_comparison_in AFTER INSERT ON comparisons WHEN NEW.withdrawn = 0 BEGIN
    UPDATE counters SET value = value + 1 WHERE name = 'comparisons';
END;
CREATE TRIGGER count_current_in AFTER INSERT ON current BEGIN
    UPDATE counters SET value = value + 1 WHERE name = 'current' AND NEW.kind = 'vote' AND NEW.occasion = 0;
    UPDATE counters SET value = value + 1 WHERE name = 'skips' AND NEW.kind = 'skip' AND NEW.occasion = 0;
    UPDATE counters SET value = value + 1 WHERE name = 'flags' AND NEW.flagged = 1 AND NEW.occasion = 0;
END;
CREATE TRIGGER count_current_out AFTER DELETE ON current BEGIN
    UPDATE counters SET value = value - 1 WHERE name = 'current' AND OLD.kind = 'vote' AND OLD.occasion = 0;
    UPDATE counters SET value = value - 1 WHERE name = 'skips' AND OLD.kind = 'skip' AND OLD.occasion = 0;
    UPDATE counters SET value = value - 1 WHERE name = 'flags' AND OLD.flagged = 1 AND OLD.occasion = 0;
END;
CREATE TRIGGER count_dataset_in AFTER INSERT ON datasets BEGIN
    UPDATE counters SET value = value + 1 WHERE name = 'datasets';
END;
CREATE TRIGGER count_dataset_out AFTER DELETE ON datasets BEGIN
    UPDATE counters SET value = value - 1 WHERE name = 'datasets';
END;
CREATE TRIGGER count_event AFTER INSERT ON judgements BEGIN
    UPDATE counters SET value = value + 1 WHERE name = 'events';
END;
CREATE TRIGGER count_prompt_change AFTER UPDATE OF split, withdrawn ON prompts BEGIN
    UPDATE counters SET value = value - 1
        WHERE OLD.withdrawn = 0 AND name IN ('prompts', 'prompts_' || OLD.split);
    UPDATE counters SET value = value + 1
        WHERE NEW.withdrawn = 0 AND name IN ('prompts', 'prompts_' || NEW.split);
END;
CREATE TRIGGER count_prompt_in AFTER INSERT ON prompts WHEN NEW.withdrawn = 0 BEGIN
    UPDATE counters SET value = value + 1 WHERE name IN ('prompts', 'prompts_' || NEW.split);
END;
CREATE TRIGGER count_run_in AFTER INSERT ON runs BEGIN
    UPDATE counters SET value = value + 1 WHERE name = 'runs';
END;
CREATE TRIGGER count_run_out AFTER DELETE ON runs BEGIN
    UPDATE counters SET value = value - 1 WHERE name = 'runs';
END;
CREATE TRIGGER current_is_replaced BEFORE UPDATE ON current
BEGIN SELECT RAISE(ABORT, 'current rows are deleted and inserted, so that the counters follow'); END;
CREATE TRIGGER judgements_never_change BEFORE UPDATE ON judgements
BEGIN SELECT RAISE(ABORT, 'judgements are append-only'); END;
CREATE TRIGGER judgements_never_go BEFORE DELETE ON judgements
BEGIN SELECT RAISE(ABORT, 'judgements are append-only'); END;
CREATE TRIGGER prompts_stay BEFORE DELETE ON prompts
BEGIN SELECT RAISE(ABORT, 'prompts are withdrawn, never deleted'); END;
