// SPDX-License-Identifier: Apache-2.0
#include "core/desk/exchange/stepwise.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/desk/domain/text_marks.h"
#include "core/desk/exchange/export_parts.h"
#include "core/desk/store/details.h"

namespace pl::desk {

namespace {

template<class T>
bool among(const std::vector<T>& wanted, const T& value) {
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

Json promptOf(const std::string& content) {
    if (!content.empty() && content[0] == '[')
        if (const Json turns = Json::parse(content, nullptr, false); turns.is_array())
            return turns;
    return content;
}

} // namespace

Result<std::string> stepwiseRows(Project& project, const DatasetSpec& spec, int64_t* rows) {
    const DatasetFilter& filter = spec.filter;
    PL_TRY(const auto people, project.annotators());
    PL_TRY(const std::set<Id> marked, eventsWithSpans(project));
    const std::vector<CurrentVote> votes = project.currentVotes();
    std::set<Id> flagged;
    for (const CurrentVote& vote : votes)
        if (vote.flagged)
            flagged.insert(vote.comparison);
    std::map<std::string, std::string> lines;
    for (const CurrentVote& vote : votes) {
        if (!marked.count(vote.event) || vote.occasion != 0 || vote.kind != EventKind::Vote || (filter.task && vote.task != filter.task) ||
            !among(filter.annotators, vote.annotator) || !among(filter.provenances, vote.provenance) ||
            (filter.randomStratumOnly && !vote.random) || flagged.count(vote.comparison))
            continue;
        PL_TRY(const auto judgement, project.currentJudgement(vote.task, vote.annotator, vote.comparison));
        if (!judgement || !judgement->spans.is_object() || !judgement->spans.contains("unit"))
            continue;
        PL_TRY(const LabelItem item, project.pairItem(vote.comparison));
        if (std::find(filter.splits.begin(), filter.splits.end(), item.prompt.split) == filter.splits.end())
            continue;
        const auto marks = marksOf(judgement->spans, item.a.content, item.b.content);
        if (!marks) // of a form that is not read
            continue;
        const auto who = std::find_if(people.begin(), people.end(), [&](const Annotator& p) { return p.id == vote.annotator; });
        for (size_t side = 0; side < marks->size(); ++side) {
            const AnswerMarks& said = (*marks)[side];
            if (!said.steps)
                continue;
            const std::string& text = side ? item.b.content : item.a.content;
            Json completions = Json::array(), labels = Json::array();
            for (size_t i = 0; i < said.steps->ranges.size(); ++i) {
                const bool wrong = static_cast<int64_t>(i) == said.firstWrong;
                completions.push_back(std::string(textPart(text, said.steps->ranges[i][0], said.steps->ranges[i][1])));
                labels.push_back(!wrong);
                if (wrong)
                    break;
            }
            const std::string id = item.comparison.sha.substr(0, kIdLength) + (side ? "-b" : "-a");
            const std::string name = who == people.end() ? "" : who->name;
            lines[id + "\n" + name + "\n" + std::to_string(vote.task)] =
                dumpJson({{"id", id},
                          {"prompt", promptOf(item.prompt.content)},
                          {"completions", completions},
                          {"labels", labels},
                          {"rule", said.steps->rule},
                          {"split", splitName(item.prompt.split)},
                          {"provenance", provenanceName(vote.provenance)},
                          {"annotator", name}});
        }
    }
    std::string bytes;
    for (const auto& [key, line] : lines)
        bytes += line + "\n";
    if (rows)
        *rows = static_cast<int64_t>(lines.size());
    return bytes;
}

} // namespace pl::desk
