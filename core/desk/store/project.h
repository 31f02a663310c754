// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/events.h"
#include "core/base/result.h"
#include "core/desk/domain/types.h"

namespace pl::desk {

struct ProjectOptions {
    std::string name;               ///< of a new project; else the folder's name
    std::string program = "pairlab"; ///< who holds it
    std::function<int64_t()> clock; ///< ms since the epoch; pl::nowMs when empty
    bool backups = true;
    bool durable = true; ///< false: synchronous=OFF, for tests that write a lot
    int64_t maxPages = 0; ///< the database may not grow beyond this (PRAGMA max_page_count); 0: as far as the disk goes
};

/// How opening went (after Mixxx's schema manager).
enum class OpenOutcome { Created, Current, Upgraded };

/// What changed, for views: passed to the observer after the commit.
enum class Change { Prompts, Candidates, Pairs, Votes, Tasks, People, Runs, Datasets, Imports, Settings };

struct Page {
    int64_t offset = 0;
    int64_t limit = 200;
    std::string text;            ///< substring of the prompt; empty: all
    std::optional<Split> split;
    Id task = 0, annotator = 0, run = 0, prompt = 0, importBatch = 0; ///< 0: any
    std::optional<CandidateKind> kind; ///< of answers and pairs; absent: both
    bool newestFirst = false;
};

struct PairPageRow {
    Comparison comparison;
    std::string promptHead, aHead, bHead; ///< first 200 characters; of an image "image" and the beginning of its hash
    Split split = Split::Train;
    std::string modelA, modelB;
    int64_t votes = 0; ///< current votes on it, of everybody
};

/// What `check` found; empty problems: sound.
struct CheckReport {
    std::vector<std::string> problems;
    int64_t events = 0, chains = 0, current = 0;
    bool ok() const { return problems.empty(); }
};

/// Durations that backups of different ages are kept for.
struct BackupPolicy {
    int recent = 12;               ///< the newest ones at least recentMinutes apart
    int recentMinutes = 10;
    int days = 7, weeks = 4, months = 6;
};
/// Which of these times (ms, any order) are kept; the newest always is. Pure.
std::vector<int64_t> keptBackups(std::vector<int64_t> times, int64_t nowMs, const BackupPolicy& policy = {});

/// A project folder: project.db, datasets/, media/, runs/, models/, cache/, backups/. One process, one connection, used
/// from one thread at a time (see StoreThread). Every write is a transaction that is on disk (synchronous=FULL) when the
/// call returns; a failed one changes nothing, neither on disk nor in memory.
class Project {
public:
    /// Fails with InvalidInput when the folder holds a project or other files, Io when it cannot be written.
    static Result<Project> create(const std::string& dir, ProjectOptions options = {});
    /// Busy ("held by pid N (program)"), NewerFormat (names both versions), Corrupt (names the newest backup), NotFound.
    static Result<Project> open(const std::string& dir, ProjectOptions options = {});
    static bool isProject(const std::string& dir);

    Project(Project&&) noexcept;
    Project& operator=(Project&&) noexcept;
    ~Project();
    /// Backs up when something changed, checkpoints and closes. The destructor does the same and swallows errors.
    Status close();

    const std::string& dir() const;
    const std::string& uuid() const;
    std::string name() const;
    OpenOutcome openOutcome() const;
    /// The last program ended without closing: the whole file was checked at open, or of a large one a check is due (opening.h).
    bool wasUnclean() const;
    std::string runsDir() const;
    std::string datasetsDir() const;
    std::string modelsDir() const;
    std::string mediaDir() const;
    std::string cacheDir() const;
    void setObserver(std::function<void(Change)> observer);

    // --- settings (JSON by key; the window keeps its own keys below "ui.") ---
    Result<Json> setting(const std::string& key, Json fallback = nullptr);
    Status setSetting(const std::string& key, const Json& value);

    // --- tasks: a new project has one, "Helpfulness" ---
    Result<std::vector<Task>> tasks();
    Result<Task> task(Id id);
    /// The first one that is not archived.
    Result<Task> defaultTask();
    Result<Id> addTask(const Task& task);
    /// A changed guideline becomes a new version; old votes keep theirs.
    Status updateTask(const Task& task);
    Result<std::string> guideline(Id task, int version);

