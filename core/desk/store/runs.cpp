// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "core/base/score_event.h"
#include "core/desk/store/impl.h"
#include "core/desk/store/scores.h"

namespace pl::desk {

namespace {

constexpr const char* kRunColumns =
    "SELECT id, uuid, name, plugin, plugin_version, kind, state, reason, dataset_sha, device, seed, parameters, models, "
    "result, last_checkpoint, note, pinned, priority, created_ms, started_ms, ended_ms FROM runs ";

RunRow runOf(const Query& row) {
    RunRow run;
    run.id = row.integer(0);
    run.uuid = row.text(1);
    run.name = row.text(2);
    run.plugin = row.text(3);
    run.pluginVersion = row.text(4);
    run.kind = row.text(5);
    run.state = row.text(6);
    run.reason = row.text(7);
    run.datasetHash = row.text(8);
    run.device = row.text(9);
    run.seed = static_cast<uint64_t>(row.integer(10));
    run.parameters = row.json(11);
    run.models = row.json(12);
    run.result = row.json(13);
    run.lastCheckpoint = row.text(14);
    run.note = row.text(15);
    run.pinned = row.boolean(16);
    run.priority = static_cast<int>(row.integer(17));
    run.createdMs = row.integer(18);
    run.startedMs = row.integer(19);
    run.endedMs = row.integer(20);
    return run;
}

Status validate(const RunRow& run) {
    static const std::set<std::string> states{"queued", "running", "paused", "finished", "stopped", "failed"};
    if (run.name.empty() || run.name.find('/') != std::string::npos || run.name[0] == '.')
        return fail(Code::InvalidInput, fmt::format("\"{}\" cannot be the name of a run", run.name));
    if (!states.count(run.state))
        return fail(Code::InvalidInput, fmt::format("run {}: \"{}\" is not a state", run.name, run.state));
    return {};
}

Json object(const Json& body, const char* key) {
    const auto at = body.find(key);
    return at != body.end() && at->is_object() ? *at : Json::object();
}

std::string text(const Json& body, const char* key) {
    const auto at = body.find(key);
    return at != body.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::optional<int64_t> integer(const Json& body, const char* key) {
    const auto at = body.find(key);
    return at != body.end() && at->is_number_integer() ? std::optional<int64_t>(at->get<int64_t>()) : std::nullopt;
}

std::optional<double> real(const Json& body, const char* key) {
    const auto at = body.find(key);
    return at != body.end() && at->is_number() ? std::optional<double>(at->get<double>()) : std::nullopt;
}

bool insideBundle(const std::string& path) {
    return !path.empty() && path[0] != '/' && ("/" + path + "/").find("/../") == std::string::npos;
}

} // namespace

Result<Id> Project::reserveRun() {
    return m->write("reserving a run number", [&]() -> Result<Id> {
        auto row = m->query("SELECT max(coalesce((SELECT max(id) FROM runs), 0), "
                            "coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'last_run'), 0)) + 1");
        row.step();
        const Id id = row.integer(0);
        m->setMeta("last_run", std::to_string(id));
        return id;
    });
}

Result<Id> Project::insertRun(const RunRow& run) {
    PL_CHECK(validate(run));
    return m->write("adding run " + run.name, [&]() -> Result<Id> {
        m->query("INSERT INTO runs(id, uuid, name, plugin, plugin_version, kind, state, reason, dataset_sha, device, "
                 "seed, parameters, models, result, last_checkpoint, note, pinned, priority, created_ms, started_ms, "
                 "ended_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(orNull(run.id), run.uuid.empty() ? newUuid() : run.uuid, run.name, run.plugin, run.pluginVersion,
                  run.kind, run.state, run.reason, run.datasetHash, run.device, run.seed, run.parameters, run.models,
                  run.result, run.lastCheckpoint, run.note, run.pinned, run.priority,
                  run.createdMs ? run.createdMs : m->now(), run.startedMs, run.endedMs)
            .run();
        m->pending.changes.insert(Change::Runs);
        return Id{m->db->getLastInsertRowid()};
    });
}

Status Project::updateRun(const RunRow& run) {
    PL_CHECK(validate(run));
    return m->write("updating run " + run.name, [&]() -> Status {
        m->query("UPDATE runs SET state = ?, reason = ?, dataset_sha = ?, device = ?, parameters = ?, models = ?, "
                 "result = ?, last_checkpoint = ?, note = ?, pinned = ?, priority = ?, started_ms = ?, ended_ms = ? "
                 "WHERE id = ?")
            .bind(run.state, run.reason, run.datasetHash, run.device, run.parameters, run.models, run.result,
                  run.lastCheckpoint, run.note, run.pinned, run.priority, run.startedMs, run.endedMs, run.id)
            .run();
        if (m->db->getChanges() != 1)
            return fail(Code::NotFound, fmt::format("there is no run {}", run.id));
        m->pending.changes.insert(Change::Runs);
        return {};
    });
}

Result<RunRow> Project::run(Id id) {
    return m->guarded("reading a run", [&]() -> Result<RunRow> {
        auto row = m->query(std::string(kRunColumns) + "WHERE id = ?");
        if (!row.bind(id).step())
            return fail(Code::NotFound, fmt::format("there is no run {}", id), "`pairlab-cli runs` lists them.");
        return runOf(row);
    });
}

Result<RunRow> Project::findRun(const std::string& what) {
    return m->guarded("looking for run " + what, [&]() -> Result<RunRow> {
        if (!what.empty() && what.size() < 10 && what.find_first_not_of("0123456789") == std::string::npos) {
            auto row = m->query(std::string(kRunColumns) + "WHERE id = ?");
            if (row.bind(int64_t{std::stoll(what)}).step())
                return runOf(row);
        }
        auto named = m->query(std::string(kRunColumns) + "WHERE name = ?");
        if (named.bind(what).step())
            return runOf(named);
        if (what.size() >= 6) {
            auto row = m->query(std::string(kRunColumns) + "WHERE substr(uuid, 1, ?) = ? LIMIT 2");
            if (row.bind(static_cast<int64_t>(what.size()), what).step()) {
                RunRow run = runOf(row);
                if (!row.step())
                    return run;
                return fail(Code::InvalidInput, fmt::format("\"{}\" names several runs", what), "Give its number.");
            }
        }
        return fail(Code::NotFound, fmt::format("there is no run \"{}\"", what), "`pairlab-cli runs` lists them.");
    });
}

Result<std::vector<RunRow>> Project::runs(const Page& page) {
    return m->guarded("reading runs", [&]() -> Result<std::vector<RunRow>> {
        std::vector<RunRow> all;
        auto rows = m->query(kRunColumns + fmt::format("ORDER BY id DESC LIMIT {} OFFSET {}",
                                                       page.limit <= 0 ? -1 : page.limit, page.offset));
        while (rows.step())
            all.push_back(runOf(rows));
        return all;
    });
}

// --- ingestion -------------------------------------------------------------------------------------------------------

namespace {

struct Ingestor {
    Project::Impl& impl;
    RunRow run;
    std::string file;
    IngestResult result;

