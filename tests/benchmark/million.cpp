// SPDX-License-Identifier: Apache-2.0
// A project of very many judgements (1,000,000 unless told otherwise) and what a person who labels in it waits for
// (reference/annotation.md section 4.3): made once, then opened by a process of its own.
//
//   benchmark_million make FOLDER JUDGEMENTS    as many pairs as judgements, four people who overlap in a fifth
//   benchmark_million measure FOLDER VOTES      one JSON object
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <thread>

#include "core/base/os/files.h"
#include "core/desk/stats/quality.h"
#include "core/desk/store/store_thread.h"
#include "tests/benchmark/benchmark.h"

using namespace pl;
using namespace pl::desk;

namespace {

constexpr int kPeople = 4;
constexpr int64_t kBlock = 20'000;

double since(int64_t begin) { return static_cast<double>(monotonicNs() - begin) * 1e-6; }

/// Milliseconds of the processor that this thread has had.
double processorMs() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) * 1e-6;
}

/// Kilobytes this process holds now.
int64_t residentKb() {
    const auto text = os::readFile("/proc/self/statm");
    long long all = 0, resident = 0;
    if (!text || std::sscanf(text->c_str(), "%lld %lld", &all, &resident) != 2)
        return 0;
    return resident * 4;
}

Status make(const std::string& dir, int64_t judgements) {
    ProjectOptions options;
    options.program = "benchmark";
    options.durable = options.backups = false;
    PL_TRY(Project project, Project::create(dir, options));
    PL_TRY(Task task, project.defaultTask());
    task.queueMix = {{"random", 75}, {"second", 20}, {"repeat", 5}, {"votes", 2}};
    PL_CHECK(project.updateTask(task));
    std::vector<Id> pairs;
    static const char* const models[] = {"alder", "birch", "cedar", "elm", "fir"};
    for (int64_t first = 0; first < judgements; first += kBlock) {
        const int64_t n = std::min(kBlock, judgements - first);
        std::vector<NewPrompt> prompts(static_cast<size_t>(n));
        for (int64_t i = 0; i < n; ++i)
            prompts[static_cast<size_t>(i)].content = "Request " + std::to_string(first + i);
        PL_TRY(const auto ids, project.addPrompts(prompts));
        std::vector<NewCandidate> answers;
        for (int64_t i = 0; i < n; ++i)
            for (int k = 0; k < 2; ++k) {
                NewCandidate answer;
                answer.prompt = ids[static_cast<size_t>(i)];
                answer.content = std::string(static_cast<size_t>(120 + mix64(static_cast<uint64_t>(2 * (first + i) + k)) % 240), static_cast<char>('a' + k)) + std::to_string(first + i);
                answer.modelName = models[(first + i + k * (1 + (first + i) % 4)) % 5];
                answers.push_back(std::move(answer));
            }
        PL_TRY(const auto made, project.addCandidates(answers));
        std::vector<Project::NewPair> wanted;
        for (size_t i = 0; i < static_cast<size_t>(n); ++i)
            wanted.push_back({made[2 * i], made[2 * i + 1], "generated", 0, 0, {}});
        PL_TRY(const auto added, project.addPairs(wanted));
        pairs.insert(pairs.end(), added.begin(), added.end());
    }
    for (int who = 0; who < kPeople; ++who) {
        PL_TRY(const Id person, project.annotator(AnnotatorKind::Human, std::string("Person ") + static_cast<char>('A' + who)));
        PL_TRY(const Id session, project.beginSession(person, task.id));
        const int64_t from = who * judgements / 5, count = judgements / kPeople;
        for (int64_t i = 0; i < count; ++i) {
            const int64_t pair = (from + i) % judgements;
            const uint64_t draw = mix64(static_cast<uint64_t>(pair) * 7919 + static_cast<uint64_t>(who));
            Presentation shown;
            shown.task = task.id;
            shown.comparison = pairs[static_cast<size_t>(pair)];
            shown.annotator = person;
            shown.session = session;
            shown.aOnLeft = draw & 1;
            shown.rule = QueueRule::Random;
            shown.stratum = "random";
            shown.propensity = 1.0 / static_cast<double>(judgements - i);
            JudgementInput vote;
            vote.winner = draw % 20 == 0 ? Winner::Tie : draw % 3 ? Winner::A : Winner::B;
            if (vote.winner != Winner::Tie)
                vote.strength = 1 + static_cast<int>(draw / 64 % 3);
            vote.activeMs = 1500 + static_cast<int64_t>(draw / 1024 % 6000);
            PL_CHECK(project.presentAndJudge(shown, vote));
        }
        PL_CHECK(project.endSession(session));
    }
    return project.close();
}

