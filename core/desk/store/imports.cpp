// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include "core/base/log.h"
#include "core/desk/store/event_rows.h"
#include "core/desk/store/packages.h"
#include "core/text/utf8.h"

namespace pl::desk {

namespace {

constexpr size_t kMostName = 200;
constexpr std::string_view kImported = "imported: ";

/// A name as it was before an earlier import.
std::string nameBefore(std::string name) {
    while (name.starts_with(kImported))
        name.erase(0, kImported.size());
    return text::truncateText(name, kMostName);
}

enum class Told { New, Known, Differs };

} // namespace

Result<ImportCounts> Project::importRows(const ImportMeta& meta, const std::vector<ImportRow>& rows, bool dryRun) {
    PL_CHECK(notInPackage(*this, "importing"));
    return m->write("importing " + meta.source, [&]() -> Result<ImportCounts> {
        ImportCounts counts;
        Id taskId = meta.task;
        if (!taskId) {
            auto row = m->query("SELECT id FROM tasks WHERE archived = 0 ORDER BY id LIMIT 1");
            taskId = row.step() ? row.integer(0) : 0;
        }
        PL_TRY(const Task task, m->taskIn(taskId));
        m->query("INSERT INTO import_batches(uuid, source, sha, format, created_ms) VALUES (?, ?, ?, ?, ?)")
            .bind(newUuid(), meta.source, meta.sha, meta.format, m->now())
            .run();
        const Id batch = m->db->getLastInsertRowid();
        // Whoever a row names is an annotator of its own, so that no vote of another is lost; rules, judges and models keep what
        // they are. Votes without a name are one human annotator's.
        std::map<std::pair<AnnotatorKind, std::string>, Id> annotators;
        // `shas` are the row's answers in the order of the row.
        const auto vote = [&](const ImportRow& row, Id pair, const std::vector<std::string>& shas) -> Result<Told> {
            const AnnotatorKind kind = row.by.value_or(AnnotatorKind::Human);
            const std::string said = nameBefore(row.annotator);
            const std::string name = !said.empty() ? std::string(kImported) + said
                                     : row.by      ? std::string(kImported) + annotatorKindName(kind)
                                                   : meta.annotatorName;
            Id& annotator = annotators[{kind, name}];
            if (!annotator) {
                PL_TRY(annotator, m->annotatorIn(kind, name, Json::object()));
            }
            const VoteKey key{taskId, pair, annotator, 0};
            // The comparison keeps its members in an order of its own.
            PL_TRY(const std::vector<Candidate> members, m->membersIn(pair));
            std::vector<int> ranks;
            for (const Candidate& member : members) {
                const size_t at = static_cast<size_t>(std::find(shas.begin(), shas.end(), member.sha) - shas.begin());
                ranks.push_back(!row.ranks.empty() ? row.ranks.at(at) : row.tie ? 1 : static_cast<int>(at) + 1);
            }
            Judgement judgement;
            judgement.rationale = row.rationale;
            if (row.chosen) { // what is said of each side follows it into content space
                const bool aFirst = members[0].sha == shas[0];
                judgement.badA = aFirst ? row.chosenBad : row.rejectedBad;
                judgement.badB = aFirst ? row.rejectedBad : row.chosenBad;
                const auto attribute = [&](const char* side, const Json& values) {
                    if (!values.empty())
                        judgement.attributes[side] = values;
                };
                attribute("a", aFirst ? row.chosenAttributes : row.rejectedAttributes);
                attribute("b", aFirst ? row.rejectedAttributes : row.chosenAttributes);
            }
            judgement.winner = ranks[0] == ranks[1] ? Winner::Tie : ranks[0] < ranks[1] ? Winner::A : Winner::B;
            if (judgement.winner != Winner::Tie)
                judgement.strength = row.strength;
            else
                judgement.tieKind = row.tieKind;
            if (members.size() > 2)
                judgement.ranking = {{"v", 1}, {"ranks", ranks}};
            if (const Id earlier = m->currentEvent(key)) {
                PL_TRY(const Judgement kept, m->judgementOf(earlier));
                return kept.winner == judgement.winner && kept.ranking == judgement.ranking ? Told::Known : Told::Differs;
            }
            EventDraft draft;
            draft.task = taskId;
            draft.comparison = pair;
            draft.annotator = annotator;
            draft.guidelineVersion = task.guidelineVersion;
            draft.provenance = row.by ? provenanceOf(kind) : Provenance::Imported;
            draft.importBatch = batch;
            draft.judgement = &judgement;
            PL_TRY(const Id event, m->appendEvent(draft));
            m->setCurrent(key, event);
            return Told::New;
        };
        std::set<Id> asked; // prompts whose split was looked at
        for (const ImportRow& row : rows) {
            ++counts.rows;
            bool freshPrompt = false, freshPair = false;
            Told told = Told::Known;
            const auto named = [&](auto&& result) {
                return std::move(result).map_error(
                    [&](Error e) { return std::move(e).with(fmt::format("line {} of {}", row.line, meta.source)); });
            };
            {
                auto erased = m->query("SELECT 1 FROM tombstones WHERE uuid = ?");
                if (erased.bind(uuidFromText("prompt\n" + promptSha(row.prompt.content))).step()) {
                    log::warn("line {} of {}: its prompt was erased from this project and stays out", row.line, meta.source);
                    ++counts.duplicates;
                    continue;
                }
            }
            PL_TRY(const Id prompt, named(m->addPromptIn(row.prompt, batch, &freshPrompt)));
            if (row.prompt.split && asked.insert(prompt).second) {
                auto split = m->query("SELECT split FROM prompts WHERE id = ?");
                counts.keptSplit += split.bind(prompt).step() && split.text(0) != splitName(*row.prompt.split);
            }
            int64_t freshCandidates = 0;
            std::vector<Id> sides;
            std::vector<std::string> shas;
            const auto add = [&](NewCandidate candidate) -> Status {
                candidate.prompt = prompt;
                candidate.provenance = Provenance::Imported;
                bool fresh = false;
                PL_TRY(const Id id, named(m->addCandidateIn(candidate, batch, &fresh)));
                freshCandidates += fresh;
                sides.push_back(id);
                return {};
            };
            std::vector<ImportText> texts = row.texts;
            if (row.chosen && row.rejected)
                texts = {{*row.chosen, row.chosenModel}, {*row.rejected, row.rejectedModel}};
            for (const ImportText& text : texts) {
                NewCandidate candidate;
                candidate.content = text.text;
                candidate.modelName = text.model;
                shas.push_back(candidateSha(candidate.content));
                candidate.uuid = uuidFromText(fmt::format("imported\n{}\n{}", prompt, shas.back()));
                PL_CHECK(add(std::move(candidate)));
            }
            for (const ImportImage& image : row.images) {
                NewCandidate candidate;
                candidate.kind = CandidateKind::Image;
                candidate.content = image.sha;
                candidate.modelName = image.model;
                candidate.seed = image.seed;
                candidate.params = image.params;
                candidate.uuid = uuidFromText(fmt::format("imported\n{}\nimage\n{}", prompt, image.sha));
                shas.push_back(image.sha);
                PL_CHECK(add(std::move(candidate)));
            }
            const bool judged = row.chosen || !row.ranks.empty();
            if (sides.size() == 2 || (sides.size() > 2 && judged)) {
                NewPair members{sides[0], sides[1], "imported", 0, 0, {}};
                members.more.assign(sides.begin() + 2, sides.end());
                PL_TRY(const Id pair, named(m->addPairIn(members, batch, &freshPair)));
                if (!pair)
                    return fail(Code::InvalidInput,
                                fmt::format("line {} of {}: both answers are identical", row.line, meta.source));
                if (judged) {
                    PL_TRY(told, vote(row, pair, shas));
                }
            }
            counts.prompts += freshPrompt;
            counts.candidates += freshCandidates;
            counts.pairs += freshPair;
            counts.votes += told == Told::New;
            counts.differing += told == Told::Differs;
            counts.duplicates += !(freshPrompt || freshCandidates || freshPair || told != Told::Known);
        }
        m->query("UPDATE import_batches SET prompts = ?, candidates = ?, pairs = ?, votes = ? WHERE id = ?")
            .bind(counts.prompts, counts.candidates, counts.pairs, counts.votes, batch)
            .run();
        m->pending.changes.insert(Change::Imports);
        // A file that brings nothing new leaves no batch behind.
        m->discard = dryRun || counts.prompts + counts.candidates + counts.pairs + counts.votes == 0;
        return counts;
    });
}

Result<std::vector<ImportBatch>> Project::importBatches() {
    return m->guarded("reading imports", [&]() -> Result<std::vector<ImportBatch>> {
        std::vector<ImportBatch> all;
        auto rows = m->query("SELECT id, uuid, source, sha, format, created_ms, reverted_ms, prompts, candidates, pairs, "
                             "votes FROM import_batches ORDER BY id DESC");
        while (rows.step()) {
            ImportBatch batch;
            batch.id = rows.integer(0);
            batch.uuid = rows.text(1);
            batch.source = rows.text(2);
            batch.sha = rows.text(3);
            batch.format = rows.text(4);
            batch.createdMs = rows.integer(5);
            batch.revertedMs = rows.integer(6);
            batch.prompts = rows.integer(7);
            batch.candidates = rows.integer(8);
            batch.pairs = rows.integer(9);
            batch.votes = rows.integer(10);
            all.push_back(std::move(batch));
        }
        return all;
    });
}

Status Project::revertImport(Id batch) {
    return m->write("taking back an import", [&]() -> Status {
        auto row = m->query("SELECT reverted_ms FROM import_batches WHERE id = ?");
        if (!row.bind(batch).step())
            return fail(Code::NotFound, fmt::format("there is no import {}", batch));
        if (row.integer(0))
            return fail(Code::InvalidInput, fmt::format("import {} was taken back already", batch));
        std::vector<Id> events;
        {
            auto rows = m->query("SELECT j.id FROM judgements j JOIN current c ON c.event_id = j.id "
                                 "WHERE j.import_batch_id = ? ORDER BY j.id");
            rows.bind(batch);
            while (rows.step())
                events.push_back(rows.integer(0));
        }
        for (const Id event : events) {
            const auto vote = m->currentOf(event);
            if (!vote)
                continue;
            EventDraft draft;
            draft.task = vote->task;
            draft.comparison = vote->comparison;
            draft.annotator = vote->annotator;
            draft.occasion = vote->occasion;
            draft.kind = EventKind::Revert;
            draft.provenance = vote->provenance;
            draft.target = event;
            draft.supersedes = event;
            draft.importBatch = batch;
            {
                auto version = m->query("SELECT guideline_version FROM judgements WHERE id = ?");
                version.bind(event).step();
                draft.guidelineVersion = static_cast<int>(version.integer(0));
            }
            PL_CHECK(m->appendEvent(draft));
            m->setCurrent(VoteTable::keyOf(*vote), resolveItem(*m, VoteTable::keyOf(*vote)));
        }
        // What something else uses stays: a pair that was judged, though the vote be taken back for now, dealt out, or made gold.
        m->query("UPDATE comparisons SET withdrawn = 1 WHERE import_batch_id = ? AND withdrawn = 0 "
                 "AND NOT EXISTS (SELECT 1 FROM current c WHERE c.comparison_id = comparisons.id) "
                 "AND id NOT IN (SELECT comparison_id FROM judgements WHERE import_batch_id IS NULL OR import_batch_id <> ?) "
                 "AND id NOT IN (SELECT comparison_id FROM package_pairs) AND id NOT IN (SELECT comparison_id FROM gold)")
            .bind(batch, batch)
            .run();
        m->query("UPDATE candidates SET withdrawn = 1 WHERE import_batch_id = ? AND withdrawn = 0 AND NOT EXISTS "
                 "(SELECT 1 FROM comparisons x WHERE (x.a_id = candidates.id OR x.b_id = candidates.id) "
                 "AND x.withdrawn = 0) AND NOT EXISTS (SELECT 1 FROM comparison_members k JOIN comparisons x "
                 "ON x.id = k.comparison_id WHERE k.candidate_id = candidates.id AND x.withdrawn = 0)")
            .bind(batch)
            .run();
        m->query("UPDATE prompts SET withdrawn = 1 WHERE import_batch_id = ? AND withdrawn = 0 AND NOT EXISTS "
                 "(SELECT 1 FROM candidates k WHERE k.prompt_id = prompts.id AND k.withdrawn = 0)")
            .bind(batch)
            .run();
        m->query("UPDATE import_batches SET reverted_ms = ? WHERE id = ?").bind(m->now(), batch).run();
        m->pending.dropQueues = true;
        m->pending.changes.insert({Change::Imports, Change::Prompts, Change::Candidates, Change::Pairs});
        return {};
    });
}

} // namespace pl::desk