    void problem(const Event& event, const std::string& why) {
        if (result.problems.size() < 20)
            result.problems.push_back(fmt::format("{} event {} ({}): {}", file, event.seq, event.type, why));
    }

    Id promptId(const std::string& uuid) {
        auto row = impl.query("SELECT id FROM prompts WHERE uuid = ?");
        return row.bind(uuid).step() ? row.integer(0) : 0;
    }

    /// A long text may lie beside the events.
    Result<std::string> words(const Json& body) {
        if (body.contains("content") && body["content"].is_string())
            return body["content"].get<std::string>();
        const std::string beside = text(body, "content_file");
        if (beside.empty())
            return fail(Code::Corrupt, "it has no content");
        if (!insideBundle(beside))
            return fail(Code::InvalidInput, "its content_file leaves the bundle");
        const std::string bundle = os::joinPath(os::joinPath(impl.dir, "runs"), run.name);
        return os::readFile(os::joinPath(bundle, beside), uint64_t{4} << 20);
    }

    /// An image lies in the bundle; it comes into media/ under the hash the event announces.
    Result<std::string> image(const Json& body, NewCandidate& fresh) {
        const std::string beside = text(body, "image"), sha = text(body, "sha256");
        const std::string bundle = os::joinPath(os::joinPath(impl.dir, "runs"), run.name);
        if (sha.size() != 64 || sha.find_first_not_of("0123456789abcdef") != std::string::npos)
            return fail(Code::Corrupt, "it does not say the SHA-256 of its image");
        if (!insideBundle(beside))
            return fail(Code::InvalidInput, "its image leaves the bundle");
        const std::string path = os::joinPath(bundle, beside);
        std::error_code error;
        const auto inside = std::filesystem::relative(path, bundle, error); // links resolved
        if (error || inside.empty() || *inside.begin() == "..")
            return fail(Code::InvalidInput, "its image leaves the bundle");
        ImageInfo info;
        PL_TRY(const std::string stored, impl.storeMedia(path, sha, Project::Impl::Take::Link, &info));
        fresh.kind = CandidateKind::Image;
        fresh.params["width"] = info.width;
        fresh.params["height"] = info.height;
        fresh.params["format"] = info.extension;
        return stored;
    }

