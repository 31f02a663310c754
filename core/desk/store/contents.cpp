// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/impl.h"

namespace pl::desk {

namespace {

constexpr size_t kMaxText = size_t{4} << 20;

constexpr const char* kPromptColumns =
    "SELECT p.id, p.uuid, p.sha, c.text, p.split, p.kind, p.verifier_kind, p.verifier_answer, p.source, p.tags, "
    "p.import_batch_id, p.created_ms, "
    "(SELECT count(*) FROM candidates k WHERE k.prompt_id = p.id AND k.withdrawn = 0) "
    "FROM prompts p JOIN contents c ON c.id = p.content_id ";

Prompt promptOf(const Query& row) {
    Prompt prompt;
    prompt.id = row.integer(0);
    prompt.uuid = row.text(1);
    prompt.sha = row.text(2);
    prompt.content = row.text(3);
    prompt.split = stored(splitOf(row.text(4)));
    prompt.kind = row.text(5);
    prompt.verifierKind = row.text(6);
    prompt.verifierAnswer = row.text(7);
    prompt.source = row.text(8);
    prompt.tags = row.json(9).get<std::vector<std::string>>();
    prompt.importBatch = row.null(10) ? 0 : row.integer(10);
    prompt.createdMs = row.integer(11);
    prompt.candidates = row.integer(12);
    return prompt;
}

constexpr const char* kCandidateColumns =
    "SELECT k.id, k.uuid, k.prompt_id, k.kind, k.sha, coalesce(c.text, k.media_sha), k.provenance, k.model_name, "
    "k.model_hash, k.run_id, k.checkpoint, k.step, k.params, k.seed, k.tokens, k.finished, k.logp, k.parent_id, "
    "k.import_batch_id, k.created_ms FROM candidates k LEFT JOIN contents c ON c.id = k.content_id ";

Candidate candidateOf(const Query& row) {
    Candidate candidate;
    candidate.id = row.integer(0);
    candidate.uuid = row.text(1);
    candidate.prompt = row.integer(2);
    candidate.kind = row.text(3) == "image" ? CandidateKind::Image : CandidateKind::Text;
    candidate.sha = row.text(4);
    candidate.content = row.text(5);
    candidate.provenance = stored(provenanceOf(row.text(6)));
    candidate.modelName = row.text(7);
    candidate.modelHash = row.text(8);
    candidate.run = row.null(9) ? 0 : row.integer(9);
    candidate.checkpoint = row.text(10);
    candidate.step = row.integer(11);
    candidate.params = row.json(12);
    candidate.seed = static_cast<uint64_t>(row.integer(13));
    candidate.tokens = row.integer(14);
    if (!row.null(15))
        candidate.finished = row.boolean(15);
    if (!row.null(16))
        candidate.logp = row.real(16);
    candidate.parent = row.null(17) ? 0 : row.integer(17);
    candidate.importBatch = row.null(18) ? 0 : row.integer(18);
    candidate.createdMs = row.integer(19);
    return candidate;
}

/// The WHERE clause of a page and its values, in order. `text` names the expression that page.text is looked for in.
struct Where {
    std::string sql = "WHERE 1 ";
    std::vector<std::string> texts;
    std::vector<Id> ids;
    void id(const char* column, Id value) {
        if (value)
            sql += fmt::format("AND {} = {} ", column, value);
    }
    void split(const char* column, std::optional<Split> value) {
        if (value)
            sql += fmt::format("AND {} = '{}' ", column, splitName(*value));
    }
    void text(const char* column, const std::string& value) {
        if (!value.empty()) {
            sql += fmt::format("AND instr(lower({}), lower(?)) > 0 ", column);
            texts.push_back(value);
        }
    }
    void bindTo(Query& query) const {
        for (const auto& value : texts)
            query.bind(value);
    }
};

std::string order(const Page& page, const char* id) {
    return fmt::format("ORDER BY {} {} LIMIT {} OFFSET {}", id, page.newestFirst ? "DESC" : "ASC",
                       page.limit <= 0 ? -1 : page.limit, std::max<int64_t>(0, page.offset));
}

Where promptWhere(const Page& page) {
    Where where;
    where.sql += "AND p.withdrawn = 0 ";
    where.split("p.split", page.split);
    where.id("p.import_batch_id", page.importBatch);
    where.id("p.id", page.prompt);
    where.text("c.text", page.text);
    return where;
}

Where candidateWhere(const Page& page) {
    Where where;
    where.sql += "AND k.withdrawn = 0 ";
    where.id("k.prompt_id", page.prompt);
    where.id("k.run_id", page.run);
    where.id("k.import_batch_id", page.importBatch);
    if (page.split)
        where.sql += fmt::format("AND (SELECT split FROM prompts p WHERE p.id = k.prompt_id) = '{}' ",
                                 splitName(*page.split));
    where.text("c.text", page.text);
    return where;
}

constexpr const char* kPairFrom =
    "FROM comparisons x JOIN prompts p ON p.id = x.prompt_id JOIN contents pc ON pc.id = p.content_id "
    "JOIN candidates a ON a.id = x.a_id JOIN candidates b ON b.id = x.b_id "
    "LEFT JOIN contents ac ON ac.id = a.content_id LEFT JOIN contents bc ON bc.id = b.content_id ";

Where pairWhere(const Page& page) {
    Where where;
    where.sql += "AND x.withdrawn = 0 ";
    if (page.task)
        where.sql += fmt::format("AND (x.task_id IS NULL OR x.task_id = {}) ", page.task);
    where.id("x.run_id", page.run);
    where.id("x.prompt_id", page.prompt);
    where.id("x.import_batch_id", page.importBatch);
    where.split("p.split", page.split);
    where.text("pc.text", page.text);
    return where;
}

} // namespace

Id Project::Impl::ensureContent(const std::string& text) {
    const std::string sha = sha256Hex(text);
    {
        auto row = query("SELECT id FROM contents WHERE sha = ?");
        if (row.bind(sha).step())
            return row.integer(0);
    }
    query("INSERT INTO contents(sha, text) VALUES (?, ?)").bind(sha, text).run();
    return db->getLastInsertRowid();
}

// --- prompts ---------------------------------------------------------------------------------------------------------

Result<Id> Project::Impl::addPromptIn(const NewPrompt& prompt, Id batch, bool* fresh) {
    if (fresh)
        *fresh = false;
    if (prompt.content.find_first_not_of(" \t\r\n") == std::string::npos)
        return fail(Code::InvalidInput, "a prompt is empty");
    if (prompt.content.size() > kMaxText || !isUtf8(prompt.content))
        return fail(Code::InvalidInput,
                    fmt::format("the prompt \"{}...\" is longer than 4 MiB or not UTF-8", headOf(prompt.content, 40)));
    const std::string sha = promptSha(prompt.content);
    {
        auto row = query("SELECT id, withdrawn FROM prompts WHERE sha = ?");
        if (row.bind(sha).step()) {
            const Id id = row.integer(0);
            if (row.boolean(1)) {
                query("UPDATE prompts SET withdrawn = 0, import_batch_id = ? WHERE id = ?")
                    .bind(orNull(batch), id)
                    .run();
                pending.changes.insert(Change::Prompts);
                if (fresh)
                    *fresh = true;
            }
            return id;
        }
    }
    const Id content = ensureContent(prompt.content);
    query("INSERT INTO prompts(uuid, sha, content_id, split, kind, verifier_kind, verifier_answer, tags, source, "
          "import_batch_id, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(uuidFromText("prompt\n" + sha), sha, content, splitName(prompt.split.value_or(drawSplit(sha))),
              prompt.kind, prompt.verifierKind, prompt.verifierAnswer, Json(prompt.tags), prompt.source, orNull(batch),
              now())
        .run();
    pending.changes.insert(Change::Prompts);
    if (fresh)
        *fresh = true;
    return db->getLastInsertRowid();
}

Result<std::vector<Id>> Project::addPrompts(const std::vector<NewPrompt>& prompts) {
    return m->write("adding prompts", [&]() -> Result<std::vector<Id>> {
        std::vector<Id> ids;
        for (const auto& prompt : prompts) {
            PL_TRY(const Id id, m->addPromptIn(prompt, 0));
            ids.push_back(id);
        }
        return ids;
    });
}

Result<Prompt> Project::Impl::promptIn(Id id) {
    auto row = query(std::string(kPromptColumns) + "WHERE p.id = ?");
    if (!row.bind(id).step())
        return fail(Code::NotFound, fmt::format("there is no prompt {}", id));
    return promptOf(row);
}

Result<Prompt> Project::prompt(Id id) {
    return m->guarded("reading a prompt", [&] { return m->promptIn(id); });
}

Result<Prompt> Project::promptByUuid(const std::string& uuid) {
    return m->guarded("reading a prompt", [&]() -> Result<Prompt> {
        auto row = m->query(std::string(kPromptColumns) + "WHERE p.uuid = ?");
        if (!row.bind(uuid).step())
            return fail(Code::NotFound, fmt::format("there is no prompt {}", uuid));
        return promptOf(row);
    });
}

Result<std::vector<Prompt>> Project::prompts(const Page& page) {
    return m->guarded("reading prompts", [&]() -> Result<std::vector<Prompt>> {
        std::vector<Prompt> all;
        const Where where = promptWhere(page);
        auto rows = m->query(kPromptColumns + where.sql + order(page, "p.id"));
        where.bindTo(rows);
        while (rows.step())
            all.push_back(promptOf(rows));
        return all;
    });
}

Result<std::vector<Prompt>> Project::promptsForJob(std::optional<Split> split, int64_t limit) {
    return m->guarded("reading prompts", [&]() -> Result<std::vector<Prompt>> {
        Page page;
        page.split = split;
        std::vector<Prompt> all;
        auto rows = m->query(kPromptColumns + promptWhere(page).sql +
                             fmt::format("ORDER BY p.sha LIMIT {}", limit <= 0 ? -1 : limit));
        while (rows.step())
            all.push_back(promptOf(rows));
        return all;
    });
}

Result<int64_t> Project::countPrompts(const Page& page) {
    if (page.text.empty() && !page.importBatch && !page.prompt) {
        const Counters& n = m->counts;
        return !page.split                      ? n.prompts
               : *page.split == Split::Train ? n.train
               : *page.split == Split::Dev   ? n.dev
                                             : n.test;
    }
    return m->guarded("counting prompts", [&]() -> Result<int64_t> {
        const Where where = promptWhere(page);
        auto row = m->query("SELECT count(*) FROM prompts p JOIN contents c ON c.id = p.content_id " + where.sql);
        where.bindTo(row);
        row.step();
        return row.integer(0);
    });
}

// --- candidates ------------------------------------------------------------------------------------------------------

Result<Id> Project::Impl::addCandidateIn(const NewCandidate& candidate, Id batch, bool* fresh) {
    if (fresh)
        *fresh = false;
    const bool image = candidate.kind == CandidateKind::Image;
    if (candidate.content.size() > kMaxText || !isUtf8(candidate.content))
        return fail(Code::InvalidInput, fmt::format("an answer to prompt {} is longer than 4 MiB or not UTF-8",
                                                    candidate.prompt));
    if (image && candidate.content.size() != 64)
        return fail(Code::InvalidInput, "an image answer is named by the SHA-256 of its media file",
                    "Add the file with addMedia first.");
    const std::string sha = image ? candidate.content : candidateSha(candidate.content);
    if (!candidate.uuid.empty()) {
        auto row = query("SELECT id, withdrawn FROM candidates WHERE uuid = ?");
        if (row.bind(candidate.uuid).step()) {
            const Id id = row.integer(0);
            if (row.boolean(1)) {
                query("UPDATE candidates SET withdrawn = 0, import_batch_id = ? WHERE id = ?")
                    .bind(orNull(batch), id)
                    .run();
                pending.changes.insert(Change::Candidates);
                if (fresh)
                    *fresh = true;
            }
            return id;
        }
    }
    {
        auto known = query("SELECT 1 FROM prompts WHERE id = ?");
        if (!known.bind(candidate.prompt).step())
            return fail(Code::NotFound, fmt::format("there is no prompt {}", candidate.prompt));
    }
    const Id content = image ? 0 : ensureContent(candidate.content);
    query("INSERT INTO candidates(uuid, prompt_id, kind, sha, content_id, media_sha, provenance, model_name, "
          "model_hash, run_id, checkpoint, step, params, seed, tokens, finished, logp, parent_id, import_batch_id, "
          "created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(candidate.uuid.empty() ? newUuid() : candidate.uuid, candidate.prompt, image ? "image" : "text", sha,
              orNull(content), image ? std::optional<std::string>(candidate.content) : std::nullopt,
              provenanceName(candidate.provenance), candidate.modelName, candidate.modelHash, orNull(candidate.run),
              candidate.checkpoint, candidate.step, candidate.params, candidate.seed, candidate.tokens,
              candidate.finished, candidate.logp, orNull(candidate.parent), orNull(batch), now())
        .run();
    pending.changes.insert(Change::Candidates);
    if (fresh)
        *fresh = true;
    return db->getLastInsertRowid();
}

Result<std::vector<Id>> Project::addCandidates(const std::vector<NewCandidate>& candidates) {
    return m->write("adding answers", [&]() -> Result<std::vector<Id>> {
        std::vector<Id> ids;
        for (const auto& candidate : candidates) {
            PL_TRY(const Id id, m->addCandidateIn(candidate, 0));
            ids.push_back(id);
        }
        return ids;
    });
}

Result<Candidate> Project::Impl::candidateIn(Id id) {
    auto row = query(std::string(kCandidateColumns) + "WHERE k.id = ?");
    if (!row.bind(id).step())
        return fail(Code::NotFound, fmt::format("there is no answer {}", id));
    return candidateOf(row);
}

Result<Candidate> Project::candidate(Id id) {
    return m->guarded("reading an answer", [&] { return m->candidateIn(id); });
}

Result<std::vector<Candidate>> Project::candidates(const Page& page) {
    return m->guarded("reading answers", [&]() -> Result<std::vector<Candidate>> {
        std::vector<Candidate> all;
        const Where where = candidateWhere(page);
        auto rows = m->query(kCandidateColumns + where.sql + order(page, "k.id"));
        where.bindTo(rows);
        while (rows.step())
            all.push_back(candidateOf(rows));
        return all;
    });
}

Result<int64_t> Project::countCandidates(const Page& page) {
    return m->guarded("counting answers", [&]() -> Result<int64_t> {
        const Where where = candidateWhere(page);
        auto row = m->query("SELECT count(*) FROM candidates k LEFT JOIN contents c ON c.id = k.content_id " +
                            where.sql);
        where.bindTo(row);
        row.step();
        return row.integer(0);
    });
}

std::string Project::mediaPath(const std::string& sha) const {
    return os::joinPath(os::joinPath(mediaDir(), sha.substr(0, 2)), sha);
}

Result<std::string> Project::addMedia(const std::string& path) {
    PL_TRY(const std::string sha, sha256File(path));
    const std::string target = mediaPath(sha);
    if (os::exists(target))
        return sha;
    PL_CHECK(os::makeDirs(os::parentDir(target)));
    PL_TRY(const std::string bytes, os::readFile(path, uint64_t{256} << 20));
    if (sha256Hex(bytes) != sha)
        return fail(Code::Io, fmt::format("{} changed while it was read", path), "Try again.");
    PL_CHECK(os::writeFileAtomic(target, bytes));
    return sha;
}

// --- pairs -----------------------------------------------------------------------------------------------------------

Result<Id> Project::Impl::addPairIn(const NewPair& pair, Id batch, bool* fresh) {
    if (fresh)
        *fresh = false;
    PL_TRY(Candidate a, candidateIn(pair.a));
    PL_TRY(Candidate b, candidateIn(pair.b));
    if (a.kind != b.kind)
        return fail(Code::InvalidInput, fmt::format("answers {} and {} are of different kinds", pair.a, pair.b));
    const bool samePrompt = a.prompt == b.prompt;
    if (samePrompt && a.sha == b.sha)
        return Id{0};
    if (b.sha < a.sha || (b.sha == a.sha && b.prompt < a.prompt))
        std::swap(a, b);
    PL_TRY(const Prompt prompt, promptIn(a.prompt));
    std::string sha = pairSha(prompt.sha, a.sha, b.sha);
    if (!samePrompt) {
        PL_TRY(const Prompt other, promptIn(b.prompt));
        sha = sha256Hex("two prompts\n" + sha + "\n" + other.sha);
    }
    {
        auto row = query("SELECT id, withdrawn FROM comparisons WHERE sha = ?");
        if (row.bind(sha).step()) {
            const Id id = row.integer(0);
            if (row.boolean(1)) {
                query("UPDATE comparisons SET withdrawn = 0, import_batch_id = ? WHERE id = ?")
                    .bind(orNull(batch), id)
                    .run();
                pending.newPairs.push_back({id, {hashPrefix(sha), prompt.split, pair.task}});
                pending.changes.insert(Change::Pairs);
                if (fresh)
                    *fresh = true;
            }
            return id;
        }
    }
    const char* differs = !samePrompt ? "prompt" : a.kind == CandidateKind::Image ? "image" : "response";
    query("INSERT INTO comparisons(uuid, sha, prompt_id, prompt_b_id, a_id, b_id, differs_in, source, task_id, run_id, "
          "import_batch_id, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(uuidFromText("comparison\n" + sha), sha, a.prompt, orNull(samePrompt ? 0 : b.prompt), a.id, b.id, differs,
              pair.source, orNull(pair.task), orNull(pair.run), orNull(batch), now())
        .run();
    const Id id = db->getLastInsertRowid();
    pending.newPairs.push_back({id, {hashPrefix(sha), prompt.split, pair.task}});
    pending.changes.insert(Change::Pairs);
    if (fresh)
        *fresh = true;
    return id;
}

Result<std::vector<Id>> Project::addPairs(const std::vector<NewPair>& pairs) {
    return m->write("adding pairs", [&]() -> Result<std::vector<Id>> {
        std::vector<Id> ids;
        for (const auto& pair : pairs) {
            PL_TRY(const Id id, m->addPairIn(pair, 0));
            ids.push_back(id);
        }
        return ids;
    });
}

Result<MakePairsResult> Project::makePairs(const MakePairsOptions& options) {
    if (options.mode == MakePairsOptions::Mode::AcrossModels && options.runs.size() == 1)
        return fail(Code::InvalidInput, "pairing across models needs two runs or none", "Name a second run.");
    return m->write("making pairs", [&]() -> Result<MakePairsResult> {
        struct Entry {
            Id id, run;
            std::string sha, model;
        };
        std::vector<std::pair<Id, std::vector<Entry>>> prompts;
        {
            std::string sql = "SELECT k.prompt_id, k.id, k.sha, k.model_hash || '/' || k.model_name, k.run_id "
                              "FROM candidates k JOIN prompts p ON p.id = k.prompt_id "
                              "WHERE k.withdrawn = 0 AND p.withdrawn = 0 ";
            if (options.run)
                sql += fmt::format("AND k.run_id = {} ", options.run);
            if (!options.runs.empty())
                sql += fmt::format("AND k.run_id IN ({}) ", fmt::join(options.runs, ","));
            if (options.split)
                sql += fmt::format("AND p.split = '{}' ", splitName(*options.split));
            auto rows = m->query(sql + "ORDER BY p.sha, k.id");
            while (rows.step()) {
                if (prompts.empty() || prompts.back().first != rows.integer(0))
                    prompts.push_back({rows.integer(0), {}});
                prompts.back().second.push_back(
                    {rows.integer(1), rows.null(4) ? 0 : rows.integer(4), rows.text(2), rows.text(3)});
            }
        }
        MakePairsResult result;
        const bool across = options.mode == MakePairsOptions::Mode::AcrossModels;
        for (const auto& [prompt, entries] : prompts) {
            if (entries.size() < 2) {
                ++result.lonely;
                continue;
            }
            int64_t made = 0;
            std::set<size_t> used;
            for (size_t i = 0; i < entries.size() && made < options.maxPerPrompt; ++i) {
                for (size_t j = i + 1; j < entries.size() && made < options.maxPerPrompt; ++j) {
                    if (options.maxPairs && result.pairs >= options.maxPairs)
                        return result;
                    const bool sameModel = options.runs.empty() ? entries[i].model == entries[j].model
                                                                : entries[i].run == entries[j].run;
                    if (across == sameModel || used.count(i) || used.count(j))
                        continue;
                    if (entries[i].sha == entries[j].sha) {
                        ++result.identical;
                        continue;
                    }
                    bool fresh = false;
                    PL_TRY(const Id id,
                           m->addPairIn({entries[i].id, entries[j].id, options.source, options.task,
                                         options.run ? options.run : entries[j].run},
                                        0, &fresh));
                    (void)id;
                    if (!fresh) {
                        ++result.duplicates;
                        continue;
                    }
                    used.insert({i, j});
                    ++result.pairs;
                    ++made;
                }
            }
        }
        return result;
    });
}

Result<Comparison> Project::Impl::comparisonIn(Id id) {
    auto row = query("SELECT id, uuid, sha, prompt_id, prompt_b_id, a_id, b_id, differs_in, source, task_id, run_id, "
                     "import_batch_id, created_ms FROM comparisons WHERE id = ?");
    if (!row.bind(id).step())
        return fail(Code::NotFound, fmt::format("there is no pair {}", id));
    Comparison pair;
    pair.id = row.integer(0);
    pair.uuid = row.text(1);
    pair.sha = row.text(2);
    pair.prompt = row.integer(3);
    pair.promptB = row.null(4) ? 0 : row.integer(4);
    pair.a = row.integer(5);
    pair.b = row.integer(6);
    pair.differsIn = row.text(7);
    pair.source = row.text(8);
    pair.task = row.null(9) ? 0 : row.integer(9);
    pair.run = row.null(10) ? 0 : row.integer(10);
    pair.importBatch = row.null(11) ? 0 : row.integer(11);
    pair.createdMs = row.integer(12);
    return pair;
}

Result<LabelItem> Project::Impl::itemIn(Id comparison) {
    LabelItem item;
    PL_TRY(item.comparison, comparisonIn(comparison));
    PL_TRY(item.prompt, promptIn(item.comparison.prompt));
    PL_TRY(item.a, candidateIn(item.comparison.a));
    PL_TRY(item.b, candidateIn(item.comparison.b));
    return item;
}

Result<LabelItem> Project::pairItem(Id comparison) {
    return m->guarded("reading a pair", [&] { return m->itemIn(comparison); });
}

Result<std::vector<PairPageRow>> Project::pairs(const Page& page) {
    return m->guarded("reading pairs", [&]() -> Result<std::vector<PairPageRow>> {
        std::vector<PairPageRow> all;
        const Where where = pairWhere(page);
        auto rows = m->query("SELECT x.id, pc.text, ac.text, bc.text, p.split, a.model_name, b.model_name " +
                             (kPairFrom + where.sql) + order(page, "x.id"));
        where.bindTo(rows);
        while (rows.step()) {
            PairPageRow row;
            PL_TRY(row.comparison, m->comparisonIn(rows.integer(0)));
            row.promptHead = headOf(rows.text(1), 200);
            row.aHead = headOf(rows.text(2), 200);
            row.bHead = headOf(rows.text(3), 200);
            row.split = stored(splitOf(rows.text(4)));
            row.modelA = rows.text(5);
            row.modelB = rows.text(6);
            row.votes = m->votes.votesOn(row.comparison.id);
            all.push_back(std::move(row));
        }
        return all;
    });
}

Result<int64_t> Project::countPairs(const Page& page) {
    return m->guarded("counting pairs", [&]() -> Result<int64_t> {
        const Where where = pairWhere(page);
        auto row = m->query("SELECT count(*) " + (kPairFrom + where.sql));
        where.bindTo(row);
        row.step();
        return row.integer(0);
    });
}

} // namespace pl::desk
