// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/base/records.h"
#include "core/desk/store/dataset_rows.h"
#include "core/desk/store/details.h"
#include "core/desk/store/impl.h"
#include "core/desk/store/ranking_rows.h"

namespace pl::desk {

namespace {

constexpr const char* kFiles[] = {"train.jsonl", "dev.jsonl", "ties.jsonl", "unpaired.jsonl", "prompts.jsonl"};
constexpr const char* kImageFiles[] = {"rankings.jsonl", "images.sha256"}; ///< only of image pairs; rankings of texts become pairs

const char* aggregationName(Aggregation value) { return value == Aggregation::Majority ? "majority" : "each"; }
const char* tiePolicyName(TiePolicy value) { return value == TiePolicy::Drop ? "drop" : "soft_label"; }

bool wants(const DatasetFilter& filter, Split split) {
    return std::find(filter.splits.begin(), filter.splits.end(), split) != filter.splits.end();
}

const char* fileOf(Split split) {
    return split == Split::Train ? "train.jsonl" : split == Split::Dev ? "dev.jsonl" : "test.jsonl";
}

/// A string as it is; several turns as the list of turns that they are.
Json promptValue(const std::string& content) {
    if (!content.empty() && content[0] == '[') {
        const Json turns = Json::parse(content, nullptr, false);
        if (turns.is_array() && !turns.empty() && turns[0].is_object() && turns[0].contains("role"))
            return turns;
    }
    return content;
}

/// Attributes or marks of a and b, as those of chosen and rejected; what is said of the pair names the side.
Json bySide(const Json& attributes, bool aWins) {
    if (!attributes.is_object())
        return attributes;
    Json out = Json::object();
    for (const auto& [key, value] : attributes.items()) {
        const bool a = key == "a";
        if (key == "pair" && value.is_object()) {
            for (const auto& [name, side] : value.items())
                out["pair"][name] = side == "a" ? Json(aWins ? "chosen" : "rejected") : side == "b" ? Json(aWins ? "rejected" : "chosen") : side;
        } else {
            out[a || key == "b" ? (a == aWins ? "chosen" : "rejected") : key.c_str()] = value;
        }
    }
    return out;
}

/// What the votes on one pair come to.
struct Verdict {
    Winner winner = Winner::Tie;
    TieKind tieKind = TieKind::Unspecified;
    std::optional<int> strength;
    bool badA = false, badB = false, cancelled = false;
    int64_t votes = 0;
    Id annotator = 0, event = 0; ///< of a single vote
    Provenance provenance = Provenance::Human;
    std::string suffix; ///< of the row's id, when a pair gives several rows
};

Verdict verdictOf(const CurrentVote& vote) {
    Verdict v;
    v.winner = vote.winner;
    v.tieKind = vote.tieKind;
    if (vote.strength)
        v.strength = vote.strength;
    v.badA = vote.badA;
    v.badB = vote.badB;
    v.votes = 1;
    v.annotator = vote.annotator;
    v.event = vote.event;
    v.provenance = vote.provenance;
    return v;
}

Verdict majorityOf(const std::vector<const CurrentVote*>& votes) {
    if (votes.size() == 1)
        return verdictOf(*votes[0]);
    Verdict v;
    v.votes = static_cast<int64_t>(votes.size());
    v.provenance = votes[0]->provenance;
    int64_t n[3] = {}, badA = 0, badB = 0, sum = 0, strengths = 0;
    std::map<TieKind, int> ties;
    for (const CurrentVote* vote : votes) {
        ++n[static_cast<int>(vote->winner)];
        badA += vote->badA;
        badB += vote->badB;
        if (vote->winner == Winner::Tie)
            ++ties[vote->tieKind];
    }
    const int64_t most = std::max({n[0], n[1], n[2]});
    v.cancelled = (n[0] == most) + (n[1] == most) + (n[2] == most) > 1;
    v.winner = n[0] == most ? Winner::A : n[1] == most ? Winner::B : Winner::Tie;
    v.badA = 2 * badA > v.votes;
    v.badB = 2 * badB > v.votes;
    int best = 0;
    for (const auto& [kind, count] : ties)
        if (count > best) {
            best = count;
            v.tieKind = kind;
        }
    for (const CurrentVote* vote : votes)
        if (vote->winner == v.winner && vote->strength) {
            sum += vote->strength;
            ++strengths;
        }
    if (strengths && v.winner != Winner::Tie)
        v.strength = static_cast<int>((2 * sum + strengths) / (2 * strengths));
    return v;
}

struct Frozen {
    DatasetCounts counts;
    std::map<std::string, std::string> files; ///< name -> bytes
    std::map<std::string, std::string> images; ///< reference -> SHA-256, of every image a row names
    std::vector<CurrentVote> votes;           ///< that went in
};

/// The images of a dataset: each file is looked at once.
class Images {
public:
    Images(const Project::Impl& impl, bool thorough) : m_impl(impl), m_thorough(thorough) {}
    /// Empty: its file is missing or damaged.
    const std::string& ref(const std::string& sha) {
        const auto [at, fresh] = m_refs.try_emplace(sha);
        if (fresh)
            at->second = m_impl.mediaRef(sha, m_thorough).value_or("");
        return at->second;
    }

private:
    const Project::Impl& m_impl;
    bool m_thorough;
    std::map<std::string, std::string> m_refs;
};

/// The order of a k-way judgement; empty when it has none that fits.
std::optional<Ranking> rankingOf(Project::Impl& impl, Id event, size_t members) {
    auto row = impl.query("SELECT ranking FROM judgement_details WHERE event_id = ?");
    if (!row.bind(event).step() || row.null(0))
        return std::nullopt;
    auto ranking = Ranking::of(row.json(0), members);
    return ranking ? std::optional<Ranking>(std::move(*ranking)) : std::nullopt;
}

bool matches(const DatasetFilter& filter, const CurrentVote& vote) {
    if (vote.occasion != 0 || (filter.task && vote.task != filter.task))
        return false;
    if (!filter.annotators.empty() &&
        std::find(filter.annotators.begin(), filter.annotators.end(), vote.annotator) == filter.annotators.end())
        return false;
    if (!filter.provenances.empty() &&
        std::find(filter.provenances.begin(), filter.provenances.end(), vote.provenance) == filter.provenances.end())
        return false;
    return !filter.randomStratumOnly || vote.random;
}

enum class Wanted {
    Counts,
    Rows, ///< the files, but no image is read through
    All
};

/// Fills the files (unless only counts are wanted) from the votes that count now.
Result<Frozen> collect(Project::Impl& impl, const DatasetSpec& spec, Wanted what) {
    const bool countsOnly = what == Wanted::Counts;
    Frozen out;
    std::map<Id, std::vector<const CurrentVote*>> byPair;
    std::set<Id> flagged;
    impl.loadMarks();
    std::map<std::pair<Id, Id>, const CurrentVote*> verdicts; // by pair and task, of adjudicators: for whatever votes of that task the filter lets in
    for (const CurrentVote& vote : impl.votes.rows()) {
        if (impl.memory.adjudicators.count(vote.annotator) && vote.occasion == 0 && vote.kind != EventKind::Flag &&
            (!spec.filter.task || vote.task == spec.filter.task)) {
            const CurrentVote*& last = verdicts[{vote.comparison, vote.task}];
            if (!last || last->event < vote.event)
                last = &vote;
        }
        if (!matches(spec.filter, vote))
            continue;
        if (spec.filter.sinceMs > 0) {
            auto row = impl.query("SELECT time_ms FROM judgements WHERE id = ?");
            if (row.bind(vote.event).step() && row.integer(0) < spec.filter.sinceMs)
                continue;
        }
        if (vote.flagged)
            flagged.insert(vote.comparison);
        if (vote.kind == EventKind::Skip) {
            auto row = impl.query("SELECT k.kind FROM comparisons x JOIN candidates k ON k.id = x.a_id WHERE x.id = ?");
            out.counts.skips += !spec.filter.kind || !row.bind(vote.comparison).step() ||
                                row.text(0) == candidateKindName(*spec.filter.kind);
        }
        if (vote.kind == EventKind::Vote)
            byPair[vote.comparison].push_back(&vote);
    }

    std::map<Id, std::pair<std::string, std::string>> people; // id -> name, uuid
    {
        auto rows = impl.query("SELECT id, name, uuid FROM annotators");
        while (rows.step())
            people[rows.integer(0)] = {rows.text(1), rows.text(2)};
    }
    std::map<Id, std::vector<std::string>> more; // of a k-way comparison: the texts or hashes beyond its first two
    {
        auto rows = impl.query("SELECT m.comparison_id, coalesce(c.text, k.sha) FROM comparison_members m JOIN candidates k "
                               "ON k.id = m.candidate_id LEFT JOIN contents c ON c.id = k.content_id "
                               "ORDER BY m.comparison_id, m.position");
        while (rows.step())
            more[rows.integer(0)].push_back(rows.text(1));
    }
    Images images(impl, what == Wanted::All);
    std::optional<CandidateKind> kind = spec.filter.kind;
    std::map<std::string, std::map<std::string, std::string>> lines; // file -> sort key -> line
    for (auto& [comparison, votes] : byPair) {
        auto row = impl.query("SELECT x.sha, p.split, pc.text, coalesce(ac.text, a.media_sha), "
                              "coalesce(bc.text, b.media_sha), a.kind FROM comparisons x "
                              "JOIN prompts p ON p.id = x.prompt_id JOIN contents pc ON pc.id = p.content_id "
                              "JOIN candidates a ON a.id = x.a_id JOIN candidates b ON b.id = x.b_id "
                              "LEFT JOIN contents ac ON ac.id = a.content_id "
                              "LEFT JOIN contents bc ON bc.id = b.content_id WHERE x.id = ? AND x.withdrawn = 0");
        if (!row.bind(comparison).step())
            continue;
        const CandidateKind itsKind = stored(candidateKindOf(row.text(5)));
        if (spec.filter.kind && itsKind != *spec.filter.kind)
            continue;
        out.counts.votes += static_cast<int64_t>(votes.size());
        const Split split = stored(splitOf(row.text(1)));
        if (!wants(spec.filter, split)) {
            if (split == Split::Test)
                out.counts.sealedTest += static_cast<int64_t>(votes.size());
            continue;
        }
        if (flagged.count(comparison)) {
            out.counts.flagged += static_cast<int64_t>(votes.size());
            continue;
        }
        for (auto at = verdicts.lower_bound({comparison, 0}); at != verdicts.end() && at->first.first == comparison; ++at) {
            const bool asked = std::erase_if(votes, [&](const CurrentVote* vote) { return vote->task == at->first.second; }) > 0;
            if (asked && at->second->kind == EventKind::Vote)
                votes.push_back(at->second);
        }
        if (votes.empty()) { // called a bad pair
            ++out.counts.disagreements;
            continue;
        }
        if (kind && *kind != itsKind)
            return fail(Code::InvalidInput, "the chosen votes are on pairs of texts and on pairs of images",
                        "A dataset is of one kind: choose text or image (--kind).");
        kind = itsKind;
        std::sort(votes.begin(), votes.end(), [&](const CurrentVote* x, const CurrentVote* y) {
            return std::tie(people[x->annotator].second, x->task) < std::tie(people[y->annotator].second, y->task);
        });
        const std::string base = row.text(0).substr(0, 32);
        const Json prompt = promptValue(row.text(2));
        const bool ofImages = itsKind == CandidateKind::Image;
        std::vector<std::string> sides{row.text(3), row.text(4)};
        if (const auto further = more.find(comparison); further != more.end())
            sides.insert(sides.end(), further->second.begin(), further->second.end());
        bool whole = true;
        for (std::string& side : sides)
            if (ofImages) {
                side = images.ref(side);
                whole = whole && !side.empty();
            }
        if (!whole) {
            out.counts.unusable += static_cast<int64_t>(votes.size());
            continue;
        }
        if (sides.size() > 2) {
            for (size_t i = 0; i < votes.size(); ++i) {
                const auto ranking = rankingOf(impl, votes[i]->event, sides.size());
                if (!ranking || ranking->pairs() == 0) {
                    ++out.counts.unusable;
                    continue;
                }
                ++out.counts.rankings;
                if (split == Split::Train) {
                    ++out.counts.trainRankings;
                    out.counts.rankedTrain += ranking->pairs();
                } else if (split == Split::Dev) {
                    ++out.counts.devRankings;
                    out.counts.rankedDev += ranking->pairs();
                }
                out.votes.push_back(*votes[i]);
                if (countsOnly)
                    continue;
                const RankedSet set{base + (votes.size() > 1 ? fmt::format("-{}", i) : ""), prompt, sides, ofImages, split,
                                    votes[i]->provenance, people[votes[i]->annotator].first};
                for (DatasetLine& line : linesOf(set, *ranking, spec.tiePolicy))
                    lines[line.file][line.key] = std::move(line.line);
                if (ofImages)
                    for (const std::string& side : sides)
                        out.images[side] = imageRefSha(side);
            }
            continue;
        }
        std::vector<Verdict> verdicts;
        if (spec.aggregation == Aggregation::Majority) {
            verdicts.push_back(majorityOf(votes));
        } else {
            for (size_t i = 0; i < votes.size(); ++i) {
                verdicts.push_back(verdictOf(*votes[i]));
                if (votes.size() > 1)
                    verdicts.back().suffix = fmt::format("-{}", i);
            }
        }
        for (const CurrentVote* vote : votes)
            out.votes.push_back(*vote);
        const std::string &a = sides[0], &b = sides[1];
        const auto written = [&](const char* file, const std::string& key, Json line, std::initializer_list<std::string> refs) {
            if (ofImages) {
                line["modality"] = "image";
                for (const std::string& ref : refs)
                    out.images[ref] = imageRefSha(ref);
            }
            lines[file][key] = dumpJson(line);
        };
        for (const Verdict& verdict : verdicts) {
            const std::string id = base + verdict.suffix;
            const std::string who = verdict.annotator ? people[verdict.annotator].first : std::string();
            const auto unpaired = [&](const std::string& text, bool label, const char* side) {
                ++out.counts.unpaired;
                if (countsOnly)
                    return;
                Json line{{"id", id + "-" + side}, {"prompt", prompt}, {"completion", text}, {"label", label},
                          {"split", splitName(split)}};
                if (!who.empty())
                    line["annotator"] = who;
                written("unpaired.jsonl", id + "-" + side, std::move(line), {text});
            };
            const bool tie = verdict.winner == Winner::Tie && !verdict.cancelled;
            const bool bothBad = tie && verdict.tieKind == TieKind::BothBad;
            const bool bothGood = tie && verdict.tieKind == TieKind::BothGood;
            const auto alone = [&](const std::string& text, bool bad, const char* side) {
                if (bothBad || bad)
                    unpaired(text, false, side);
                else if (bothGood || ((verdict.badA || verdict.badB) && mostCallGood(impl, votes, verdict.event, side)))
                    unpaired(text, true, side);
            };
            alone(a, verdict.badA, "a");
            alone(b, verdict.badB, "b");
            if (verdict.cancelled) {
                ++out.counts.disagreements;
                continue;
            }
            if (tie) {
                if (bothBad) {
                    ++out.counts.bothBad;
                } else if (verdict.tieKind == TieKind::Identical) {
                    ++out.counts.identical;
                } else {
                    ++out.counts.ties;
                    if (spec.tiePolicy == TiePolicy::Drop || countsOnly)
                        continue;
                    Json line{{"id", id},
                              {"prompt", prompt},
                              {"a", a},
                              {"b", b},
                              {"tie_kind", tieKindName(verdict.tieKind)},
                              {"split", splitName(split)}};
                    if (!who.empty())
                        line["annotator"] = who;
                    written("ties.jsonl", id, std::move(line), {a, b});
                }
                continue;
            }
            out.counts.train += split == Split::Train;
            out.counts.dev += split == Split::Dev;
            if (countsOnly)
                continue;
            const bool aWins = verdict.winner == Winner::A;
            Json line{{"id", id},
                      {"prompt", prompt},
                      {"chosen", aWins ? a : b},
                      {"rejected", aWins ? b : a},
                      {"provenance", provenanceName(verdict.provenance)},
                      {"votes", verdict.votes}};
            if (!who.empty())
                line["annotator"] = who;
            if (verdict.strength) {
                line["strength"] = *verdict.strength;
                if (spec.marginFromStrength)
                    line["margin"] = static_cast<double>(*verdict.strength);
            }
            auto details = impl.query("SELECT attributes, rationale, spans, ranking, reasons, regions FROM judgement_details WHERE event_id = ?");
            if (details.bind(verdict.event).step()) { // of several votes no event
                if (!details.null(0))
                    line["attributes"] = bySide(details.json(0), aWins);
                if (!details.null(1))
                    line["rationale"] = details.text(1);
                if (!details.null(2))
                    line["spans"] = bySide(details.json(2), aWins);
                if (!details.null(3))
                    line["ranking"] = details.json(3);
                if (!details.null(4))
                    line["reasons"] = details.json(4);
                if (!details.null(5))
                    line["regions"] = bySide(details.json(5), aWins);
            }
            written(fileOf(split), id, std::move(line), {a, b});
        }
    }

    {
        auto rows = impl.query("SELECT p.sha, p.uuid, c.text, p.split, p.kind, p.verifier_kind, p.verifier_answer "
                               "FROM prompts p JOIN contents c ON c.id = p.content_id WHERE p.withdrawn = 0");
        while (rows.step()) {
            const Split split = stored(splitOf(rows.text(3)));
            if (!wants(spec.filter, split))
                continue;
            ++out.counts.prompts;
            if (countsOnly)
                continue;
            Json line{{"id", rows.text(1)}, {"prompt", promptValue(rows.text(2))}, {"split", splitName(split)}};
            if (!rows.text(4).empty())
                line["kind"] = rows.text(4);
            if (!rows.text(5).empty())
                line["verifier"] = {{"kind", rows.text(5)}, {"answer", rows.text(6)}};
            lines["prompts.jsonl"][rows.text(0)] = dumpJson(line);
        }
    }
    if (countsOnly)
        return out;
    for (const char* file : kFiles)
        out.files[file];
    if (kind == CandidateKind::Image) {
        for (const char* file : kImageFiles)
            out.files[file];
        for (const auto& [ref, sha] : out.images)
            lines["images.sha256"][ref] = sha + "  " + ref;
    }
    for (const auto& [file, byKey] : lines) {
        std::string& bytes = out.files[file];
        for (const auto& [key, line] : byKey)
            bytes += line + "\n";
    }
    return out;
}

Json filterJson(const DatasetSpec& spec) {
    Json provenances = Json::array(), splits = Json::array();
    for (const Provenance p : spec.filter.provenances)
        provenances.push_back(provenanceName(p));
    for (const Split s : spec.filter.splits)
        splits.push_back(splitName(s));
    return {{"task", spec.filter.task},
            {"annotators", spec.filter.annotators},
            {"provenances", provenances},
            {"splits", splits},
            {"since_ms", spec.filter.sinceMs},
            {"random_stratum_only", spec.filter.randomStratumOnly},
            {"kind", spec.filter.kind ? Json(candidateKindName(*spec.filter.kind)) : Json()},
            {"margin_from_strength", spec.marginFromStrength}};
}

DatasetCounts countsOf(const Json& json) {
    const auto n = [&](const char* key) { return json.value(key, int64_t{0}); };
    DatasetCounts c;
    c.votes = n("votes");
    c.train = n("train");
    c.dev = n("dev");
    c.ties = n("ties");
    c.bothBad = n("both_bad");
    c.identical = n("identical");
    c.unpaired = n("unpaired");
    c.skips = n("skips");
    c.disagreements = n("disagreements");
    c.sealedTest = n("sealed_test");
    c.flagged = n("flagged");
    c.prompts = n("prompts");
    c.rankings = n("rankings");
    c.unusable = n("unusable");
    c.trainRankings = n("train_rankings");
    c.devRankings = n("dev_rankings");
    c.rankedTrain = n("ranked_train");
    c.rankedDev = n("ranked_dev");
    return c;
}

constexpr const char* kDatasetColumns = "SELECT id, uuid, name, sha, filter, aggregation, tie_policy, counts, files, "
                                        "created_ms, last_event_id FROM datasets ";

DatasetInfo datasetOf(const Query& row, const std::string& folder) {
    DatasetInfo info;
    info.id = row.integer(0);
    info.uuid = row.text(1);
    info.name = row.text(2);
    info.sha = row.text(3);
    info.dir = os::joinPath(folder, info.sha);
    const Json filter = row.json(4);
    info.spec.name = info.name;
    info.spec.filter.task = filter.value("task", Id{0});
    info.spec.filter.annotators = filter.value("annotators", std::vector<Id>());
    for (const auto& name : filter.value("provenances", std::vector<std::string>()))
        info.spec.filter.provenances.push_back(stored(provenanceOf(name)));
    info.spec.filter.splits.clear();
    for (const auto& name : filter.value("splits", std::vector<std::string>()))
        info.spec.filter.splits.push_back(stored(splitOf(name)));
    info.spec.filter.sinceMs = filter.value("since_ms", int64_t{0});
    info.spec.filter.randomStratumOnly = filter.value("random_stratum_only", false);
    if (const auto kind = filter.find("kind"); kind != filter.end() && kind->is_string())
        info.spec.filter.kind = stored(candidateKindOf(kind->get<std::string>()));
    info.spec.marginFromStrength = filter.value("margin_from_strength", false);
    info.spec.aggregation = row.text(5) == "each" ? Aggregation::Each : Aggregation::Majority;
    info.spec.tiePolicy = row.text(6) == "drop" ? TiePolicy::Drop : TiePolicy::SoftLabel;
    info.counts = countsOf(row.json(7));
    info.files = row.json(8).get<std::map<std::string, std::string>>();
    info.createdMs = row.integer(9);
    info.lastEvent = row.integer(10);
    return info;
}

} // namespace

Result<DatasetRows> datasetRows(Project& project, const DatasetSpec& spec) {
    Project::Impl& impl = project.impl();
    return impl.guarded("counting the rows of a dataset", [&]() -> Result<DatasetRows> {
        PL_TRY(const Frozen frozen, collect(impl, spec, Wanted::Rows));
        DatasetRows out;
        out.counts = frozen.counts;
        for (const auto& [file, bytes] : frozen.files)
            out.rows[file] = std::count(bytes.begin(), bytes.end(), '\n');
        out.images = static_cast<int64_t>(frozen.images.size());
        out.ofImages = frozen.files.count("images.sha256") > 0;
        return out;
    });
}

Result<DatasetCounts> Project::previewDataset(const DatasetSpec& spec) {
    return m->guarded("previewing a dataset", [&]() -> Result<DatasetCounts> {
        PL_TRY(const Frozen frozen, collect(*m, spec, Wanted::Counts));
        return frozen.counts;
    });
}

Result<DatasetInfo> Project::freezeDataset(const DatasetSpec& spec) {
    return m->write("freezing dataset " + spec.name, [&]() -> Result<DatasetInfo> {
        PL_TRY(const Frozen frozen, collect(*m, spec, Wanted::All));
        std::map<std::string, std::string> shas;
        for (const auto& [file, bytes] : frozen.files)
            shas[file] = sha256Hex(bytes);
        const std::string sha = sha256Hex(dumpJson(Json(shas)));
        const std::string folder = os::joinPath(datasetsDir(), sha);
        std::optional<DatasetInfo> known;
        {
            auto row = m->query(std::string(kDatasetColumns) + "WHERE sha = ?");
            if (row.bind(sha).step()) {
                m->discard = true;
                known = datasetOf(row, datasetsDir());
                known->counts = frozen.counts; // what is kept back may have grown since it was frozen
            }
        }
        if (known && os::isDir(folder)) // in a copy that is read (reading_copy.h) it is not
            return *known;
        // Aside, then renamed: a folder with this name is always whole.
        const std::string aside = os::joinPath(datasetsDir(), ".partial-" + sha);
        PL_CHECK(os::removeTree(aside));
        PL_CHECK(os::makeDirs(aside));
        Json rows = Json::object();
        for (const auto& [file, bytes] : frozen.files) {
            PL_CHECK(os::writeFileAtomic(os::joinPath(aside, file), bytes));
            rows[file] = {{"sha256", shas[file]}, {"rows", std::count(bytes.begin(), bytes.end(), '\n')}};
        }
        if (!frozen.images.empty())
            PL_CHECK(os::makeDirs(os::joinPath(aside, "images")));
        for (const auto& [ref, hash] : frozen.images)
            PL_CHECK(os::linkOrCopy(m->mediaPath(hash), os::joinPath(aside, ref)));
        const Json manifest{{"manifest_version", 1},
                            {"sha", sha},
                            {"files", rows},
                            {"filter", filterJson(spec)},
                            {"aggregation", aggregationName(spec.aggregation)},
                            {"tie_policy", tiePolicyName(spec.tiePolicy)},
                            {"counts", frozen.counts.toJson()},
                            {"images", frozen.images.size()},
                            {"project", m->projectUuid},
                            {"app_version", kVersion}};
        PL_CHECK(os::writeFileAtomic(os::joinPath(aside, "manifest.json"), dumpJsonPretty(manifest) + "\n"));
        PL_CHECK(os::removeTree(folder));
        PL_CHECK(os::renamePath(aside, folder));
        PL_CHECK(os::fsyncPath(datasetsDir()));
        if (known)
            return *known;

        std::string name = spec.name.empty() ? "dataset" : spec.name;
        for (int n = 2;; ++n) {
            auto taken = m->query("SELECT 1 FROM datasets WHERE name = ?");
            if (!taken.bind(name).step())
                break;
            name = fmt::format("{} ({})", spec.name.empty() ? "dataset" : spec.name, n);
        }
        Json splits = Json::array();
        for (const Split split : spec.filter.splits)
            splits.push_back(splitName(split));
        auto last = m->query("SELECT coalesce(max(id), 0) FROM judgements");
        last.step();
        m->query("INSERT INTO datasets(uuid, name, sha, filter, aggregation, tie_policy, splits, counts, files, "
                 "last_event_id, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(newUuid(), name, sha, filterJson(spec), aggregationName(spec.aggregation),
                  tiePolicyName(spec.tiePolicy), splits, frozen.counts.toJson(), Json(shas), last.integer(0), m->now())
            .run();
        const Id id = m->db->getLastInsertRowid();
        for (const CurrentVote& vote : frozen.votes)
            m->query("INSERT INTO dataset_rows(dataset_id, event_id, task_id, comparison_id, annotator_id) "
                     "VALUES (?, ?, ?, ?, ?)")
                .bind(id, vote.event, vote.task, vote.comparison, vote.annotator)
                .run();
        if (wants(spec.filter, Split::Test))
            m->query("INSERT INTO test_openings(why, program, time_ms) VALUES (?, ?, ?)")
                .bind("dataset " + name, m->options.program, m->now())
                .run();
        m->pending.changes.insert(Change::Datasets);
        auto row = m->query(std::string(kDatasetColumns) + "WHERE id = ?");
        row.bind(id).step();
        return datasetOf(row, datasetsDir());
    });
}

Result<std::vector<DatasetInfo>> Project::datasets() {
    return m->guarded("reading datasets", [&]() -> Result<std::vector<DatasetInfo>> {
        std::vector<DatasetInfo> all;
        auto rows = m->query(std::string(kDatasetColumns) + "ORDER BY id DESC");
        while (rows.step())
            all.push_back(datasetOf(rows, datasetsDir()));
        return all;
    });
}

Result<DatasetInfo> Project::findDataset(const std::string& what) {
    return m->guarded("looking for dataset " + what, [&]() -> Result<DatasetInfo> {
        {
            auto row = m->query(std::string(kDatasetColumns) + "WHERE name = ? OR CAST(id AS TEXT) = ?");
            if (row.bind(what, what).step())
                return datasetOf(row, datasetsDir());
        }
        if (what.size() >= 6) {
            auto row = m->query(std::string(kDatasetColumns) + "WHERE substr(sha, 1, ?) = ? LIMIT 2");
            if (row.bind(static_cast<int64_t>(what.size()), what).step()) {
                DatasetInfo info = datasetOf(row, datasetsDir());
                if (!row.step())
                    return info;
            }
        }
        return fail(Code::NotFound, fmt::format("there is no dataset \"{}\"", what),
                    "See `pairlab-cli dataset list P`.");
    });
}

Result<DatasetDrift> Project::datasetDrift(Id dataset) {
    return m->guarded("comparing a dataset with the votes", [&]() -> Result<DatasetDrift> {
        DatasetInfo info;
        {
            auto row = m->query(std::string(kDatasetColumns) + "WHERE id = ?");
            if (!row.bind(dataset).step())
                return fail(Code::NotFound, fmt::format("there is no dataset {}", dataset));
            info = datasetOf(row, datasetsDir());
        }
        DatasetDrift drift;
        std::set<std::tuple<Id, Id, Id>> known;
        auto rows = m->query("SELECT event_id, task_id, comparison_id, annotator_id FROM dataset_rows "
                             "WHERE dataset_id = ?");
        rows.bind(dataset);
        while (rows.step()) {
            const VoteKey key{rows.integer(1), rows.integer(2), rows.integer(3), 0};
            known.insert({key.task, key.comparison, key.annotator});
            const CurrentVote* vote = m->votes.find(key);
            drift.changed += !vote || vote->event != rows.integer(0);
        }
        for (const CurrentVote& vote : m->votes.rows()) {
            if (vote.kind != EventKind::Vote || vote.event <= info.lastEvent || !matches(info.spec.filter, vote) ||
                known.count({vote.task, vote.comparison, vote.annotator}))
                continue;
            auto row = m->query("SELECT p.split, k.kind FROM comparisons x JOIN prompts p ON p.id = x.prompt_id "
                                "JOIN candidates k ON k.id = x.a_id WHERE x.id = ?");
            drift.newer += row.bind(vote.comparison).step() && (row.text(1) == "image") == info.isOfImages() &&
                           wants(info.spec.filter, stored(splitOf(row.text(0))));
        }
        return drift;
    });
}

} // namespace pl::desk
