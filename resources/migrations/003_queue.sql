-- SPDX-License-Identifier: Apache-2.0
-- What comes next, and which labels are to be trusted: scores of reward models, gold verdicts, second looks, checks of labels.

-- A reward model that scored answers. purpose 'queue': one row a model, the active ones choose what is uncertain; 'doctor': a
-- model of a label check, trained without the labels it scores.
CREATE TABLE scorers (
    id         INTEGER PRIMARY KEY,
    purpose    TEXT NOT NULL CHECK (purpose IN ('queue', 'doctor')),
    model_hash TEXT NOT NULL,
    model_name TEXT NOT NULL,
    run_id     INTEGER NOT NULL REFERENCES runs(id), -- the newest job that brought scores of it
    active     INTEGER NOT NULL CHECK (active IN (0, 1)),
    created_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX scorers_by_model ON scorers(purpose, model_hash);
CREATE INDEX scorers_by_run ON scorers(run_id);

CREATE TABLE candidate_scores (
    scorer_id    INTEGER NOT NULL REFERENCES scorers(id),
    candidate_id INTEGER NOT NULL REFERENCES candidates(id),
    score        REAL NOT NULL,
    PRIMARY KEY (scorer_id, candidate_id)
) STRICT, WITHOUT ROWID;

-- Pairs whose right verdict is known: shown among the others to see how people do.
CREATE TABLE gold (
    task_id       INTEGER NOT NULL REFERENCES tasks(id),
    comparison_id INTEGER NOT NULL REFERENCES comparisons(id),
    winner        TEXT NOT NULL CHECK (winner IN ('a', 'b', 'tie')),
    source        TEXT NOT NULL CHECK (source IN ('hand', 'adjudicated', 'unanimous')),
    annotator_id  INTEGER REFERENCES annotators(id), -- who decided it, and so never meets it
    created_ms    INTEGER NOT NULL,
    PRIMARY KEY (task_id, comparison_id)
) STRICT, WITHOUT ROWID;

-- Labels that are to be looked at again. A judgement after after_event_id answers it.
CREATE TABLE second_looks (
    task_id        INTEGER NOT NULL REFERENCES tasks(id),
    comparison_id  INTEGER NOT NULL REFERENCES comparisons(id),
    after_event_id INTEGER NOT NULL,
    reason         TEXT NOT NULL,
    created_ms     INTEGER NOT NULL,
    PRIMARY KEY (task_id, comparison_id)
) STRICT, WITHOUT ROWID;

-- A cross-fitted check of labels: `folds` reward models, each trained without a part, and one job that scores with them.
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

CREATE INDEX presentations_by_person ON presentations(annotator_id, task_id, id);
CREATE INDEX presentations_of_gold ON presentations(task_id, comparison_id) WHERE stratum = 'gold';