Json shares(const std::vector<double>& ms) {
    return {{"p50", benchmark::quantile(ms, 0.5)}, {"p95", benchmark::quantile(ms, 0.95)}, {"p99", benchmark::quantile(ms, 0.99)},
            {"max", benchmark::quantile(ms, 1)}, {"n", ms.size()}};
}

/// A look at the statistics as the window has it: read in steps on the store's thread, computed on this one.
struct Look {
    double firstMs = 0; ///< what votes say by themselves
    double beganMs = 0, readMs = 0, totalMs = 0, slowestStepMs = 0;
    double slowestStepCpuMs = 0, planMs = 0, assessMs = 0; ///< of the processor
    int64_t rows = 0, steps = 0;
    Json toJson() const {
        return {{"first_figures_ms", firstMs}, {"copied_ms", beganMs}, {"read_ms", readMs},  {"total_ms", totalMs},
                {"slowest_step_ms", slowestStepMs}, {"rows", rows},      {"steps", steps},
                {"slowest_step_cpu_ms", slowestStepCpuMs}, {"plan_cpu_ms", planMs}, {"assess_cpu_ms", assessMs}};
    }
};
Result<Look> look(StoreThread& store, FactReader& reader, bool first) {
    Look out;
    const int64_t at = monotonicNs();
    const auto timed = [&](auto work) {
        return store
            .call([&, work](Project& project) {
                const int64_t begin = monotonicNs();
                const double cpu = processorMs();
                auto result = work(project);
                out.slowestStepMs = std::max(out.slowestStepMs, since(begin));
                out.slowestStepCpuMs = std::max(out.slowestStepCpuMs, processorMs() - cpu);
                return result;
            })
            .get();
    };
    PL_CHECK(timed([&](Project& project) { return reader.begin(project); }));
    out.beganMs = since(at);
    double cpu = processorMs();
    reader.plan();
    out.planMs = processorMs() - cpu;
    if (first && assessQuality(reader.facts()).votes > 0)
        out.firstMs = since(at);
    const int64_t reading = monotonicNs();
    for (bool done = false; !done; ++out.steps) {
        PL_TRY(done, timed([&](Project& project) { return reader.step(project); }));
    }
    reader.finish();
    out.readMs = since(reading);
    out.rows = reader.rows();
    cpu = processorMs();
    const QualityReport report = assessQuality(reader.facts());
    out.assessMs = processorMs() - cpu;
    out.totalMs = since(at);
    if (report.votes == 0 || !report.complete)
        return fail(Code::Internal, "the statistics saw no vote");
    return out;
}