    // --- people ---
    /// Finds by (kind, name) or adds.
    Result<Id> annotator(AnnotatorKind kind, const std::string& name, const Json& detail = Json::object());
    Result<std::vector<Annotator>> annotators();
    Result<Id> beginSession(Id annotator, Id task);
    Status endSession(Id session);

    // --- prompts, candidates, pairs ---
    /// Ids in the order given; a prompt that is there already keeps its split and is returned as it is.
    Result<std::vector<Id>> addPrompts(const std::vector<NewPrompt>& prompts);
    Result<Prompt> prompt(Id id);
    Result<Prompt> promptByUuid(const std::string& uuid);
    Result<std::vector<Prompt>> prompts(const Page& page = {});
    /// Prompts for a job: the whole split (or all) in the order of their hashes, at most limit (0: all). Test prompts need
    /// openTestSplit first only for training; generating and evaluating on them is counted by the caller.
    Result<std::vector<Prompt>> promptsForJob(std::optional<Split> split, int64_t limit = 0);
    Result<int64_t> countPrompts(const Page& page);
    /// Sealed test: counts and dates an opening; the number of openings so far.
    Result<int64_t> openTestSplit(const std::string& why);
    Result<int64_t> testOpenings();

    Result<std::vector<Id>> addCandidates(const std::vector<NewCandidate>& candidates);
    Result<Candidate> candidate(Id id);
    Result<std::vector<Candidate>> candidates(const Page& page);
    Result<int64_t> countCandidates(const Page& page);
    /// Copies an image (PNG, JPEG or WebP, looked at but not decoded) into media/ under its SHA-256, which is returned.
    Result<std::string> addMedia(const std::string& path);
    std::string mediaPath(const std::string& sha) const;

    struct NewPair {
        Id a = 0, b = 0; ///< candidates of one prompt
        std::string source = "manual";
        Id task = 0, run = 0;
        std::vector<Id> more; ///< further candidates of the same prompt: a k-way ranking, which no pair queue offers
    };
    /// The id of each pair (an existing one for the same contents; 0 when both texts are identical).
    Result<std::vector<Id>> addPairs(const std::vector<NewPair>& pairs);
    /// Candidates of a comparison in the order of their hashes: two, or more for a k-way ranking. A ranking payload
    /// {"v": 1, "ranks": [...]} has one rank each in this order, 1 best, equal ranks a tie.
    Result<std::vector<Candidate>> members(Id comparison);
    Result<MakePairsResult> makePairs(const MakePairsOptions& options);
    Result<std::vector<PairPageRow>> pairs(const Page& page);
    Result<int64_t> countPairs(const Page& page);
    Result<LabelItem> pairItem(Id comparison);

    // --- labelling ---
    /// The next pairs this person has not judged in this task, with presentations drawn but not yet recorded
    /// (presentation.id = 0; record with present()). Items in `skip` are left out (those already prefetched).
    struct NextOptions {
        Id task = 0, annotator = 0, session = 0;
        QueueRule rule = QueueRule::Fifo;
        size_t limit = 1;
        uint64_t seed = 0; ///< of sides and random order; the project's own when 0
        /// Of these prompts only. Without it train and dev: pairs of test prompts are never offered unless they are asked
        /// for, because votes on them stay out of datasets.
        std::optional<Split> split;
        std::optional<CandidateKind> kind; ///< pairs of texts or of images only
        bool blind = true;
        std::vector<Id> skip;
    };
    Result<std::vector<LabelItem>> next(const NextOptions& options);
    /// A hidden repeat of something this person judged at least minGap votes ago, sides drawn anew; from the same prompts
    /// as next().
    Result<std::optional<LabelItem>> nextRepeat(const NextOptions& options, int minGap = 50);
    /// Unjudged pairs left for this person; without a split those of train and dev, as next() offers them; with a kind those of
    /// texts or of images only.
    Result<int64_t> remaining(Id task, Id annotator, std::optional<Split> split = {}, std::optional<CandidateKind> kind = {});
    /// Records what is about to be shown and returns its id.
    Result<Id> present(const Presentation& presentation);
    /// One transaction: the event, its details, the chain, current and counters. The Ack follows the commit.
    Result<Ack> judge(const JudgementInput& input);
    /// present() and judge() in one transaction (simulated people, tests).
    Result<Ack> presentAndJudge(const Presentation& presentation, const JudgementInput& input);
    /// A reason, or empty to remove the flag; the vote stays as it is.
    Result<Ack> flag(Id task, Id annotator, Id comparison, const std::string& reason);
    /// Takes back this person's latest judgement in the task; NotFound when there is none.
    Result<Ack> undo(Id task, Id annotator);
    Result<Ack> redo(Id task, Id annotator);
    Result<bool> canUndo(Id task, Id annotator);
    Result<bool> canRedo(Id task, Id annotator);
    /// The person has met these candidates with their names: later presentations are marked exposed.
    Status markExposed(Id annotator, const std::vector<Id>& candidates);
    Result<std::vector<HistoryRow>> history(const Page& page);
    /// The judgement that counts now with all its details; empty when there is none.
    Result<std::optional<Judgement>> currentJudgement(Id task, Id annotator, Id comparison);
    /// The compact table; valid until the next call that writes.
    const std::vector<CurrentVote>& currentVotes() const;
    Counters counters() const;
    /// Characters and models of the two answers of every pair that carries a vote, and which they are.
    struct PairFacts {
        int64_t lengthA = 0, lengthB = 0;
        std::string modelA, modelB;
        Id prompt = 0, a = 0, b = 0;
    };
    Result<std::map<Id, PairFacts>> pairFacts();
    /// How many votes came from which stratum of the queue ("fifo", "random", "second", "repeat"), presentations that were judged.
    Result<std::map<std::string, int64_t>> strata(Id task = 0);

