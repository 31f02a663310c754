// SPDX-License-Identifier: Apache-2.0
#include <sstream>

#include "core/desk/store/impl.h"
#include "core/desk/store/schema.h"

namespace pl::desk {

namespace {

/// What an item's state is after an event, while all events are read in order.
struct Replay {
    std::map<std::tuple<Id, Id, Id, int32_t>, Id> current;
    std::unordered_map<Id, Id> before; ///< of a judgement: what counted before it
    void add(Id event, EventKind kind, Id target, const std::tuple<Id, Id, Id, int32_t>& item) {
        switch (kind) {
        case EventKind::Undo:
        case EventKind::Revert:
            current[item] = before[target];
            break;
        case EventKind::Redo:
            current[item] = target;
            break;
        default:
            before[event] = current[item];
            current[item] = event;
        }
    }
};

constexpr size_t kMostProblems = 50;

void checkCounters(Project::Impl& impl, std::vector<std::string>& problems) {
    const std::pair<const char*, const char*> counts[] = {
        {"prompts", "SELECT count(*) FROM prompts WHERE withdrawn = 0"},
        {"prompts_train", "SELECT count(*) FROM prompts WHERE withdrawn = 0 AND split = 'train'"},
        {"prompts_dev", "SELECT count(*) FROM prompts WHERE withdrawn = 0 AND split = 'dev'"},
        {"prompts_test", "SELECT count(*) FROM prompts WHERE withdrawn = 0 AND split = 'test'"},
        {"candidates", "SELECT count(*) FROM candidates WHERE withdrawn = 0"},
        {"comparisons", "SELECT count(*) FROM comparisons WHERE withdrawn = 0"},
        {"events", "SELECT count(*) FROM judgements"},
        {"current", "SELECT count(*) FROM current WHERE kind = 'vote' AND occasion = 0"},
        {"skips", "SELECT count(*) FROM current WHERE kind = 'skip' AND occasion = 0"},
        {"flags", "SELECT count(*) FROM current WHERE flagged = 1 AND occasion = 0"},
        {"runs", "SELECT count(*) FROM runs"},
        {"datasets", "SELECT count(*) FROM datasets"}};
    for (const auto& [name, sql] : counts) {
        auto real = impl.query(sql);
        real.step();
        auto kept = impl.query("SELECT value FROM counters WHERE name = ?");
        const int64_t value = kept.bind(name).step() ? kept.integer(0) : -1;
        if (value != real.integer(0))
            problems.push_back(fmt::format("counter {} says {}, there are {}", name, value, real.integer(0)));
    }
}

void checkEvents(Project::Impl& impl, CheckReport& report) {
    auto rows = impl.query(
        "SELECT j.id, j.uuid, j.kind, t.uuid, j.guideline_version, x.sha, n.uuid, j.occasion, "
        "(SELECT uuid FROM judgements y WHERE y.id = j.target_id), "
        "(SELECT uuid FROM judgements y WHERE y.id = j.supersedes_id), j.provenance, j.winner, j.tie_kind, j.strength, "
        "j.bad_a, j.bad_b, j.skip_reason, j.flag, k.sha, j.details_sha, p.id, p.a_on_left, p.seed, p.rule, "
        "p.propensity, p.stratum, p.blind, p.exposed, j.view, j.first_paint_ms, j.active_ms, j.origin, j.app_version, "
        "j.time_ms, j.mono_ns, j.chain_seq, j.prev_digest, j.digest, j.task_id, j.comparison_id, j.annotator_id, "
        "j.target_id FROM judgements j JOIN tasks t ON t.id = j.task_id JOIN comparisons x ON x.id = j.comparison_id "
        "JOIN annotators n ON n.id = j.annotator_id LEFT JOIN candidates k ON k.id = j.edited_id "
        "LEFT JOIN presentations p ON p.id = j.presentation_id ORDER BY j.id");
    std::map<std::pair<std::string, Id>, std::pair<int64_t, std::string>> heads;
    Replay replay;
    while (rows.step()) {
        ++report.events;
        DigestInput in;
        const Id id = rows.integer(0);
        in.uuid = rows.text(1);
        in.kind = rows.text(2);
        in.task = rows.text(3);
        in.guidelineVersion = rows.integer(4);
        in.comparison = rows.text(5);
        in.annotator = rows.text(6);
        in.occasion = rows.integer(7);
        in.target = rows.text(8);
        in.supersedes = rows.text(9);
        in.provenance = rows.text(10);
        in.winner = rows.text(11);
        in.tieKind = rows.text(12);
        in.strength = rows.null(13) ? 0 : rows.integer(13);
        in.badA = rows.boolean(14);
        in.badB = rows.boolean(15);
        in.skipSha = rows.null(16) ? "" : sha256Hex(rows.text(16));
        in.flagSha = rows.null(17) ? "" : sha256Hex(rows.text(17));
        in.editedSha = rows.text(18);
        in.detailsSha = rows.text(19);
        if (!rows.null(20))
            in.presentation = Json::array({rows.integer(21), rows.integer(22), rows.text(23), rows.real(24),
                                           rows.text(25), rows.integer(26), rows.integer(27)});
        in.view = rows.text(28);
        in.firstPaintMs = rows.integer(29);
        in.activeMs = rows.integer(30);
        in.origin = rows.text(31);
        in.appVersion = rows.text(32);
        in.timeMs = rows.integer(33);
        in.monoNs = rows.integer(34);
        in.chainSeq = rows.integer(35);
        in.previous = rows.text(36);
        const std::string digest = rows.text(37);
        const Id annotator = rows.integer(40);
        auto& [seq, last] = heads[{in.origin, annotator}];
        if (in.chainSeq != seq + 1 || in.previous != last)
            report.problems.push_back(
                fmt::format("judgement {} does not follow the one before it in its chain", id));
        else if (digestOf(in) != digest)
            report.problems.push_back(fmt::format("judgement {} was changed after it was saved", id));
        seq = in.chainSeq;
        last = digest;
        replay.add(id, stored(eventKindOf(in.kind)), rows.null(41) ? 0 : rows.integer(41),
                   {rows.integer(38), rows.integer(39), annotator, static_cast<int32_t>(in.occasion)});
        if (report.problems.size() > kMostProblems)
            return;
    }
    report.chains = static_cast<int64_t>(heads.size());
    {
        auto count = impl.query("SELECT count(*) FROM judgements");
        count.step();
        if (count.integer(0) != report.events)
            report.problems.push_back(fmt::format("{} judgements lost the pair, task or person they belong to",
                                                  count.integer(0) - report.events));
    }

    VoteTable rebuilt;
    for (const auto& [item, event] : replay.current)
        if (const auto vote = impl.currentOf(event)) {
            CurrentVote expected = *vote;
            rebuilt.set(expected);
        }
    VoteTable storedTable = std::move(impl.votes);
    impl.votes = {};
    const Status read = impl.loadVotes();
    std::swap(impl.votes, storedTable); // storedTable: as in the file; impl.votes: as in memory
    if (!read)
        report.problems.push_back(read.error().toString());
    report.current = static_cast<int64_t>(storedTable.rows().size());
    const auto differ = [&](const VoteTable& x, const VoteTable& y, const char* what) {
        for (const CurrentVote& vote : x.rows()) {
            const CurrentVote* other = y.find(VoteTable::keyOf(vote));
            if (!other || !(*other == vote)) {
                report.problems.push_back(fmt::format("the vote on pair {} by person {} {}", vote.comparison,
                                                      vote.annotator, what));
                return;
            }
        }
    };
    differ(storedTable, rebuilt, "is kept otherwise than its events say");
    differ(rebuilt, storedTable, "is missing although its events say it counts");
    differ(storedTable, impl.votes, "is not the one in memory");
    differ(impl.votes, storedTable, "is in memory only");
}

void checkDetails(Project::Impl& impl, CheckReport& report) {
    auto rows = impl.query("SELECT j.id, j.details_sha, d.attributes, d.reasons, d.rationale, d.spans, d.regions, "
                           "d.ranking FROM judgement_details d JOIN judgements j ON j.id = d.event_id");
    while (rows.step()) {
        Json details = Json::object();
        const char* keys[] = {"attributes", "reasons", "", "spans", "regions", "ranking"};
        for (int i = 0; i < 6; ++i)
            if (i != 2 && !rows.null(2 + i))
                details[keys[i]] = rows.json(2 + i);
        if (!rows.null(4))
            details["rationale"] = rows.text(4);
        if (sha256Hex(dumpJson(details)) != rows.text(1))
            report.problems.push_back(fmt::format("the details of judgement {} were changed", rows.integer(0)));
        if (report.problems.size() > kMostProblems)
            return;
    }
}

/// The files beside a dataset's rows, as its images.sha256 lists them.
void checkImages(const std::string& folder, const std::string& name, CheckReport& report) {
    const auto list = os::readFile(os::joinPath(folder, "images.sha256"));
    if (!list)
        return; // said already
    std::istringstream lines(*list);
    for (std::string sha, file; lines >> sha >> file && report.problems.size() < kMostProblems;) {
        const auto real = sha256File(os::joinPath(folder, file));
        if (!real || *real != sha)
            report.problems.push_back(
                fmt::format("dataset {}: {} is {}", name, file, real ? "not what was frozen" : "missing"));
    }
}

} // namespace

Result<CheckReport> Project::check() {
    return m->guarded("checking project " + m->dir, [&]() -> Result<CheckReport> {
        CheckReport report;
        for (const auto& problem : integrityProblems(*m->db, false))
            report.problems.push_back("database: " + problem);
        {
            auto rows = m->query("PRAGMA foreign_key_check");
            while (rows.step() && report.problems.size() < kMostProblems)
                report.problems.push_back(
                    fmt::format("row {} of {} refers to a missing row of {}", rows.integer(1), rows.text(0), rows.text(2)));
        }
        checkCounters(*m, report.problems);
        checkEvents(*m, report);
        checkDetails(*m, report);
        m->checkMedia(report.problems, kMostProblems);
        auto rows = m->query("SELECT name, sha, files FROM datasets ORDER BY id");
        while (rows.step()) {
            const std::string folder = os::joinPath(datasetsDir(), rows.text(1));
            const Json files = rows.json(2);
            for (const auto& [file, sha] : files.items()) {
                const auto real = sha256File(os::joinPath(folder, file));
                if (!real || sha != *real)
                    report.problems.push_back(fmt::format("dataset {}: {} is {}", rows.text(0), file,
                                                          real ? "not what was frozen" : "missing"));
            }
            if (files.contains("images.sha256"))
                checkImages(folder, rows.text(0), report);
        }
        if (report.ok())
            m->setMeta("last_check_ms", std::to_string(m->now()));
        return report;
    });
}

} // namespace pl::desk
