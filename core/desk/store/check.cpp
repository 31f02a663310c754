// SPDX-License-Identifier: Apache-2.0
#include <sstream>

#include "core/desk/store/event_rows.h"
#include "core/desk/store/opening.h"
#include "core/desk/store/schema.h"

namespace pl::desk {

namespace {

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

/// What counts by the events alone, one item after the other.
VoteTable replayed(Project::Impl& impl) {
    VoteTable table;
    std::optional<VoteKey> item;
    ItemHistory history;
    const auto close = [&] {
        if (const auto vote = item ? impl.currentOf(history.current()) : std::nullopt)
            table.set(*vote);
        history = {};
    };
    auto rows = impl.query("SELECT task_id, comparison_id, annotator_id, occasion, origin, id, kind, target_id, time_ms, uuid, flag "
                           "FROM judgements ORDER BY task_id, comparison_id, annotator_id, occasion, id");
    while (rows.step()) {
        const VoteKey key{rows.integer(0), rows.integer(1), rows.integer(2), static_cast<int32_t>(rows.integer(3))};
        if (!(item == key))
            close();
        item = key;
        const EventKind kind = stored(eventKindOf(rows.text(6)));
        history.add(rows.text(4), rows.integer(5), kind, rows.null(7) ? 0 : rows.integer(7), rows.integer(8), rows.text(9),
                    kind == EventKind::Flag && rows.null(10));
    }
    close();
    return table;
}

void checkEvents(Project::Impl& impl, CheckReport& report) {
    std::map<std::pair<std::string, Id>, std::pair<int64_t, std::string>> heads;
    for (EventReader rows(impl); rows.step();) {
        ++report.events;
        const EventRow event = rows.row();
        auto& [seq, last] = heads[{event.in.origin, event.annotator}];
        if (event.in.chainSeq != seq + 1 || event.in.previous != last)
            report.problems.push_back(
                fmt::format("judgement {} does not follow the one before it in its chain", event.id));
        else if (digestOf(event.in) != event.digest)
            report.problems.push_back(fmt::format("judgement {} was changed after it was saved", event.id));
        seq = event.in.chainSeq;
        last = event.digest;
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

    const VoteTable rebuilt = replayed(impl);
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
    auto rows = impl.query("SELECT j.id, j.details_sha, d.event_id FROM judgements j LEFT JOIN judgement_details d "
                           "ON d.event_id = j.id WHERE (j.details_sha IS NOT NULL OR d.event_id IS NOT NULL) AND NOT EXISTS "
                           "(SELECT 1 FROM erased_parts e WHERE e.event_id = j.id AND e.part = 'details')");
    while (rows.step()) {
        if (rows.null(2))
            report.problems.push_back(fmt::format("the details of judgement {} are missing", rows.integer(0)));
        else if (sha256Hex(dumpJson(storedDetails(impl, rows.integer(0)))) != rows.text(1))
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
            noteChecked(*m);
        return report;
    });
}

} // namespace pl::desk