    // --- runs ---
    /// The next run number, for the folder's name; then insertRun with that id.
    Result<Id> reserveRun();
    Result<Id> insertRun(const RunRow& run);
    Status updateRun(const RunRow& run);
    Result<RunRow> run(Id id);
    /// By number ("42", "0042"), folder name, or uuid prefix (at least 6 characters).
    Result<RunRow> findRun(const std::string& text);
    /// Newest first.
    Result<std::vector<RunRow>> runs(const Page& page = {});
    /// Takes over events of bundle file `file` ("events.jsonl"): every (run, file, seq) once, all in one transaction.
    Result<IngestResult> ingest(Id run, const std::string& file, const std::vector<Event>& events);
    /// The highest seq taken over, and the byte offset kept beside it by setIngestOffset.
    struct Watermark {
        uint64_t seq = 0, offset = 0;
        bool any = false;
    };
    Result<Watermark> watermark(Id run, const std::string& file);
    Status setIngestOffset(Id run, const std::string& file, uint64_t offset);
    Result<std::vector<CheckpointRow>> checkpoints(Id run);
    Status pinCheckpoint(Id checkpoint, bool pinned);
    Result<std::vector<OutcomeRow>> outcomes(Id run);

    // --- standing orders ---
    Result<std::vector<StandingOrder>> standingOrders();
    Result<Id> setStandingOrder(const StandingOrder& order);

    // --- datasets ---
    /// Writes datasets/<sha>/ and its row. The same votes and the same spec give the same sha and the
    /// existing dataset, with the counts of now.
    Result<DatasetInfo> freezeDataset(const DatasetSpec& spec);
    /// What freezing would give, without writing.
    Result<DatasetCounts> previewDataset(const DatasetSpec& spec);
    Result<std::vector<DatasetInfo>> datasets();
    /// By name, sha prefix (at least 6 characters) or number.
    Result<DatasetInfo> findDataset(const std::string& text);
    Result<DatasetDrift> datasetDrift(Id dataset);

    // --- imports ---
    struct ImportMeta {
        std::string source, sha, format;
        Id task = 0;
        std::string annotatorName = "imported";
    };
    /// One batch in one transaction; known contents are counted as duplicates and change nothing. dryRun rolls back.
    Result<ImportCounts> importRows(const ImportMeta& meta, const std::vector<ImportRow>& rows, bool dryRun = false);
    Result<std::vector<ImportBatch>> importBatches();
    /// Takes back the labels of a batch (events) and removes the prompts, answers and pairs that nothing else uses.
    Status revertImport(Id batch);

    // --- safety ---
    Result<std::string> backup();
    Result<std::vector<std::string>> backupFiles();
    /// When something changed and the last backup is older than ten minutes.
    Status backupIfDue();
    Result<CheckReport> check();

    struct Impl;  ///< shared by the files of store/
    Impl& impl() { return *m; } ///< for store/ alone: what would crowd this class is a free function in a header of its own

private:
    explicit Project(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> m;
};

} // namespace pl::desk
