// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/adjudication.h"

#include <algorithm>

#include "core/desk/store/impl.h"

namespace pl::desk {

namespace {

constexpr const char* kRole = "adjudicator";

Result<Id> adjudicatorIn(Project::Impl& impl, Id person) {
    std::string name, uuid;
    Json detail;
    {
        auto row = impl.query("SELECT name, uuid, detail, kind FROM annotators WHERE id = ?");
        if (!row.bind(person).step())
            return fail(Code::NotFound, fmt::format("there is no person {}", person));
        if (row.text(3) != annotatorKindName(AnnotatorKind::Human))
            return fail(Code::InvalidInput, fmt::format("\"{}\" is no person and gives no verdicts", row.text(0)));
        name = row.text(0);
        uuid = row.text(1);
        detail = row.json(2);
    }
    if (detail.is_object() && detail.value("role", Json()) == kRole)
        return person;
    {
        auto rows = impl.query("SELECT id, detail FROM annotators WHERE instr(detail, ?) > 0");
        rows.bind(uuid);
        while (rows.step()) {
            const Json other = rows.json(1);
            if (other.is_object() && other.value("role", Json()) == kRole && other.value("of", Json()) == uuid)
                return rows.integer(0);
        }
    }
    impl.pending.dropMarks = true;
    std::string own = name + ", adjudicator";
    for (int n = 2;; ++n) {
        auto taken = impl.query("SELECT 1 FROM annotators WHERE kind = 'human' AND name = ?");
        if (!taken.bind(own).step())
            break;
        own = fmt::format("{}, adjudicator {}", name, n);
    }
    return impl.annotatorIn(AnnotatorKind::Human, own, {{"role", kRole}, {"of", uuid}});
}

} // namespace

const char* causeName(Cause value) {
    switch (value) {
    case Cause::GuidelineUnclear: return "guideline_unclear";
    case Cause::Mistake: return "mistake";
    case Cause::TrulySplit: return "truly_split";
    case Cause::BadPair: return "bad_pair";
    }
    return "";
}

Result<Cause> causeOf(std::string_view name) {
    for (const Cause cause : {Cause::GuidelineUnclear, Cause::Mistake, Cause::TrulySplit, Cause::BadPair})
        if (name == causeName(cause))
            return cause;
    return fail(Code::InvalidInput, fmt::format("\"{}\" is no cause", name), "Known: guideline_unclear, mistake, truly_split, bad_pair.");
}

bool isAdjudicator(const Annotator& annotator) {
    return annotator.detail.is_object() && annotator.detail.value("role", Json()) == kRole;
}

Result<Id> adjudicatorOf(Project& project, Id person) {
    Project::Impl& impl = project.impl();
    return impl.write("adding an adjudicator", [&] { return adjudicatorIn(impl, person); });
}

Result<std::vector<AnonymousVote>> anonymousVotes(Project& project, Id task, Id comparison) {
    Project::Impl& impl = project.impl();
    return impl.guarded("reading votes", [&]() -> Result<std::vector<AnonymousVote>> {
        std::vector<std::pair<std::string, AnonymousVote>> keyed;
        auto rows = impl.query("SELECT c.event_id, n.uuid, x.sha, n.detail FROM current c JOIN annotators n ON n.id = c.annotator_id "
                               "JOIN comparisons x ON x.id = c.comparison_id WHERE c.task_id = ? AND c.comparison_id = ? AND "
                               "c.occasion = 0 AND c.kind IN ('vote', 'skip') AND c.provenance IN ('human', 'imported')");
        rows.bind(task, comparison);
        while (rows.step()) {
            Annotator who;
            who.detail = rows.json(3);
            if (isAdjudicator(who))
                continue;
            PL_TRY(const Judgement j, impl.judgementOf(rows.integer(0)));
            AnonymousVote vote;
            vote.winner = j.winner;
            vote.tieKind = j.tieKind;
            vote.strength = j.strength;
            vote.badA = j.badA;
            vote.badB = j.badB;
            vote.skipped = j.kind == EventKind::Skip;
            vote.skipReason = j.skipReason;
            vote.reasons = j.reasons;
            vote.rationale = j.rationale;
            keyed.emplace_back(sha256Hex(rows.text(2) + rows.text(1)), std::move(vote));
        }
        std::sort(keyed.begin(), keyed.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
        std::vector<AnonymousVote> out;
        for (auto& [key, vote] : keyed)
            out.push_back(std::move(vote));
        return out;
    });
}

Result<std::optional<AdjudicatedVerdict>> verdictOn(Project& project, Id task, Id comparison) {
    Project::Impl& impl = project.impl();
    return impl.guarded("reading a verdict", [&]() -> Result<std::optional<AdjudicatedVerdict>> {
        impl.loadMarks();
        std::optional<AdjudicatedVerdict> out;
        Id newest = 0;
        for (const Id who : impl.memory.adjudicators) {
            const CurrentVote* vote = impl.votes.find({task, comparison, who, 0});
            if (!vote || vote->kind == EventKind::Flag || vote->event < newest)
                continue;
            newest = vote->event;
            AdjudicatedVerdict verdict;
            verdict.adjudicator = who;
            PL_TRY(verdict.judgement, impl.judgementOf(vote->event));
            for (const std::string& reason : verdict.judgement.reasons)
                if (const auto cause = causeOf(reason))
                    verdict.cause = *cause;
            out = std::move(verdict);
        }
        return out;
    });
}

Result<Ack> adjudicate(Project& project, Id task, Id person, Id comparison, bool aOnLeft, const Judgement& verdict, Cause cause) {
    Project::Impl& impl = project.impl();
    return impl.write("saving a verdict", [&]() -> Result<Ack> {
        PL_TRY(const auto members, impl.membersIn(comparison));
        if (members.size() > 2) // as a vote between two of them it would take the place of whole orders
            return fail(Code::InvalidInput, fmt::format("{} is a set of {} answers, which takes no verdict", comparison, members.size()),
                        "Talk about it and let one of those who ranked it put it into another order.");
        Presentation shown;
        shown.task = task;
        shown.comparison = comparison;
        PL_TRY(shown.annotator, adjudicatorIn(impl, person));
        shown.aOnLeft = aOnLeft;
        shown.rule = QueueRule::Mixed;
        shown.stratum = "adjudication";
        JudgementInput input;
        static_cast<Judgement&>(input) = verdict;
        std::erase_if(input.reasons, [](const std::string& reason) { return causeOf(reason).has_value(); });
        input.reasons.push_back(causeName(cause));
        if (cause == Cause::BadPair) {
            input.kind = EventKind::Skip;
            input.skipReason = "bad pair";
            input.winner = Winner::Tie;
            input.tieKind = TieKind::None;
            input.strength.reset();
        }
        PL_TRY(input.presentation, impl.presentIn(shown));
        return impl.judgeIn(input);
    });
}

} // namespace pl::desk
