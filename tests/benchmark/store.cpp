// SPDX-License-Identifier: Apache-2.0
// Time of one vote until it is on disk, in a project of 10,000 pairs; beside it a bare append of the same size with fsync.
#include <cstdlib>

#include "core/base/os/files.h"
#include "core/desk/store/project.h"
#include "tests/benchmark/benchmark.h"

using namespace pl;
using namespace pl::desk;

namespace {

Result<Json> measure(const std::string& dir, int pairs, int votes) {
    ProjectOptions options;
    options.program = "benchmark";
    options.backups = false;
    PL_TRY(Project project, Project::create(dir + "/p", options));
    PL_TRY(const Task task, project.defaultTask());
    PL_TRY(const Id person, project.annotator(AnnotatorKind::Human, "Ada"));
    PL_TRY(const Id session, project.beginSession(person, task.id));
    std::vector<NewPrompt> prompts(static_cast<size_t>(pairs));
    for (int i = 0; i < pairs; ++i)
        prompts[static_cast<size_t>(i)].content = "Request " + std::to_string(i);
    PL_TRY(const auto ids, project.addPrompts(prompts));
    std::vector<NewCandidate> answers;
    for (int i = 0; i < pairs; ++i)
        for (int k = 0; k < 2; ++k) {
            NewCandidate answer;
            answer.prompt = ids[static_cast<size_t>(i)];
            answer.content = std::string(300, static_cast<char>('a' + k)) + std::to_string(i);
            answers.push_back(std::move(answer));
        }
    PL_TRY([[maybe_unused]] const auto added, project.addCandidates(answers));
    PL_TRY([[maybe_unused]] const auto made, project.makePairs({}));
    const std::string log = dir + "/p/project.db-wal";
    std::vector<double> written, floor;
    constexpr size_t kReused = 8192; // the log was long enough already: about what a vote writes
    size_t bytes = 0;
    while (static_cast<int>(written.size()) < votes) {
        Project::NextOptions next;
        next.task = task.id;
        next.annotator = person;
        next.session = session;
        next.limit = 64;
        PL_TRY(auto items, project.next(next));
        if (items.empty())
            break;
        for (auto& item : items) {
            const uint64_t before = os::fileSize(log).value_or(0);
            JudgementInput input;
            input.winner = written.size() % 2 ? Winner::A : Winner::B;
            input.strength = 2;
            const int64_t begin = monotonicNs();
            PL_TRY([[maybe_unused]] const Ack ack, project.presentAndJudge(item.presentation, input));
            written.push_back(static_cast<double>(monotonicNs() - begin) * 1e-6);
            if (const uint64_t after = os::fileSize(log).value_or(0); after > before)
                bytes = static_cast<size_t>(after - before);
        }
        // Taken in turn with the votes, so that both meet the same weather.
        const auto bare = benchmark::syncedWrites(dir, bytes ? bytes : kReused, 32);
        floor.insert(floor.end(), bare.begin(), bare.end());
    }
    PL_CHECK(project.close());
    return Json{{"votes", written.size()},
                {"pairs", pairs},
                {"bytes", bytes ? bytes : kReused},
                {"p50_ms", benchmark::quantile(written, 0.5)},
                {"p99_ms", benchmark::quantile(written, 0.99)},
                {"fsync_p50_ms", benchmark::quantile(floor, 0.5)},
                {"fsync_p99_ms", benchmark::quantile(floor, 0.99)}};
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: benchmark_store FOLDER PAIRS VOTES\n");
        return 2;
    }
    const auto result = measure(argv[1], std::atoi(argv[2]), std::atoi(argv[3]));
    if (!result) {
        std::fprintf(stderr, "%s\n", result.error().toString().c_str());
        return exitCodeOf(result.error().code);
    }
    std::printf("%s\n", dumpJson(*result).c_str());
    return 0;
}
