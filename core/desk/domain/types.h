// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

/// The values of a project (DESIGN section 4). Plain data; names in SQL and JSON are the ones of the *Name() functions.
namespace pl::desk {

/// Row number inside one project; 0 is "none". Identity across projects is the uuid beside it.
using Id = int64_t;

enum class Split { Train, Dev, Test };
/// In content space: which candidate of the comparison, whatever side it was shown on.
enum class Winner { A, B, Tie };
/// Only with Winner::Tie.
enum class TieKind { None, BothGood, BothBad, Identical, Unspecified };
enum class AnnotatorKind { Human, Rule, Judge, Model };
/// Where a label or a candidate comes from.
enum class Provenance { Human, Rule, Judge, Model, Transferred, Imported };
enum class Scale { Simple, SevenPoint };
/// Vote, Skip and Flag set the whole state of an item; Undo and Redo move between such states; Revert empties the items
/// of an import batch.
enum class EventKind { Vote, Skip, Flag, Undo, Redo, Revert };
enum class CandidateKind { Text, Image };
/// Mixed: by the task's queue mix (queue/queue_mix.h); without one as Fifo.
enum class QueueRule { Fifo, Random, Mixed };

const char* splitName(Split value);           ///< train dev test
const char* winnerName(Winner value);         ///< a b tie
const char* tieKindName(TieKind value);       ///< "" both_good both_bad identical unspecified
const char* annotatorKindName(AnnotatorKind value); ///< human rule judge model
const char* provenanceName(Provenance value); ///< human rule judge model transferred imported
const char* scaleName(Scale value);           ///< simple seven_point
const char* eventKindName(EventKind value);   ///< vote skip flag undo redo revert
const char* queueRuleName(QueueRule value);   ///< fifo random mixed
const char* candidateKindName(CandidateKind value); ///< text image

Result<Split> splitOf(std::string_view name);
Result<Winner> winnerOf(std::string_view name);
Result<TieKind> tieKindOf(std::string_view name);
Result<AnnotatorKind> annotatorKindOf(std::string_view name);
Result<Provenance> provenanceOf(std::string_view name);
Result<Scale> scaleOf(std::string_view name);
Result<EventKind> eventKindOf(std::string_view name);
Result<QueueRule> queueRuleOf(std::string_view name);
Result<CandidateKind> candidateKindOf(std::string_view name);

/// How labels of people, rules, judges and models are marked.
Provenance provenanceOf(AnnotatorKind kind);

// --- content -------------------------------------------------------------------------------------------------------

/// Text of a prompt in canonical form: a single user turn given as [{role, content}] becomes its plain text, several turns
/// become compact JSON. Fails on anything else.
Result<std::string> canonicalPrompt(const Json& value);
/// SHA-256 of canonical content ("prompt\n" or "text\n" before it, so that the two never meet).
std::string promptSha(std::string_view content);
std::string candidateSha(std::string_view content);
/// Side-blind identity of a pair: prompt and the two candidates in sorted order.
std::string pairSha(const std::string& promptSha, const std::string& shaA, const std::string& shaB);
/// 80/10/10 by the prompt's hash, the same in every project.
Split drawSplit(const std::string& promptSha);
/// A UUID (version 8 layout) made of a digest: the same text gives the same identity everywhere.
std::string uuidFromText(std::string_view text);

struct Task {
    Id id = 0;
    std::string uuid;
    std::string name;     ///< "Helpfulness"
    std::string question; ///< "Which answer helps more?"
    std::string guideline;
    int guidelineVersion = 1;
    Scale scale = Scale::SevenPoint;
    std::vector<std::string> requiredParts; ///< "rationale", "attributes", ...
    std::string view = "raw";               ///< raw | markdown | diff | side | wipe | difference | flip | blink
    Json queueMix = Json::object(); ///< QueueMix; empty: none
    Json attributes = Json::array(); ///< names of the attributes asked for
    Json people = Json::array();
    int64_t quota = 0; ///< votes aimed at; 0 is none
    bool revealNames = false;
    bool archived = false;
};

struct NewPrompt {
    std::string content; ///< canonical (canonicalPrompt)
    std::optional<Split> split; ///< drawn from the content when absent
    std::string kind;           ///< "" | "arithmetic" | ... : a free tag
    std::string verifierKind, verifierAnswer;
    std::vector<std::string> tags;
    std::string source; ///< file or person
};

struct Prompt {
    Id id = 0;
    std::string uuid;
    std::string sha;
    std::string content;
    Split split = Split::Train;
    std::string kind, verifierKind, verifierAnswer, source;
    std::vector<std::string> tags;
    Id importBatch = 0;
    int64_t createdMs = 0;
    int64_t candidates = 0; ///< how many answers it has
};

struct NewCandidate {
    Id prompt = 0;
    CandidateKind kind = CandidateKind::Text;
    std::string content;  ///< text; for an image the SHA-256 of its media file
    Provenance provenance = Provenance::Model;
    std::string modelName, modelHash;
    Id run = 0; ///< the run that wrote it
    std::string checkpoint; ///< "checkpoints/step-000800" of the model's run, when it is one
    int64_t step = -1;
    Json params = Json::object();
    uint64_t seed = 0;
    int64_t tokens = -1;
    std::optional<bool> finished; ///< ended by its end token (false: cut off)
    std::optional<double> logp;
    Id parent = 0;    ///< the candidate it is an edited version of
    std::string uuid; ///< given by whoever can repeat itself (a run and a sequence number); else random
};

struct Candidate : NewCandidate {
    Id id = 0;
    std::string sha;
    Id importBatch = 0;
    int64_t createdMs = 0;
};

/// Two candidates to be compared; a and b are in content space (a has the smaller content hash).
struct Comparison {
    Id id = 0;
    std::string uuid;
    std::string sha; ///< pairSha
    Id prompt = 0;
    Id promptB = 0; ///< set when the comparison differs in the prompt
    Id a = 0, b = 0;
    std::string differsIn = "response"; ///< response | prompt | image
    std::string source;                 ///< "generated", "imported", "playground", ...
    Id task = 0;                        ///< 0: offered in every task
    Id run = 0;
    Id importBatch = 0;
    int64_t createdMs = 0;
};

// --- people --------------------------------------------------------------------------------------------------------

struct Annotator {
    Id id = 0;
    std::string uuid;
    AnnotatorKind kind = AnnotatorKind::Human;
    std::string name;
    Json detail = Json::object(); ///< a taste's parameters, a judge's model and its agreement
    int64_t createdMs = 0;
};

// --- labelling -----------------------------------------------------------------------------------------------------

/// What the screen showed, recorded before it is shown.
struct Presentation {
    Id id = 0;
    Id task = 0, comparison = 0, annotator = 0, session = 0;
    bool aOnLeft = true;
    uint64_t seed = 0;
    QueueRule rule = QueueRule::Fifo;
    double propensity = 1; ///< probability that the rule chose this pair now
    std::string stratum;   ///< "fifo", "random", "second", "repeat"
    bool blind = true;
    bool exposed = false; ///< the person has already seen one of the answers with its name
    bool repeat = false;  ///< a hidden repeat: kept as a separate occasion
    int64_t shownMs = 0;
};

/// A pair ready for the screen.
struct LabelItem {
    Comparison comparison;
    Prompt prompt;
    Candidate a, b;
    Presentation presentation;
    const Candidate& left() const { return presentation.aOnLeft ? a : b; }
    const Candidate& right() const { return presentation.aOnLeft ? b : a; }
};

/// The whole judgement about one item. Winner and strength only with kind Vote.
struct Judgement {
    EventKind kind = EventKind::Vote; ///< Vote, Skip or Flag
    Winner winner = Winner::Tie;
    TieKind tieKind = TieKind::None;
    std::optional<int> strength; ///< 1 slight .. 3 much
    bool badA = false, badB = false;
    std::string skipReason;
    std::string flag; ///< reason; empty: not flagged
    Json attributes = Json::object();
    std::vector<std::string> reasons;
    std::string rationale;
    std::optional<std::string> edited; ///< an edited version: stored as a candidate
    Json spans, regions, ranking;      ///< versioned payloads {"v": 1, ...}; null when absent
};

/// A vote on its way into the store.
struct JudgementInput : Judgement {
    Id presentation = 0;
    std::string view = "raw"; ///< the view that was on when the key fell
    int64_t firstPaintMs = -1, activeMs = -1;
};

/// Given back only after the transaction is on disk.
struct Ack {
    Id event = 0;
    std::string uuid;
    int64_t judgements = 0; ///< events so far in the project
    int64_t current = 0;    ///< votes that count now
    Id comparison = 0;
};

/// One row of the in-memory table of what counts now (32 bytes and a bit).
struct CurrentVote {
    Id task = 0, comparison = 0, annotator = 0, event = 0;
    int32_t occasion = 0; ///< 0; 1, 2, ... are hidden repeats
    EventKind kind = EventKind::Vote;
    Winner winner = Winner::Tie;
    TieKind tieKind = TieKind::None;
    int8_t strength = 0; ///< 0: not given
    bool badA = false, badB = false, flagged = false;
    bool aOnLeft = true, shown = false; ///< shown: there was a presentation (imports have none)
    bool random = false;                ///< chosen by the random rule
    Provenance provenance = Provenance::Human;
    int32_t activeMs = -1;
    bool operator==(const CurrentVote&) const = default;
};

/// A line of the history.
struct HistoryRow {
    Id event = 0;
    std::string uuid;
    EventKind kind = EventKind::Vote;
    int64_t timeMs = 0;
    Id task = 0, comparison = 0, annotator = 0;
    int guidelineVersion = 1;
    std::string annotatorName;
    Provenance provenance = Provenance::Human;
    Winner winner = Winner::Tie;
    TieKind tieKind = TieKind::None;
    std::optional<int> strength;
    std::string skipReason, flag;
    Id target = 0;        ///< of an undo or redo: the judgement it moves
    bool isCurrent = false;
    std::string promptHead; ///< first 120 characters
};

struct Counters {
    int64_t prompts = 0, train = 0, dev = 0, test = 0;
    int64_t candidates = 0, comparisons = 0;
    int64_t events = 0;  ///< judgement events of every kind
    int64_t current = 0; ///< votes that count now (occasion 0)
    int64_t skips = 0, flags = 0;
    int64_t runs = 0, datasets = 0;
    bool operator==(const Counters&) const = default;
};

// --- runs ----------------------------------------------------------------------------------------------------------

/// The desk's row of a run bundle; its state while alive is the bundle's (pl::inspectRun).
struct RunRow {
    Id id = 0; ///< numbers folders: runs/0042-dpo
    std::string uuid, name, plugin, pluginVersion, kind; ///< generate | train | evaluate
    std::string state = "queued"; ///< queued running paused finished stopped failed
    std::string reason;
    std::string datasetHash, device;
    uint64_t seed = 0;
    Json parameters = Json::object();
    Json models = Json::array(); ///< as in run.json
    Json result = Json::object(); ///< last values of the metrics, the job's result
    std::string lastCheckpoint;
    std::string note;
    bool pinned = false;
    int priority = 0;
    int64_t createdMs = 0, startedMs = 0, endedMs = 0;
};

struct CheckpointRow {
    Id id = 0, run = 0;
    int64_t step = 0;
    std::string path; ///< relative to the bundle
    std::string hash, reason;
    bool best = false, pinned = false;
    int64_t createdMs = 0;
};

/// One paired comparison by a judge (evaluate).
struct OutcomeRow {
    Id id = 0, run = 0, prompt = 0;
    std::string promptUuid;
    Winner winner = Winner::Tie; ///< a is the model under test
    Json a, b, judge;
    std::optional<double> scoreA, scoreB;
    uint64_t seq = 0;
};

struct IngestResult {
    int64_t seen = 0, fresh = 0; ///< events given, events not met before
    int64_t candidates = 0, outcomes = 0, checkpoints = 0;
    std::vector<std::string> problems; ///< events that could not be used, with their reason (at most 20)
};

// --- datasets, imports ---------------------------------------------------------------------------------------------

enum class TiePolicy { Drop, SoftLabel }; ///< SoftLabel: ties.jsonl is written for trainers that take them
enum class Aggregation { Majority, Each };

struct DatasetFilter {
    Id task = 0;                        ///< 0: every task
    std::vector<Id> annotators;         ///< empty: everybody
    std::vector<Provenance> provenances; ///< empty: every kind
    std::vector<Split> splits{Split::Train, Split::Dev};
    int64_t sinceMs = 0;
    bool randomStratumOnly = false;
    std::optional<CandidateKind> kind; ///< text or image pairs; absent: whichever there are, but never both in one dataset
};

struct DatasetSpec {
    std::string name;
    DatasetFilter filter;
    Aggregation aggregation = Aggregation::Majority;
    TiePolicy tiePolicy = TiePolicy::SoftLabel;
    bool marginFromStrength = false;
};

/// What became of every vote kind.
struct DatasetCounts {
    int64_t votes = 0; ///< that matched the filter
    int64_t train = 0, dev = 0;
    int64_t ties = 0, bothBad = 0, identical = 0, unpaired = 0;
    int64_t skips = 0;
    int64_t disagreements = 0; ///< pairs whose votes cancelled out (Majority)
    int64_t sealedTest = 0;    ///< votes on test prompts: kept out
    int64_t flagged = 0;       ///< flagged pairs: kept out
    int64_t prompts = 0;       ///< rows of prompts.jsonl
    int64_t rankings = 0;      ///< rows of rankings.jsonl: k-way orders
    int64_t trainRankings = 0, devRankings = 0; ///< of them, in these splits
    int64_t rankedTrain = 0, rankedDev = 0; ///< pairs that the rankings of these splits make, ties included
    int64_t unusable = 0;      ///< votes whose image is missing or damaged, or whose ranking does not fit: kept out
    /// Pairs to learn from and to measure on: compared as pairs, or two of a ranking.
    int64_t trainPairs() const { return train + rankedTrain; }
    int64_t devPairs() const { return dev + rankedDev; }
    /// "12 pairs and 30 rankings (180 pairs) to train on, 4 held out"
    std::string toString() const;
    Json toJson() const;
    bool operator==(const DatasetCounts&) const = default;
};

struct DatasetInfo {
    Id id = 0;
    std::string uuid, name, sha, dir; ///< dir: absolute path of datasets/<sha>
    DatasetSpec spec;
    DatasetCounts counts;
    std::map<std::string, std::string> files; ///< file name -> sha256
    /// Of image pairs: images/ holds the files that the rows name, images.sha256 lists them as sha256sum does.
    bool isOfImages() const { return files.count("images.sha256") > 0; }
    int64_t createdMs = 0;
    Id lastEvent = 0; ///< newest judgement event when it was frozen
};

struct DatasetDrift {
    int64_t newer = 0;   ///< votes that match the filter and were not there
    int64_t changed = 0; ///< votes that now say something else or are gone
};

struct ImportBatch {
    Id id = 0;
    std::string uuid, source, sha, format;
    int64_t createdMs = 0, revertedMs = 0;
    int64_t prompts = 0, candidates = 0, pairs = 0, votes = 0;
};

/// An image that is in media/ already.
struct ImportImage {
    std::string sha;
    std::string model;
    uint64_t seed = 0;
    Json params = Json::object(); ///< width, height, format, the file's name, what else the row says of it
};

/// A parsed row: a prompt alone, or a prompt with two answers and perhaps a label.
/// One of the texts of a row.
struct ImportText {
    std::string text, model;
};

struct ImportRow {
    size_t line = 0;
    NewPrompt prompt;
    std::optional<std::string> chosen, rejected; ///< both or neither
    std::string chosenModel, rejectedModel;      ///< who wrote them, where the row says
    bool chosenBad = false, rejectedBad = false; ///< marked unacceptable
    Json chosenAttributes = Json::object(), rejectedAttributes = Json::object(); ///< numbers by name
    /// Instead of the two: one text (just kept), two nobody judged, or more (a k-way ranking, or without ranks just kept).
    std::vector<ImportText> texts;
    /// Instead of texts: one image (just kept), two (a pair) or more (a k-way ranking, or without ranks just kept).
    std::vector<ImportImage> images;
    std::vector<int> ranks; ///< one a text or image, 1 best, equal ones a tie; empty: nobody judged
    bool tie = false;
    TieKind tieKind = TieKind::None; ///< where the row says which tie
    std::optional<int> strength;
    double margin = 0;
    std::string rationale;
    std::optional<AnnotatorKind> by; ///< who judged, where the row says that no human did
    std::string annotator;           ///< who judged by name, human or not; empty: the row does not say
};

struct ImportCounts {
    int64_t rows = 0;
    int64_t prompts = 0, candidates = 0, pairs = 0, votes = 0; ///< new ones
    int64_t duplicates = 0; ///< rows that were there already
    int64_t differing = 0;  ///< rows whose annotator has judged the same pair another way before; the earlier vote stays
    int64_t keptSplit = 0;  ///< prompts that are in another split than asked for and stay there
};

struct MakePairsOptions {
    enum class Mode { WithinModel, AcrossModels };
    Mode mode = Mode::WithinModel;
    Id run = 0;          ///< only candidates of this run; 0: any
    std::vector<Id> runs; ///< AcrossModels: one candidate of each of two runs (or models)
    std::optional<Split> split;
    Id task = 0;
    int64_t maxPerPrompt = 1;
    int64_t maxPairs = 0; ///< 0: no limit
    std::string source = "generated";
};

struct MakePairsResult {
    int64_t pairs = 0;
    int64_t identical = 0; ///< the two answers had the same text
    int64_t duplicates = 0; ///< the pair was there already
    int64_t lonely = 0;     ///< prompts with only one answer
};

/// "Keep N pairs ready."
struct StandingOrder {
    Id id = 0;
    Id task = 0;
    int64_t target = 150;
    bool enabled = true;
    Json generate = Json::object(); ///< models, split, temperature, ...
};

} // namespace pl::desk