Result<Json> measure(const std::string& dir, int votes) {
    const int64_t begin = monotonicNs();
    ProjectOptions options;
    options.program = "benchmark";
    options.backups = false;
    PL_TRY(Project opened, Project::open(dir, options));
    const double openMs = since(begin);
    PL_TRY(const Task task, opened.defaultTask());
    PL_TRY(const Id person, opened.annotator(AnnotatorKind::Human, "Person A"));
    Project::NextOptions next;
    next.task = task.id;
    next.annotator = person;
    next.limit = 1;
    PL_TRY(auto first, opened.next(next));
    const double firstMs = since(begin);
    if (first.empty())
        return fail(Code::Internal, "no pair is left");
    // The same with the mixed queue: random, second opinions, hidden repeats.
    next.rule = QueueRule::Mixed;
    const int64_t mixing = monotonicNs();
    PL_TRY(first, opened.next(next));
    const double mixedFirstMs = since(mixing);
    const Counters counters = opened.counters();
    const int64_t memory = residentKb();

    std::vector<double> choosing, voting, undoing;
    for (int i = 0; i < votes; ++i) {
        int64_t at = monotonicNs();
        PL_TRY(auto items, opened.next(next));
        choosing.push_back(since(at));
        if (items.empty())
            break;
        JudgementInput vote;
        vote.winner = i % 2 ? Winner::A : Winner::B;
        vote.strength = 2;
        at = monotonicNs();
        PL_TRY([[maybe_unused]] const Ack ack, opened.presentAndJudge(items[0].presentation, vote));
        voting.push_back(since(at));
    }
    for (int i = 0; i < votes / 10; ++i) {
        const int64_t at = monotonicNs();
        PL_TRY([[maybe_unused]] const Ack ack, opened.undo(task.id, person));
        undoing.push_back(since(at));
    }
    const std::vector<double> bare = benchmark::syncedWrites(dir, 8192, votes);

    // Statistics on a thread of their own; meanwhile votes go on, and what they wait for is measured.
    StoreThread store(std::move(opened));
    std::vector<double> during;
    Status went;
    const auto vote = [&] {
        const int64_t asked = monotonicNs();
        auto acked = store.call([&](Project& project) -> Status {
            PL_TRY(auto items, project.next(next));
            if (items.empty())
                return {};
            JudgementInput input;
            input.winner = Winner::A;
            PL_CHECK(project.presentAndJudge(items[0].presentation, input));
            return {};
        });
        if (const Status voted = acked.get(); !voted)
            went = voted;
        return since(asked);
    };
    FactReader reader;
    Look cold;
    std::vector<double> refreshed, refreshedCopy, refreshedCpu, slowest;
    std::atomic<bool> done{false};
    Status looked;
    std::thread looking([&] {
        looked = [&]() -> Status {
            PL_TRY(cold, look(store, reader, true));
            for (int i = 0; i < 10; ++i) { // votes come in between
                PL_TRY(const Look warm, look(store, reader, false));
                refreshed.push_back(warm.totalMs);
                refreshedCopy.push_back(warm.beganMs);
                refreshedCpu.push_back(warm.planMs + warm.assessMs);
                slowest.push_back(warm.slowestStepMs);
            }
            return {};
        }();
        done = true;
    });
    while (!done) {
        during.push_back(vote());
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    looking.join();
    PL_CHECK(looked);
    PL_CHECK(went);
    PL_CHECK(store.close());
    return Json{{"pairs", counters.comparisons},
                {"judgements", counters.events},
                {"open_ms", openMs},
                {"first_pair_ms", firstMs},
                {"mixed_first_ms", mixedFirstMs},
                {"next_ms", shares(choosing)},
                {"vote_ms", shares(voting)},
                {"undo_ms", shares(undoing)},
                {"fsync_ms", shares(bare)},
                {"statistics_first_look", cold.toJson()},
                {"statistics_ms", shares(refreshed)},
                {"statistics_copy_ms", shares(refreshedCopy)},
                {"statistics_cpu_ms", shares(refreshedCpu)},
                {"statistics_slowest_step_ms", benchmark::quantile(slowest, 1)},
                {"vote_during_statistics_ms", shares(during)},
                {"memory_mb", static_cast<double>(memory) / 1024},
                {"bytes_per_judgement", static_cast<double>(os::fileSize(dir + "/project.db").value_or(0)) / static_cast<double>(std::max<int64_t>(1, counters.events))}};
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4 || (std::strcmp(argv[1], "make") != 0 && std::strcmp(argv[1], "measure") != 0)) {
        std::fprintf(stderr, "usage: benchmark_million make|measure FOLDER COUNT\n");
        return 2;
    }
    if (std::strcmp(argv[1], "make") == 0) {
        const Status made = make(argv[2], std::atoll(argv[3]));
        if (!made)
            std::fprintf(stderr, "%s\n", made.error().toString().c_str());
        return made ? 0 : 70;
    }
    const auto result = measure(argv[2], std::atoi(argv[3]));
    if (!result) {
        std::fprintf(stderr, "%s\n", result.error().toString().c_str());
        return 70;
    }
    std::printf("%s\n", dumpJson(*result).c_str());
    return 0;
}
