// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/image_info.h"
#include "core/base/os/files.h"
#include "core/base/os/lock.h"
#include "core/desk/domain/vote_table.h"
#include "core/desk/queue/pair_queue.h"
#include "core/desk/queue/repeat_pool.h"
#include "core/desk/store/queue_memory.h"
#include "core/desk/store/project.h"
#include "core/desk/store/sql.h"

namespace pl::desk {

/// How a file in media/ is called until it is whole.
inline const std::string kPartialMedia = ".partial-";

/// What is recorded about a judgement besides the judgement itself.
struct EventDraft {
    Id task = 0, comparison = 0, annotator = 0;
    int guidelineVersion = 1, occasion = 0;
    Id presentation = 0, session = 0, target = 0, supersedes = 0, importBatch = 0;
    EventKind kind = EventKind::Vote;
    Provenance provenance = Provenance::Human;
    const Judgement* judgement = nullptr; ///< of votes, skips and flags
    Id edited = 0;
    std::string view;
    int64_t firstPaintMs = -1, activeMs = -1;
};

/// Everything the digest of an event covers: identities and digests, never text.
struct DigestInput {
    std::string uuid, kind, task, comparison, annotator, target, supersedes, provenance, winner, tieKind, skipSha,
        flagSha, editedSha, detailsSha, view, origin, appVersion, previous;
    int64_t guidelineVersion = 1, occasion = 0, strength = 0, firstPaintMs = -1, activeMs = -1, timeMs = 0,
            monoNs = 0, chainSeq = 1;
    bool badA = false, badB = false;
    Json presentation; ///< [a_on_left, seed, rule, propensity, stratum, blind, exposed], null when there was none
};
std::string digestOf(const DigestInput& input);

inline constexpr const char* kVersion = "0.1.0";

/// The one rule of what may be offered for labelling: the split asked for, else all but the sealed test prompts.
inline bool offers(std::optional<Split> asked, Split split) { return asked ? split == *asked : split != Split::Test; }

struct Project::Impl {
    std::string dir, projectUuid, name;
    ProjectOptions options;
    std::optional<os::FileLock> lock;
    std::unique_ptr<SQLite::Database> db;
    std::unique_ptr<StatementCache> cache;
    OpenOutcome outcome = OpenOutcome::Current;
    bool unclean = false;
    bool closed = false;
    bool changed = false; ///< since the last backup
    int64_t lastBackupMs = 0;
    uint64_t seed = 0;
    std::function<void(Change)> observer;

    VoteTable votes;
    Counters counts;

    /// Filled when first needed; follows every commit.
    bool pairsLoaded = false;
    std::unordered_map<Id, PairInfo> pairs;
    struct QueueKey {
        Id task, annotator;
        QueueRule rule;
        std::optional<Split> split;
        std::optional<CandidateKind> kind;
        uint64_t seed;
        int stratum = -1; ///< of a mixed queue: Stratum; -1: all open pairs
        int votes = 2;    ///< wanted opinions, of the second stratum
        double kept = 1;  ///< share of the pairs that only the random draw may take (QueueMix::keptForRandom); Uncertain has the others
        auto operator<=>(const QueueKey&) const = default;
        bool is(Stratum what) const { return stratum == static_cast<int>(what); }
        /// Whether the queue holds the pair as long as it has no vote.
        bool takes(const PairInfo& pair) const {
            return (pair.task == 0 || pair.task == task) && offers(split, pair.split) && (!kind || pair.kind == *kind) &&
                   (kept >= 1 || keptForRandom(pair.hash, kept) == is(Stratum::Fresh));
        }
    };
    std::map<QueueKey, PairQueue> queues;
    std::map<QueueKey, UncertainQueue> uncertain;
    std::map<QueueKey, RepeatPool> repeats;
    QueueMemory memory;
    /// Whether a pair that the queue takes is in it now: this person has no vote on it, and others what its stratum says.
    bool holds(const QueueKey& key, Id comparison) const {
        if (votes.find({key.task, comparison, key.annotator, 0}))
            return false;
        if (key.stratum < 0)
            return true;
        if (memory.isGold(key.task, comparison) || memory.verdicts.count({key.task, comparison}))
            return false;
        const Tally tally = votes.tally(key.task, comparison);
        return key.is(Stratum::Second) ? tally.wantsMore(key.votes) : tally.total() == 0;
    }

    struct ChainHead {
        int64_t seq = 0;
        std::string digest;
    };
    std::map<Id, ChainHead> chainHeads;

    /// What memory learns when the transaction is on disk.
    struct Pending {
        std::vector<std::pair<VoteKey, std::optional<CurrentVote>>> votes;
        std::vector<std::pair<Id, PairInfo>> newPairs;
        std::vector<QueueMemory::Shown> shown;
        std::set<Id> rescored;    ///< pairs of answers with new scores
        bool dropScores = false;  ///< other models score from now on
        bool dropMarks = false;   ///< gold, second looks or adjudicators changed
        std::set<Change> changes;
        bool dropQueues = false;
    } pending;
    bool discard = false; ///< roll the transaction back although it succeeded (dry run)

    ~Impl();
    int64_t now() const { return options.clock ? options.clock() : nowMs(); }
    Query query(std::string sql) { return Query(*cache, std::move(sql)); }

    // --- project.cpp ---
    Status connect(bool fresh);
    Status load();
    Status loadVotes();
    void loadCounters();
    void commitToMemory();
    void rollback();
    std::string meta(const std::string& key, const std::string& fallback = {});
    void setMeta(const std::string& key, const std::string& value);
    Id ensureContent(const std::string& text);
    Result<Task> taskIn(Id id);
    Result<Id> annotatorIn(AnnotatorKind kind, const std::string& name, const Json& detail);

