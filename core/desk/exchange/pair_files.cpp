// SPDX-License-Identifier: Apache-2.0
#include "core/desk/exchange/pair_files.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/desk/exchange/column_map.h"
#include "core/desk/exchange/text_format_parts.h"

namespace pl::desk {

using namespace texts;

namespace {

constexpr size_t kMostReasons = 200;

struct Answer {
    size_t line = 0;
    std::string text, model;
    bool used = false;
};

class AnswerFile {
public:
    std::map<std::string, std::vector<Answer>> byPrompt;
    std::vector<std::string> order; ///< of the prompts
    int64_t read = 0;

    AnswerFile(const std::string& name, const PairFilesOptions& options, PairedFiles& out) : m_name(name), m_options(options), m_out(out) {}

    Status parse(const std::string& text) {
        for (const auto* path : {&m_options.prompt, &m_options.answer})
            if (!path->empty())
                PL_CHECK(ColumnPath::parse(*path));
        PL_CHECK(checkUtf8(text, m_name));
        forEachRow(text, [this](Row row) {
            ++read;
            const auto kept = row.json ? take(row.line, *row.json) : Status(tl::unexpected(row.json.error()));
            if (!kept) {
                ++m_out.rejectedCount;
                if (m_out.rejected.size() < kMostReasons)
                    m_out.rejected.push_back({row.line, fmt::format("{}: {}", m_name, kept.error().message)});
            }
            return true;
        });
        if (byPrompt.empty())
            return fail(Code::InvalidInput,
                        fmt::format("{} has no row with a prompt and an answer{}", m_name,
                                    m_out.rejected.empty() ? "" : fmt::format("; line {}: {}", m_out.rejected.back().line, m_out.rejected.back().reason)),
                        "Name the columns: --prompt-column and --answer-column.");
        return {};
    }

private:
    static const Json* first(const Json& row, const std::string& path, std::initializer_list<const char*> names) {
        if (!path.empty())
            return ColumnPath::parse(path).value().find(row);
        for (const char* name : names)
            if (const auto at = row.find(name); at != row.end() && !at->is_null())
                return &*at;
        return nullptr;
    }

    Status take(size_t line, const Json& row) {
        if (!row.is_object())
            return reject("it is no object with columns");
        const Json* answer = first(row, m_options.answer, {"response", "answer", "completion", "output", "generation", "reply", "text",
                                                           "messages", "conversation", "conversations"});
        if (!answer)
            return reject(m_options.answer.empty() ? "it has no column \"response\", \"answer\", \"completion\", \"output\" or \"messages\""
                                                   : fmt::format("it has nothing in the column {}", m_options.answer));
        const Json* asked = first(row, m_options.prompt, {"prompt", "instruction", "question", "query", "input"});
        std::string prompt, said;
        if (answer->is_string()) {
            said = answer->get<std::string>();
        } else {
            PL_TRY(Json turns, turnsOf(*answer));
            if (turns.back()["role"] != "assistant")
                return reject("its conversation does not end with an answer");
            said = turns.back()["content"].get<std::string>();
            turns.erase(turns.size() - 1);
            if (!turns.empty() && !asked) {
                PL_TRY(prompt, canonicalPrompt(turns));
            }
        }
        if (asked) {
            if (asked->is_string()) {
                prompt = asked->get<std::string>();
            } else {
                PL_TRY(const Json turns, turnsOf(*asked));
                PL_TRY(prompt, canonicalPrompt(turns));
            }
        }
        const auto blank = [](const std::string& text) { return text.find_first_not_of(" \t\r\n") == std::string::npos; };
        if (blank(prompt))
            return reject("its prompt is missing or empty");
        if (blank(said))
            return reject("its answer is empty");
        if (prompt.find('\0') != std::string::npos || said.find('\0') != std::string::npos)
            return reject("a text holds a NUL character");
        auto& answers = byPrompt[prompt];
        if (answers.empty())
            order.push_back(prompt);
        answers.push_back({line, std::move(said), textIn(row, "model"), false});
        return {};
    }

