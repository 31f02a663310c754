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
    void kind(const char* column, std::optional<CandidateKind> value) {
        if (value)
            sql += fmt::format("AND {} = '{}' ", column, candidateKindName(*value));
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
    where.kind("k.kind", page.kind);
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
    where.kind("a.kind", page.kind);
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

bool Project::Impl::isErased(Id prompt) {
    auto row = query("SELECT 1 FROM tombstones t JOIN prompts p ON p.uuid = t.uuid WHERE p.id = ?");
    return row.bind(prompt).step();
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
                if (isErased(id))
                    return fail(Code::InvalidInput, "a prompt with this text was erased from this project", "Leave it out.");
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
    if (image && (candidate.content.size() != 64 ||
                  candidate.content.find_first_not_of("0123456789abcdef") != std::string::npos))
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
        auto known = query("SELECT withdrawn FROM prompts WHERE id = ?");
        if (!known.bind(candidate.prompt).step())
            return fail(Code::NotFound, fmt::format("there is no prompt {}", candidate.prompt));
        if (known.boolean(0) && isErased(candidate.prompt))
            return fail(Code::InvalidInput, fmt::format("prompt {} was erased: it takes no answers", candidate.prompt));
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

// --- pages of pairs (made in pairs.cpp) ----------------------------------------------------------------------------

Result<std::vector<PairPageRow>> Project::pairs(const Page& page) {
    return m->guarded("reading pairs", [&]() -> Result<std::vector<PairPageRow>> {
        std::vector<PairPageRow> all;
        const Where where = pairWhere(page);
        auto rows = m->query("SELECT x.id, pc.text, coalesce(ac.text, 'image ' || substr(a.media_sha, 1, 8)), "
                             "coalesce(bc.text, 'image ' || substr(b.media_sha, 1, 8)), p.split, a.model_name, b.model_name " +
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
