// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/edits.h"

#include "core/desk/store/impl.h"

namespace pl::desk {

Result<EditAck> commitEdit(Project& project, const EditInput& input) {
    Project::Impl& impl = project.impl();
    return impl.write("saving an edited answer", [&]() -> Result<EditAck> {
        PL_TRY(const LabelItem item, impl.itemIn(input.comparison));
        PL_TRY(const Task task, impl.taskIn(input.task));
        const Candidate &original = input.ofA ? item.a : item.b, &other = input.ofA ? item.b : item.a;
        if (original.kind != CandidateKind::Text)
            return fail(Code::InvalidInput, "an image cannot be rewritten", "Only answers in text are edited.");
        if (input.text.find_first_not_of(" \t\r\n") == std::string::npos)
            return fail(Code::InvalidInput, "the edited answer is empty", "Write it, or leave the editor with Esc.");
        if (input.text == original.content)
            return fail(Code::InvalidInput, "nothing was changed in the answer", "Change it, or leave the editor with Esc.");
        if (input.text == other.content)
            return fail(Code::InvalidInput, "the edited answer is the other answer of this pair, word for word",
                        "Vote for that one instead.");
        EventDraft draft;
        {
            auto who = impl.query("SELECT kind, uuid FROM annotators WHERE id = ?");
            if (!who.bind(input.annotator).step())
                return fail(Code::NotFound, fmt::format("there is no person {}", input.annotator));
            draft.provenance = provenanceOf(stored(annotatorKindOf(who.text(0))));
        }
        NewCandidate edited;
        edited.prompt = original.prompt;
        edited.content = input.text;
        edited.provenance = draft.provenance;
        edited.parent = original.id;
        // The same text written again is the same version.
        edited.uuid = uuidFromText("edit\n" + original.uuid + "\n" + candidateSha(input.text));
        EditAck out;
        PL_TRY(out.candidate, impl.addCandidateIn(edited, 0));
        Project::NewPair pair;
        pair.a = original.id;
        pair.b = out.candidate;
        pair.source = kEditSource;
        pair.task = input.task;
        PL_TRY(draft.comparison, impl.addPairIn(pair, 0));
        const VoteKey key{input.task, draft.comparison, input.annotator, 0};
        if (impl.currentEvent(key))
            return fail(Code::InvalidInput, "you have judged these two versions already",
                        "Take that vote back first, or write something else.");
        PL_TRY(const Comparison both, impl.comparisonIn(draft.comparison));
        PL_TRY(const Candidate first, impl.candidateIn(both.a));
        Judgement implied;
        implied.winner = first.sha == candidateSha(input.text) ? Winner::A : Winner::B;
        implied.attributes = {{"implied", kEditSource}};
        draft.task = input.task;
        draft.annotator = input.annotator;
        draft.session = input.session;
        draft.guidelineVersion = task.guidelineVersion;
        draft.kind = EventKind::Vote;
        draft.judgement = &implied;
        draft.edited = out.candidate;
        draft.view = kEditSource;
        std::string uuid;
        PL_TRY(const Id event, impl.appendEvent(draft, &uuid));
        impl.setCurrent(key, event);
        out.ack = impl.ackFor(event, std::move(uuid), draft.comparison);
        return out;
    });
}

void Project::Impl::followEdit(Id event, bool back) {
    Id comparison = 0, edited = 0;
    {
        auto row = query("SELECT x.id, j.edited_id FROM judgements j JOIN comparisons x ON x.id = j.comparison_id "
                         "WHERE j.id = ? AND x.source = ? AND j.edited_id IN (x.a_id, x.b_id)");
        if (!row.bind(event, kEditSource).step())
            return;
        comparison = row.integer(0);
        edited = row.integer(1);
    }
    if (!back) {
        // Somebody else may have judged the two versions, or compared this one with a third.
        auto used = query("SELECT 1 FROM current WHERE comparison_id = ?");
        if (used.bind(comparison).step())
            return;
    }
    query("UPDATE comparisons SET withdrawn = ? WHERE id = ?").bind(!back, comparison).run();
    query("UPDATE candidates SET withdrawn = ? WHERE id = ? AND (withdrawn = 1 OR NOT EXISTS (SELECT 1 FROM comparisons x "
          "WHERE (x.a_id = candidates.id OR x.b_id = candidates.id) AND x.withdrawn = 0))")
        .bind(!back, edited)
        .run();
    pending.dropQueues = true;
    pending.changes.insert({Change::Candidates, Change::Pairs});
}

} // namespace pl::desk
