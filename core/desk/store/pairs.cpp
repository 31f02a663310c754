// SPDX-License-Identifier: Apache-2.0
// Comparisons: pairs and k-way rankings, and how answers become pairs.
#include <algorithm>

#include "core/desk/store/impl.h"
#include "core/desk/store/packages.h"

namespace pl::desk {

Result<Id> Project::Impl::addPairIn(const NewPair& pair, Id batch, bool* fresh) {
    if (fresh)
        *fresh = false;
    if (!pair.more.empty())
        return addRankingIn(pair, batch, fresh);
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
                pending.newPairs.push_back({id, {hashPrefix(sha), prompt.split, pair.task, a.kind}});
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
    pending.newPairs.push_back({id, {hashPrefix(sha), prompt.split, pair.task, a.kind}});
    pending.changes.insert(Change::Pairs);
    if (fresh)
        *fresh = true;
    return id;
}

Result<Id> Project::Impl::addRankingIn(const NewPair& pair, Id batch, bool* fresh) {
    std::vector<Candidate> members;
    std::vector<Id> ids{pair.a, pair.b};
    ids.insert(ids.end(), pair.more.begin(), pair.more.end());
    for (const Id id : ids) {
        PL_TRY(Candidate member, candidateIn(id));
        if (!members.empty() && (member.kind != members[0].kind || member.prompt != members[0].prompt))
            return fail(Code::InvalidInput,
                        fmt::format("answers {} and {} are of different kinds or prompts", ids[0], id));
        members.push_back(std::move(member));
    }
    std::sort(members.begin(), members.end(), [](const Candidate& x, const Candidate& y) { return x.sha < y.sha; });
    PL_TRY(const Prompt prompt, promptIn(members[0].prompt));
    std::string content = "ranking\n" + prompt.sha;
    for (size_t i = 0; i < members.size(); ++i) {
        if (i && members[i].sha == members[i - 1].sha)
            return Id{0};
        content += "\n" + members[i].sha;
    }
    const std::string sha = sha256Hex(content);
    {
        auto row = query("SELECT id, withdrawn FROM comparisons WHERE sha = ?");
        if (row.bind(sha).step()) {
            const Id id = row.integer(0);
            if (row.boolean(1)) {
                query("UPDATE comparisons SET withdrawn = 0, import_batch_id = ? WHERE id = ?")
                    .bind(orNull(batch), id)
                    .run();
                pending.changes.insert(Change::Pairs);
                if (fresh)
                    *fresh = true;
            }
            return id;
        }
    }
    query("INSERT INTO comparisons(uuid, sha, prompt_id, a_id, b_id, differs_in, source, task_id, run_id, "
          "import_batch_id, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(uuidFromText("comparison\n" + sha), sha, prompt.id, members[0].id, members[1].id,
              members[0].kind == CandidateKind::Image ? "image" : "response", pair.source, orNull(pair.task),
              orNull(pair.run), orNull(batch), now())
        .run();
    const Id id = db->getLastInsertRowid();
    for (size_t i = 2; i < members.size(); ++i)
        query("INSERT INTO comparison_members(comparison_id, position, candidate_id) VALUES (?, ?, ?)")
            .bind(id, static_cast<int64_t>(i), members[i].id)
            .run();
    pending.changes.insert(Change::Pairs);
    if (fresh)
        *fresh = true;
    return id;
}

Result<std::vector<Candidate>> Project::Impl::membersIn(Id comparison) {
    PL_TRY(const Comparison pair, comparisonIn(comparison));
    std::vector<Id> ids{pair.a, pair.b};
    {
        auto rows = query("SELECT candidate_id FROM comparison_members WHERE comparison_id = ? ORDER BY position");
        rows.bind(comparison);
        while (rows.step())
            ids.push_back(rows.integer(0));
    }
    std::vector<Candidate> members;
    for (const Id id : ids) {
        PL_TRY(Candidate member, candidateIn(id));
        members.push_back(std::move(member));
    }
    return members;
}

Result<std::vector<Candidate>> Project::members(Id comparison) {
    return m->guarded("reading a ranking", [&] { return m->membersIn(comparison); });
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
    PL_CHECK(notInPackage(*this, "making pairs"));
    return m->write("making pairs", [&]() -> Result<MakePairsResult> {
        struct Entry {
            Id id, run;
            std::string sha, model, kind;
            int64_t seed;
        };
        std::vector<std::pair<Id, std::vector<Entry>>> prompts;
        {
            std::string sql = "SELECT k.prompt_id, k.id, k.sha, k.model_hash || '/' || k.model_name, k.run_id, "
                              "k.kind, k.seed "
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
                    {rows.integer(1), rows.null(4) ? 0 : rows.integer(4), rows.text(2),
                                                 rows.text(3), rows.text(5), rows.integer(6)});
            }
        }
        MakePairsResult result;
        const bool across = options.mode == MakePairsOptions::Mode::AcrossModels;
        for (const auto& [prompt, entries] : prompts) {
            if (entries.size() < 2) {
                ++result.lonely;
                continue;
            }
            const auto apart = [&](const Entry& x, const Entry& y) {
                return options.runs.empty() ? x.model != y.model : x.run != y.run;
            };
            // Two image models are compared from the same noise where they were given it: what differs is then the model.
            bool sameSeed = false;
            for (size_t i = 0; across && !sameSeed && i < entries.size(); ++i)
                for (size_t j = i + 1; !sameSeed && j < entries.size(); ++j)
                    sameSeed = entries[i].kind == "image" && entries[j].kind == "image" &&
                               entries[i].seed == entries[j].seed && apart(entries[i], entries[j]);
            int64_t made = 0;
            std::set<size_t> used;
            for (size_t i = 0; i < entries.size() && made < options.maxPerPrompt; ++i) {
                for (size_t j = i + 1; j < entries.size() && made < options.maxPerPrompt; ++j) {
                    if (options.maxPairs && result.pairs >= options.maxPairs)
                        return result;
                    if (across != apart(entries[i], entries[j]) || entries[i].kind != entries[j].kind || used.count(i) ||
                        used.count(j))
                        continue;
                    if (sameSeed && entries[i].kind == "image" && entries[i].seed != entries[j].seed)
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

} // namespace pl::desk