    const std::string& m_name;
    const PairFilesOptions& m_options;
    PairedFiles& m_out;
};

std::string stem(std::string name) {
    for (const char* end : {".gz", ".jsonl", ".ndjson", ".json", ".csv", ".tsv"})
        if (name.ends_with(end) && name.size() > std::string_view(end).size())
            name.resize(name.size() - std::string_view(end).size());
    return name;
}

} // namespace

Result<PairedFiles> pairFiles(const std::string& a, const std::string& nameA, const std::string& b, const std::string& nameB,
                              const PairFilesOptions& options) {
    PairedFiles out;
    AnswerFile first(nameA, options, out), second(nameB, options, out);
    PL_CHECK(first.parse(a));
    PL_CHECK(second.parse(b));
    out.readA = first.read;
    out.readB = second.read;
    const auto model = [](const std::string& asked, const std::string& said, const std::string& name) {
        return !asked.empty() ? asked : !said.empty() ? said : stem(os::baseName(name));
    };
    for (const std::string& prompt : first.order) {
        auto& left = first.byPrompt[prompt];
        const auto found = second.byPrompt.find(prompt);
        const size_t n = found == second.byPrompt.end() ? 0 : std::min(left.size(), found->second.size());
        out.onlyA += static_cast<int64_t>(left.size() - n);
        for (size_t i = 0; i < n; ++i) {
            Answer &x = left[i], &y = found->second[i];
            y.used = true;
            if (x.text == y.text) {
                ++out.identical;
                continue;
            }
            ImportRow row;
            row.line = x.line;
            row.prompt.content = prompt;
            row.prompt.split = options.split;
            row.prompt.source = os::baseName(nameA);
            row.texts = {{x.text, model(options.modelA, x.model, nameA)}, {y.text, model(options.modelB, y.model, nameB)}};
            out.rows.push_back(std::move(row));
        }
    }
    for (const auto& [prompt, answers] : second.byPrompt)
        out.onlyB += std::count_if(answers.begin(), answers.end(), [](const Answer& each) { return !each.used; });
    if (out.rows.empty())
        return fail(Code::InvalidInput,
                    fmt::format("no answer of {} meets one of {}: {} and {} have a prompt that the other lacks, {} are the same text on both sides",
                                nameA, nameB, out.onlyA, out.onlyB, out.identical),
                    "Prompts are compared as they stand, letter by letter.");
    return out;
}

Result<PairedRead> readPaired(const std::string& a, const std::string& b, const PairFilesOptions& options) {
    PL_TRY(const std::string textA, readMaybeGzip(a, options.maxBytes));
    PL_TRY(const std::string textB, readMaybeGzip(b, options.maxBytes));
    PairedRead out;
    PL_TRY(out.files, pairFiles(textA, os::baseName(a), textB, os::baseName(b), options));
    out.name = os::baseName(a) + " + " + os::baseName(b);
    out.sha = sha256Hex(sha256Hex(textA) + sha256Hex(textB));
    return out;
}

Result<ImportReport> importPaired(Project& project, const PairedRead& read, const PairFilesOptions& options) {
    ImportReport report;
    report.file = read.name;
    report.sha = read.sha;
    report.format = "pair";
    report.dryRun = options.dryRun;
    report.read = read.files.readA + read.files.readB;
    report.rejectedCount = read.files.rejectedCount;
    report.rejected = read.files.rejected;
    const Project::ImportMeta meta{report.file, report.sha, report.format, options.task, "imported"};
    PL_TRY(report.counts, project.importRows(meta, read.files.rows, options.dryRun));
    return report;
}

Result<ImportReport> importPaired(Project& project, const std::string& a, const std::string& b, const PairFilesOptions& options,
                                  PairedFiles* paired) {
    PL_TRY(PairedRead read, readPaired(a, b, options));
    PL_TRY(ImportReport report, importPaired(project, read, options));
    if (paired)
        *paired = std::move(read.files);
    return report;
}

} // namespace pl::desk
