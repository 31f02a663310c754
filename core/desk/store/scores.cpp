// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/scores.h"

#include <algorithm>
#include <cmath>

#include "core/desk/store/impl.h"

namespace pl::desk {

namespace {

/// The scorer's row, made or made active as the job asks for.
Id scorerOf(Project::Impl& impl, const RunRow& run, const std::string& purpose, const std::string& hash, const std::string& name) {
    const bool queue = purpose == "queue";
    Id id = 0, by = 0;
    {
        auto row = impl.query(queue ? "SELECT id, run_id FROM scorers WHERE purpose = ? AND model_hash = ?"
                                    : "SELECT id, run_id FROM scorers WHERE purpose = ? AND model_hash = ? AND run_id = ?");
        row.bind(purpose, hash);
        if (!queue)
            row.bind(run.id);
        if (row.step()) {
            id = row.integer(0);
            by = row.integer(1);
        }
    }
    if (id && (!queue || by >= run.id))
        return id;
    bool active = queue;
    if (queue) {
        auto newest = impl.query("SELECT coalesce(max(run_id), 0) FROM scorers WHERE purpose = 'queue' AND active = 1");
        newest.step();
        active = newest.integer(0) <= run.id; // a late event of an older job changes nothing
    }
    if (active) {
        impl.query("UPDATE scorers SET active = 0 WHERE purpose = 'queue' AND run_id <> ?").bind(run.id).run();
        impl.pending.dropScores = true;
    }
    if (id) {
        if (active)
            impl.query("UPDATE scorers SET active = 1, run_id = ?, model_name = ? WHERE id = ?").bind(run.id, name, id).run();
        return id;
    }
    impl.query("INSERT INTO scorers(purpose, model_hash, model_name, run_id, active, created_ms) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(purpose, hash, name, run.id, active, impl.now())
        .run();
    return impl.db->getLastInsertRowid();
}

} // namespace

Status takeScores(Project::Impl& impl, const RunRow& run, const Event& event, std::vector<std::string>& problems) {
    const Json& body = event.body;
    const auto problem = [&](const std::string& why) -> Status {
        if (problems.size() < 20)
            problems.push_back(fmt::format("event {} (score): {}", event.seq, why));
        return {};
    };
    const auto model = body.find("model"), ids = body.find("ids"), scores = body.find("scores");
    if (model == body.end() || !model->is_object() || !model->contains("hash") || !(*model)["hash"].is_string() ||
        (*model)["hash"].get<std::string>().empty())
        return problem("it does not say which model scored");
    if (ids == body.end() || scores == body.end() || !ids->is_array() || !scores->is_array() || ids->size() != scores->size())
        return problem("its ids and scores are not two lists of one length");
    const std::string purpose = run.parameters.is_object() && run.parameters.value("purpose", Json()) == "doctor" ? "doctor" : "queue";
    const auto name = model->find("name");
    const Id scorer = scorerOf(impl, run, purpose, (*model)["hash"].get<std::string>(),
                               name != model->end() && name->is_string() ? name->get<std::string>() : std::string());
    for (size_t i = 0; i < ids->size(); ++i) {
        const auto score = numberOf((*scores)[i], "score");
        if (!(*ids)[i].is_string() || !score) {
            PL_CHECK(problem(fmt::format("entry {} is no answer with a score", i + 1)));
            continue;
        }
        if (!std::isfinite(*score))
            continue; // too long for the model: it stays without a score
        Id candidate = 0;
        {
            auto row = impl.query("SELECT id FROM candidates WHERE uuid = ?");
            if (row.bind((*ids)[i].get<std::string>()).step())
                candidate = row.integer(0);
        }
        if (!candidate) {
            PL_CHECK(problem(fmt::format("the project has no answer \"{}\"", (*ids)[i].get<std::string>())));
            continue;
        }
        impl.query("INSERT INTO candidate_scores(scorer_id, candidate_id, score) VALUES (?, ?, ?) "
                   "ON CONFLICT(scorer_id, candidate_id) DO UPDATE SET score = excluded.score")
            .bind(scorer, candidate, *score)
            .run();
        if (purpose == "queue") {
            auto pairs = impl.query("SELECT id FROM comparisons WHERE a_id = ? UNION SELECT id FROM comparisons WHERE b_id = ?");
            pairs.bind(candidate, candidate);
            while (pairs.step())
                impl.pending.rescored.insert(pairs.integer(0));
        }
    }
    return {};
}

Result<QueueScorers> queueScorers(Project& project) {
    Project::Impl& impl = project.impl();
    return impl.guarded("reading scores", [&]() -> Result<QueueScorers> {
        QueueScorers out;
        auto rows = impl.query("SELECT model_name, run_id FROM scorers WHERE purpose = 'queue' AND active = 1 ORDER BY id");
        while (rows.step()) {
            out.models.push_back(rows.text(0));
            out.run = std::max(out.run, rows.integer(1));
        }
        impl.loadPairs();
        impl.loadScores();
        out.pairs = static_cast<int64_t>(impl.memory.margins.size());
        return out;
    });
}

Result<std::vector<ScoreItem>> itemsToScore(Project& project, Id task, CandidateKind kind, const std::vector<std::string>& models,
                                            int64_t limit) {
    Project::Impl& impl = project.impl();
    return impl.guarded("choosing answers to score", [&]() -> Result<std::vector<ScoreItem>> {
        impl.loadPairs();
        std::vector<Id> scorers;
        for (const std::string& hash : models) {
            auto row = impl.query("SELECT id FROM scorers WHERE purpose = 'queue' AND model_hash = ?");
            scorers.push_back(row.bind(hash).step() ? row.integer(0) : 0);
        }
        std::vector<Id> open;
        for (const auto& [id, info] : impl.pairs)
            if (info.kind == kind && info.split != Split::Test && (info.task == 0 || info.task == task) &&
                impl.votes.tally(task, id).total() == 0)
                open.push_back(id);
        std::sort(open.begin(), open.end());
        std::vector<ScoreItem> items;
        std::set<Id> seen;
        for (const Id pair : open) {
            auto rows = impl.query("SELECT k.id, k.uuid, pc.text, coalesce(c.text, k.media_sha) FROM comparisons x JOIN candidates k "
                                   "ON k.id IN (x.a_id, x.b_id) JOIN prompts p ON p.id = k.prompt_id JOIN contents pc ON pc.id = p.content_id "
                                   "LEFT JOIN contents c ON c.id = k.content_id WHERE x.id = ? ORDER BY k.id");
            rows.bind(pair);
            while (rows.step()) {
                const Id candidate = rows.integer(0);
                if (!seen.insert(candidate).second)
                    continue;
                bool missing = false;
                for (const Id scorer : scorers) {
                    auto known = impl.query("SELECT 1 FROM candidate_scores WHERE scorer_id = ? AND candidate_id = ?");
                    missing = missing || scorer == 0 || !known.bind(scorer, candidate).step();
                }
                if (!missing)
                    continue;
                if (limit > 0 && static_cast<int64_t>(items.size()) >= limit)
                    return items;
                items.push_back({rows.text(1), rows.text(2), rows.text(3)});
            }
        }
        return items;
    });
}

} // namespace pl::desk
