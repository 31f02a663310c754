// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QTemporaryDir>
#include <QtTest>

#include "core/base/image.h"
#include "core/desk/store/project.h"

/// Projects in a temporary folder, with a clock that only moves when told.
namespace fixture {

using namespace pl;
using namespace pl::desk;

#define OK(expr)                                                                                                   \
    do {                                                                                                           \
        const auto& okResult = (expr);                                                                             \
        QVERIFY2(okResult.has_value(), okResult ? "" : okResult.error().toString().c_str());                       \
    } while (false)

/// The value, or a failure that names the error and ends the program: tests have no way on.
template<class T>
T must(Result<T> result) {
    if (!result)
        qFatal("%s", result.error().toString().c_str());
    return std::move(*result);
}
inline void must(Status status) {
    if (!status)
        qFatal("%s", status.error().toString().c_str());
}

/// The bytes of a file that says it is a 3 x 2 PNG; different for every n. The store never decodes.
inline std::string pngBytes(int n) {
    Image image = blankImage(3, 2);
    for (size_t i = 0; i < image.rgb.size(); ++i)
        image.rgb[i] = static_cast<uint8_t>(n >> (8 * (i % 4)));
    return *encodePng(image);
}

inline int64_t g_clock = 1790000000000;

inline ProjectOptions options() {
    ProjectOptions o;
    o.program = "test";
    o.clock = [] { return g_clock += 7; };
    o.durable = false;
    return o;
}

struct Desk {
    QTemporaryDir temp;
    std::optional<Project> project;
    Id task = 0, ada = 0;
    std::string dir() const { return temp.path().toStdString() + "/p"; }

    explicit Desk(int prompts = 0, int answers = 2) {
        project = must(Project::create(dir(), options()));
        task = must(project->defaultTask()).id;
        ada = must(project->annotator(AnnotatorKind::Human, "Ada"));
        for (int i = 0; i < prompts; ++i) {
            NewPrompt prompt;
            prompt.content = "Request " + std::to_string(i);
            prompt.split = i % 5 == 4 ? Split::Dev : Split::Train;
            const Id id = must(project->addPrompts({prompt}))[0];
            std::vector<NewCandidate> texts;
            for (int k = 0; k < answers; ++k) {
                NewCandidate c;
                c.prompt = id;
                c.content = "Answer " + std::to_string(k) + " to " + std::to_string(i);
                c.modelName = "start";
                texts.push_back(c);
            }
            must(project->addCandidates(texts));
        }
        if (prompts)
            must(project->makePairs({}));
    }
    void reopen() {
        must(project->close());
        project.reset();
        project = must(Project::open(dir(), options()));
    }
    std::vector<LabelItem> next(size_t n = 1, QueueRule rule = QueueRule::Fifo, uint64_t seed = 1,
                                std::optional<Split> split = {}) {
        Project::NextOptions o;
        o.task = task;
        o.annotator = ada;
        o.limit = n;
        o.rule = rule;
        o.seed = seed;
        o.split = split;
        return must(project->next(o));
    }
    Result<Ack> vote(const LabelItem& item, Winner winner, std::optional<int> strength = {}) {
        JudgementInput input;
        input.winner = winner;
        input.strength = strength;
        input.activeMs = 1000;
        return project->presentAndJudge(item.presentation, input);
    }
    std::vector<CurrentVote> sortedVotes() const {
        auto votes = project->currentVotes();
        std::sort(votes.begin(), votes.end(), [](const CurrentVote& x, const CurrentVote& y) {
            return std::tie(x.task, x.comparison, x.annotator, x.occasion) <
                   std::tie(y.task, y.comparison, y.annotator, y.occasion);
        });
        return votes;
    }
};

} // namespace fixture