    // --- contents.cpp (inside a transaction) ---
    Result<Id> addPromptIn(const NewPrompt& prompt, Id batch, bool* fresh = nullptr);
    Result<Id> addCandidateIn(const NewCandidate& candidate, Id batch, bool* fresh = nullptr);
    /// There is a tombstone of the prompt: nothing of it comes back.
    bool isErased(Id prompt);
    /// 0: both texts are identical.
    Result<Id> addPairIn(const NewPair& pair, Id batch, bool* fresh = nullptr);
    /// With more than two members, which are kept in the order of their hashes; 0: two of them are identical.
    Result<Id> addRankingIn(const NewPair& pair, Id batch, bool* fresh);
    Result<std::vector<Candidate>> membersIn(Id comparison);
    Result<Prompt> promptIn(Id id);
    Result<Candidate> candidateIn(Id id);
    Result<Comparison> comparisonIn(Id id);
    Result<LabelItem> itemIn(Id comparison);

    // --- media.cpp ---
    enum class Take { Copy, Link }; ///< Link: a hard link where the file system allows it
    /// Looks at an image file and puts it under its SHA-256 into media/; what lies there already is kept when it is whole.
    /// `expected`: the hash it must have; empty: any. The result's extension is of the file's own signature.
    Result<std::string> storeMedia(const std::string& path, const std::string& expected, Take take, ImageInfo* info = nullptr);
    std::string mediaPath(const std::string& sha) const;
    /// An image as rows name it, "images/<sha>.png"; fails when its file is missing or (thorough) not what its name says.
    Result<std::string> mediaRef(const std::string& sha, bool thorough) const;
    void checkMedia(std::vector<std::string>& problems, size_t most);

    // --- next.cpp ---
    void loadPairs();
    void loadMarks();
    void loadScores();
    /// A pair, its votes or its marks have changed: every queue that may hold it follows.
    void requeue(Id comparison);
    void followVote(const VoteKey& key);
    PairQueue& queueFor(const NextOptions& options, int stratum = -1, int votes = 2, double kept = 1);
    UncertainQueue& uncertainFor(const NextOptions& options, double kept);
    RepeatPool& repeatsFor(const NextOptions& options, int minGap);
    Result<LabelItem> repeatIn(const NextOptions& options, Id comparison);
    Result<LabelItem> offer(const NextOptions& options, const QueuePick& pick);
    /// What was up when this person stopped; empty when it has its vote.
    Result<std::optional<LabelItem>> resumeIn(const NextOptions& options);
    Result<std::vector<LabelItem>> nextMixed(const NextOptions& options);
    const PairSketch& sketchOfPair(Id comparison);
    std::vector<Id> lastShown(Id task, Id annotator);

    // --- labels.cpp (inside a transaction) ---
    Result<Id> presentIn(const Presentation& presentation);
    Result<Ack> judgeIn(const JudgementInput& input);
    Result<Id> appendEvent(const EventDraft& draft, std::string* uuid = nullptr);
    /// The item now counts as `event` says (0: nothing counts).
    void setCurrent(const VoteKey& key, Id event);
    /// The row of an event that sets a state; empty for a flag taken away.
    std::optional<CurrentVote> currentOf(Id event);
    Id currentEvent(const VoteKey& key);
    Result<Judgement> judgementOf(Id event);
    Ack ackFor(Id event, std::string uuid, Id comparison);
    Result<Ack> moveIn(Id task, Id annotator, bool redo);
    /// The judgement that undo (or redo) would move; 0 when there is none. `cancels`: the undo event a redo cancels.
    Id undoTarget(Id task, Id annotator);
    Id redoTarget(Id task, Id annotator, Id* cancels = nullptr);

    // --- edits.cpp (inside a transaction) ---
    /// What an edit made is hidden with its judgement and comes back with it; nothing happens for other judgements.
    void followEdit(Id event, bool back);

    // --- backups.cpp ---
    Result<std::string> backup();

    template<class F>
    auto guarded(std::string_view what, F&& f) -> std::invoke_result_t<F> {
        try {
            return f();
        } catch (const SQLite::Exception& e) {
            return tl::unexpected(translate(e, what));
        } catch (const Json::exception& e) {
            return fail(Code::Corrupt, fmt::format("{}: the project holds malformed JSON ({})", what, e.what()),
                        "Run `pairlab-cli check`.");
        } catch (const std::bad_alloc&) {
            return fail(Code::OutOfMemory, fmt::format("{}: out of memory", what));
        }
    }

    /// One transaction; memory and observers follow the commit, nothing follows a failure.
    template<class F>
    auto write(std::string_view what, F&& f) -> std::invoke_result_t<F> {
        if (closed)
            return fail(Code::Internal, fmt::format("{}: the project is closed", what));
        auto result = guarded(what, [&]() -> std::invoke_result_t<F> {
            pending = {};
            discard = false;
            db->exec("BEGIN IMMEDIATE");
            auto inner = f();
            if (!inner || discard) {
                rollback();
                return inner;
            }
            db->exec("COMMIT");
            return inner;
        });
        if (!result) {
            rollback();
            return result;
        }
        if (!discard)
            commitToMemory();
        return result;
    }
};

/// Reads an enum stored by its name; throws Json-free: a bad name is a corrupt project.
template<class T>
T stored(const Result<T>& value) {
    if (!value)
        throw SQLite::Exception(value.error().message, 11 /* SQLITE_CORRUPT */);
    return *value;
}

bool isUtf8(const std::string& text);
std::string headOf(const std::string& text, size_t characters);

} // namespace pl::desk
