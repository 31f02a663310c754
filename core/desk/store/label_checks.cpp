// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/label_checks.h"

#include <algorithm>

#include "core/desk/store/impl.h"

namespace pl::desk {

Result<Id> addLabelCheck(Project& project, const LabelCheckRow& row) {
    Project::Impl& impl = project.impl();
    return impl.write("noting a check of labels", [&]() -> Result<Id> {
        impl.query("INSERT INTO label_checks(uuid, task_id, dataset_sha, folds, request, runs, score_run, state, reason, created_ms) "
                   "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(newUuid(), row.task, row.datasetSha, row.folds, row.request, Json(row.runs), row.scoreRun, row.state, row.reason, impl.now())
            .run();
        impl.pending.changes.insert(Change::Runs);
        return Id{impl.db->getLastInsertRowid()};
    });
}

Status updateLabelCheck(Project& project, const LabelCheckRow& row) {
    Project::Impl& impl = project.impl();
    return impl.write("noting a check of labels", [&]() -> Status {
        impl.query("UPDATE label_checks SET runs = ?, score_run = ?, state = ?, reason = ? WHERE id = ?")
            .bind(Json(row.runs), row.scoreRun, row.state, row.reason, row.id)
            .run();
        impl.pending.changes.insert(Change::Runs);
        return {};
    });
}

Result<std::vector<LabelCheckRow>> labelCheckRows(Project& project) {
    Project::Impl& impl = project.impl();
    return impl.guarded("reading checks of labels", [&]() -> Result<std::vector<LabelCheckRow>> {
        std::vector<LabelCheckRow> all;
        auto rows = impl.query("SELECT id, task_id, dataset_sha, folds, request, runs, score_run, state, reason, created_ms "
                               "FROM label_checks ORDER BY id DESC");
        while (rows.step())
            all.push_back({rows.integer(0), rows.integer(1), rows.text(2), static_cast<int>(rows.integer(3)), rows.json(4),
                           rows.json(5).get<std::vector<std::string>>(), rows.text(6), rows.text(7), rows.text(8), rows.integer(9)});
        return all;
    });
}

Result<std::vector<std::map<Id, double>>> scoresOfRun(Project& project, const std::string& run) {
    Project::Impl& impl = project.impl();
    return impl.guarded("reading scores", [&]() -> Result<std::vector<std::map<Id, double>>> {
        std::map<Id, std::map<Id, double>> byScorer;
        auto rows = impl.query("SELECT s.id, k.candidate_id, k.score FROM scorers s JOIN runs r ON r.id = s.run_id "
                               "JOIN candidate_scores k ON k.scorer_id = s.id WHERE r.name = ? AND s.purpose = 'doctor'");
        rows.bind(run);
        while (rows.step())
            byScorer[rows.integer(0)][rows.integer(1)] = rows.real(2);
        std::vector<std::map<Id, double>> out;
        for (auto& [id, scores] : byScorer)
            out.push_back(std::move(scores));
        return out;
    });
}

Result<std::vector<CheckedVote>> checkedVotes(Project& project, Id task) {
    Project::Impl& impl = project.impl();
    return impl.guarded("reading votes", [&]() -> Result<std::vector<CheckedVote>> {
        impl.loadPairs();
        impl.loadMarks();
        const auto doubted = impl.memory.doubted.find(task);
        std::vector<CheckedVote> out;
        for (const CurrentVote& vote : impl.votes.rows()) {
            const auto info = impl.pairs.find(vote.comparison);
            if (vote.task != task || vote.occasion != 0 || vote.kind != EventKind::Vote || vote.winner == Winner::Tie ||
                info == impl.pairs.end() || info->second.split == Split::Test || info->second.kind != CandidateKind::Text ||
                impl.memory.adjudicators.count(vote.annotator))
                continue;
            auto row = impl.query("SELECT x.a_id, x.b_id, a.uuid, b.uuid, pc.text, p.sha, ac.text, bc.text FROM comparisons x "
                                  "JOIN prompts p ON p.id = x.prompt_id JOIN contents pc ON pc.id = p.content_id "
                                  "JOIN candidates a ON a.id = x.a_id JOIN candidates b ON b.id = x.b_id "
                                  "JOIN contents ac ON ac.id = a.content_id JOIN contents bc ON bc.id = b.content_id "
                                  "WHERE x.id = ? AND x.prompt_b_id IS NULL");
            if (!row.bind(vote.comparison).step())
                continue;
            CheckedVote checked{vote, row.integer(0), row.integer(1), row.text(2), row.text(3), row.text(4), row.text(5), row.text(6), row.text(7)};
            checked.promptHead = headOf(checked.prompt, 120);
            checked.split = info->second.split;
            checked.waiting = doubted != impl.memory.doubted.end() && doubted->second.count(vote.comparison) > 0;
            out.push_back(std::move(checked));
        }
        std::sort(out.begin(), out.end(), [](const CheckedVote& x, const CheckedVote& y) { return x.vote.event < y.vote.event; });
        return out;
    });
}

} // namespace pl::desk