    Status candidate(const Event& event) {
        const Json& body = event.body;
        const std::string uuid = text(body, "prompt_id");
        if (uuid.empty() && body.contains("request"))
            return {}; // the playground: nobody asked to keep it
        NewCandidate fresh;
        fresh.prompt = promptId(uuid);
        if (!fresh.prompt) {
            problem(event, fmt::format("the project has no prompt \"{}\"", uuid));
            return {};
        }
        fresh.params = object(body, "params");
        const auto content = text(body, "kind") == "image" ? image(body, fresh) : words(body);
        if (!content) {
            problem(event, content.error().toString());
            return {};
        }
        fresh.content = *content;
        const Json model = object(body, "model");
        fresh.provenance = Provenance::Model;
        fresh.modelName = text(model, "name");
        fresh.modelHash = text(model, "hash");
        fresh.checkpoint = text(model, "checkpoint");
        fresh.step = integer(model, "step").value_or(-1);
        fresh.run = run.id;
        fresh.seed = body.contains("seed") && body["seed"].is_number_integer() ? body["seed"].get<uint64_t>() : 0;
        fresh.tokens = integer(body, "tokens").value_or(-1);
        if (body.contains("finished") && body["finished"].is_boolean())
            fresh.finished = body["finished"].get<bool>();
        fresh.logp = real(body, "logp");
        fresh.uuid = uuidFromText(fmt::format("candidate\n{}\n{}\n{}", run.uuid, file, event.seq));
        bool added = false;
        const auto id = impl.addCandidateIn(fresh, 0, &added);
        if (!id) {
            problem(event, id.error().toString());
            return {};
        }
        result.candidates += added;
        return {};
    }

    Status outcome(const Event& event) {
        const Json& body = event.body;
        const auto winner = winnerOf(text(body, "winner"));
        if (!winner) {
            problem(event, winner.error().message);
            return {};
        }
        const std::string uuid = text(body, "prompt_id");
        impl.query("INSERT OR IGNORE INTO outcomes(run_id, file, seq, prompt_id, prompt_uuid, winner, a, b, judge, "
                   "score_a, score_b) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(run.id, file, event.seq, orNull(promptId(uuid)), uuid, winnerName(*winner), object(body, "a"),
                  object(body, "b"), object(body, "judge"), real(body, "score_a"), real(body, "score_b"))
            .run();
        result.outcomes += impl.db->getChanges() == 1;
        return {};
    }

