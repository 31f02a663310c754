// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/audit.h"

#include <algorithm>
#include <functional>

#include "core/desk/store/event_rows.h"

namespace pl::desk {

namespace {

constexpr size_t kMostProblems = 50;

/// Which single value, of those with few choices, makes the row the one that was saved: "winner was a, is b".
std::string explain(const EventRow& event) {
    const std::string& saved = event.digest;
    std::string found;
    const auto attempt = [&](const std::function<void(DigestInput&)>& change, const std::string& words) {
        if (!found.empty())
            return;
        DigestInput in = event.in;
        change(in);
        if (digestOf(in) == saved)
            found = words;
    };
    const auto choices = [&](const char* name, std::string DigestInput::*field, std::initializer_list<const char*> values) {
        const std::string now = event.in.*field;
        for (const char* value : values)
            if (now != value)
                attempt([&](DigestInput& in) { in.*field = value; },
                        fmt::format("{} was {}, is {}", name, *value ? value : "empty", now.empty() ? "empty" : now));
    };
    const auto numbers = [&](const char* name, int64_t DigestInput::*field, int64_t low, int64_t high) {
        for (int64_t value = low; value <= high; ++value)
            if (event.in.*field != value)
                attempt([&](DigestInput& in) { in.*field = value; },
                        fmt::format("{} was {}, is {}", name, value, event.in.*field));
    };
    const auto flip = [&](const char* name, bool DigestInput::*field) {
        attempt([&](DigestInput& in) { in.*field = !(in.*field); },
                fmt::format("{} was {}, is {}", name, event.in.*field ? "no" : "yes", event.in.*field ? "yes" : "no"));
    };
    choices("winner", &DigestInput::winner, {"a", "b", "tie", ""});
    choices("tie_kind", &DigestInput::tieKind, {"both_good", "both_bad", "identical", "unspecified", ""});
    choices("kind", &DigestInput::kind, {"vote", "skip", "flag", "undo", "redo", "revert"});
    choices("provenance", &DigestInput::provenance, {"human", "rule", "judge", "model", "transferred", "imported"});
    choices("view", &DigestInput::view, {"", "raw", "markdown", "diff", "side", "wipe", "difference", "flip", "blink"});
    choices("the flag", &DigestInput::flagSha, {""});
    choices("the edited answer", &DigestInput::editedSha, {""});
    choices("the details' hash", &DigestInput::detailsSha, {""});
    choices("supersedes", &DigestInput::supersedes, {""});
    numbers("strength", &DigestInput::strength, 0, 3);
    numbers("guideline_version", &DigestInput::guidelineVersion, 1, 100);
    numbers("occasion", &DigestInput::occasion, 0, 100);
    flip("bad_a", &DigestInput::badA);
    flip("bad_b", &DigestInput::badB);
    if (event.in.presentation.is_array()) {
        const char* names[] = {"a_on_left", "", "", "", "", "blind", "exposed"};
        for (const size_t i : {0, 5, 6})
            attempt([&](DigestInput& in) { in.presentation[i] = 1 - event.in.presentation[i].get<int64_t>(); },
                    fmt::format("its presentation's {} was {}, is {}", names[i], 1 - event.in.presentation[i].get<int64_t>(),
                                event.in.presentation[i].get<int64_t>()));
        for (const char* rule : {"fifo", "random", "mixed"})
            attempt([&](DigestInput& in) { in.presentation[2] = rule; },
                    fmt::format("its presentation's rule was {}, is {}", rule, event.in.presentation[2].get<std::string>()));
    }
    return found;
}

void auditChains(Project::Impl& impl, AuditReport& report) {
    struct Chain {
        int64_t seq = 0;
        std::string digest;
        bool bad = false;
        Id badRow = 0;
        BadEvent first;
    };
    std::map<std::pair<std::string, std::string>, Chain> chains;
    std::map<std::string, std::string> names;
    {
        auto rows = impl.query("SELECT uuid, name FROM annotators");
        while (rows.step())
            names[rows.text(0)] = rows.text(1);
    }
    std::set<Id> erased;
    {
        auto rows = impl.query("SELECT DISTINCT event_id FROM erased_parts");
        while (rows.step())
            erased.insert(rows.integer(0));
        report.erased = static_cast<int64_t>(erased.size());
    }
    std::set<Id> erasedDetails;
    {
        auto rows = impl.query("SELECT event_id FROM erased_parts WHERE part = 'details'");
        while (rows.step())
            erasedDetails.insert(rows.integer(0));
    }
    for (EventReader rows(impl); rows.step();) {
        ++report.events;
        const EventRow event = rows.row();
        Chain& chain = chains[{event.in.origin, event.in.annotator}];
        if (chain.bad)
            continue; // only the first one is told: what follows hangs on it
        std::string what;
        if (event.in.chainSeq != chain.seq + 1)
            what = event.in.chainSeq > chain.seq + 1
                       ? fmt::format("{} missing before it: the one before it has number {}",
                                     event.in.chainSeq == chain.seq + 2 ? "an event is" : "events are", chain.seq)
                       : fmt::format("its number is {} although {} is due", event.in.chainSeq, chain.seq + 1);
        else if (event.in.previous != chain.digest)
            what = "it does not name the digest of the event before it: one of the two was changed or put in later";
        else if (digestOf(event.in) != event.digest) {
            what = explain(event);
            what = what.empty() ? "what the row says is not what was saved (its digest differs)" : what;
        } else if (!erasedDetails.count(event.id)) {
            const Json details = storedDetails(impl, event.id);
            if (details.is_null() && !event.in.detailsSha.empty())
                what = "its details (reasons, rationale, marks) are gone";
            else if (!details.is_null() && sha256Hex(dumpJson(details)) != event.in.detailsSha)
                what = "its details (attributes, reasons, rationale, spans, regions, ranking) were changed";
        }
        if (!what.empty()) {
            chain.bad = true;
            chain.badRow = event.id;
            chain.first = {event.in.origin, event.in.annotator, names[event.in.annotator], event.in.uuid, event.in.chainSeq, what};
            continue;
        }
        chain.seq = event.in.chainSeq;
        chain.digest = event.digest;
    }
    report.chains = static_cast<int64_t>(chains.size());
    std::vector<const Chain*> bad;
    for (const auto& [key, chain] : chains)
        if (chain.bad)
            bad.push_back(&chain);
    std::sort(bad.begin(), bad.end(), [](const Chain* x, const Chain* y) { return x->badRow < y->badRow; });
    for (const Chain* chain : bad)
        report.first.push_back(chain->first);
}

void auditContents(Project::Impl& impl, AuditReport& report) {
    auto& problems = report.problems;
    const auto room = [&] { return problems.size() < kMostProblems; };
    {
        auto rows = impl.query("SELECT p.id, p.uuid, p.sha, c.text FROM prompts p JOIN contents c ON c.id = p.content_id "
                               "WHERE NOT EXISTS (SELECT 1 FROM tombstones t WHERE t.uuid = p.uuid)");
        while (rows.step() && room()) {
            ++report.contents;
            if (promptSha(rows.text(3)) != rows.text(2) || uuidFromText("prompt\n" + rows.text(2)) != rows.text(1))
                problems.push_back(fmt::format("the text of prompt {} is not the one that was judged", rows.integer(0)));
        }
    }
    {
        auto rows = impl.query("SELECT k.id, k.sha, c.text FROM candidates k JOIN contents c ON c.id = k.content_id "
                               "WHERE c.sha <> ?");
        rows.bind(kErasedWords);
        while (rows.step() && room()) {
            ++report.contents;
            if (candidateSha(rows.text(2)) != rows.text(1))
                problems.push_back(fmt::format("the text of answer {} is not the one that was judged", rows.integer(0)));
        }
    }
    {
        auto rows = impl.query("SELECT x.id, x.sha, p.sha, a.sha, b.sha FROM comparisons x JOIN prompts p ON p.id = x.prompt_id "
                               "JOIN candidates a ON a.id = x.a_id JOIN candidates b ON b.id = x.b_id "
                               "WHERE x.prompt_b_id IS NULL AND NOT EXISTS (SELECT 1 FROM comparison_members m "
                               "WHERE m.comparison_id = x.id)");
        while (rows.step() && room())
            if (pairSha(rows.text(2), rows.text(3), rows.text(4)) != rows.text(1))
                problems.push_back(fmt::format("pair {} is not of the answers that were judged", rows.integer(0)));
    }
    {
        auto rows = impl.query("SELECT t.name, g.version, g.text, g.sha FROM guidelines g JOIN tasks t ON t.id = g.task_id");
        while (rows.step() && room())
            if (sha256Hex(rows.text(2)) != rows.text(3))
                problems.push_back(fmt::format("guideline {} of task {} was changed", rows.integer(1), rows.text(0)));
    }
    auto count = impl.query("SELECT (SELECT count(*) FROM judgements), (SELECT value FROM counters WHERE name = 'events')");
    count.step();
    if (count.integer(0) != report.events)
        problems.push_back(fmt::format("{} events lost the pair, task or person they belong to", count.integer(0) - report.events));
    if (count.integer(1) != count.integer(0))
        problems.push_back(fmt::format("{} events were saved, there are {}: the last ones of a chain may be missing",
                                       count.integer(1), count.integer(0)));
}

} // namespace

std::string BadEvent::toString() const {
    return fmt::format("event {} of {} (person {}, origin {}, uuid {}): {}", number, personName.empty() ? "nobody" : personName, person,
                       origin, uuid, what);
}

Json AuditReport::toJson() const {
    Json bad = Json::array();
    for (const BadEvent& event : first)
        bad.push_back({{"origin", event.origin},
                       {"person", event.person},
                       {"name", event.personName},
                       {"number", event.number},
                       {"uuid", event.uuid},
                       {"what", event.what}});
    return {{"ok", ok()},       {"events", events},   {"chains", chains},    {"contents", contents},
            {"erased", erased}, {"first_bad", bad}, {"problems", problems}};
}

Result<AuditReport> audit(Project& project) {
    Project::Impl& impl = project.impl();
    return impl.guarded("auditing project " + impl.dir, [&]() -> Result<AuditReport> {
        AuditReport report;
        auditChains(impl, report);
        auditContents(impl, report);
        return report;
    });
}

} // namespace pl::desk