    Status checkpoint(const Event& event) {
        const Json& body = event.body;
        const std::string path = text(body, "path");
        if (!insideBundle(path)) {
            problem(event, "its path is empty or leaves the bundle");
            return {};
        }
        const bool best = body.contains("best") && body["best"].is_boolean() && body["best"].get<bool>();
        if (best)
            impl.query("UPDATE checkpoints SET best = 0 WHERE run_id = ?").bind(run.id).run();
        impl.query("INSERT INTO checkpoints(run_id, step, path, hash, reason, best, created_ms) "
                   "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT(run_id, path) DO UPDATE SET step = excluded.step, "
                   "hash = excluded.hash, reason = excluded.reason, best = max(best, excluded.best)")
            .bind(run.id, integer(body, "step").value_or(0), path, text(body, "hash"), text(body, "reason"), best,
                  event.t)
            .run();
        impl.query("UPDATE runs SET last_checkpoint = ? WHERE id = ?").bind(path, run.id).run();
        ++result.checkpoints;
        return {};
    }
};

} // namespace

Result<IngestResult> Project::ingest(Id id, const std::string& file, const std::vector<Event>& events) {
    PL_TRY(const RunRow row, run(id));
    return m->write("taking over events of run " + row.name, [&]() -> Result<IngestResult> {
        Ingestor ingestor{*m, row, file, {}};
        std::optional<uint64_t> high;
        {
            auto mark = m->query("SELECT seq FROM ingested WHERE run_id = ? AND file = ? AND seq >= 0");
            if (mark.bind(id, file).step())
                high = static_cast<uint64_t>(mark.integer(0));
        }
        for (const Event& event : events) {
            ++ingestor.result.seen;
            if (high && event.seq <= *high)
                continue;
            high = event.seq;
            ++ingestor.result.fresh;
            if (event.type == event::kCandidate)
                PL_CHECK(ingestor.candidate(event));
            else if (event.type == event::kOutcome)
                PL_CHECK(ingestor.outcome(event));
            else if (event.type == event::kCheckpoint)
                PL_CHECK(ingestor.checkpoint(event));
            else if (event.type == event::kScore)
                PL_CHECK(takeScores(*m, row, event, ingestor.result.problems));
        }
        if (ingestor.result.fresh) {
            m->query("INSERT INTO ingested(run_id, file, seq) VALUES (?, ?, ?) "
                     "ON CONFLICT(run_id, file) DO UPDATE SET seq = excluded.seq")
                .bind(id, file, *high)
                .run();
            m->pending.changes.insert(Change::Runs);
        }
        return ingestor.result;
    });
}

Result<Project::Watermark> Project::watermark(Id run, const std::string& file) {
    return m->guarded("reading a watermark", [&]() -> Result<Watermark> {
        Watermark mark;
        auto row = m->query("SELECT seq, offset FROM ingested WHERE run_id = ? AND file = ?");
        if (row.bind(run, file).step()) {
            mark.any = row.integer(0) >= 0;
            mark.seq = mark.any ? static_cast<uint64_t>(row.integer(0)) : 0;
            mark.offset = static_cast<uint64_t>(row.integer(1));
        }
        return mark;
    });
}

Status Project::setIngestOffset(Id run, const std::string& file, uint64_t offset) {
    return m->write("noting how far a run was read", [&]() -> Status {
        m->query("INSERT INTO ingested(run_id, file, seq, offset) VALUES (?, ?, -1, ?) "
                 "ON CONFLICT(run_id, file) DO UPDATE SET offset = excluded.offset")
            .bind(run, file, offset)
            .run();
        return {};
    });
}

Result<std::vector<CheckpointRow>> Project::checkpoints(Id run) {
    return m->guarded("reading checkpoints", [&]() -> Result<std::vector<CheckpointRow>> {
        std::vector<CheckpointRow> all;
        auto rows = m->query("SELECT id, run_id, step, path, hash, reason, best, pinned, created_ms FROM checkpoints "
                             "WHERE run_id = ? ORDER BY step, id");
        rows.bind(run);
        while (rows.step())
            all.push_back({rows.integer(0), rows.integer(1), rows.integer(2), rows.text(3), rows.text(4), rows.text(5),
                           rows.boolean(6), rows.boolean(7), rows.integer(8)});
        return all;
    });
}

Status Project::pinCheckpoint(Id checkpoint, bool pinned) {
    return m->write("pinning a checkpoint", [&]() -> Status {
        m->query("UPDATE checkpoints SET pinned = ? WHERE id = ?").bind(pinned, checkpoint).run();
        m->pending.changes.insert(Change::Runs);
        return {};
    });
}

Result<std::vector<OutcomeRow>> Project::outcomes(Id run) {
    return m->guarded("reading outcomes", [&]() -> Result<std::vector<OutcomeRow>> {
        std::vector<OutcomeRow> all;
        auto rows = m->query("SELECT id, run_id, prompt_id, prompt_uuid, winner, a, b, judge, score_a, score_b, seq "
                             "FROM outcomes WHERE run_id = ? ORDER BY file, seq");
        rows.bind(run);
        while (rows.step()) {
            OutcomeRow row;
            row.id = rows.integer(0);
            row.run = rows.integer(1);
            row.prompt = rows.null(2) ? 0 : rows.integer(2);
            row.promptUuid = rows.text(3);
            row.winner = stored(winnerOf(rows.text(4)));
            row.a = rows.json(5);
            row.b = rows.json(6);
            row.judge = rows.json(7);
            if (!rows.null(8))
                row.scoreA = rows.real(8);
            if (!rows.null(9))
                row.scoreB = rows.real(9);
            row.seq = static_cast<uint64_t>(rows.integer(10));
            all.push_back(std::move(row));
        }
        return all;
    });
}

} // namespace pl::desk
