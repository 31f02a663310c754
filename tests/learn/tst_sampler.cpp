// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <torch/torch.h>

#include "core/base/json.h"
#include "core/learn/sampling/sampler.h"
#include "tests/learn/models.h"

using namespace pl;
using namespace pl::learn;

namespace {

std::vector<std::vector<int64_t>> somePrompts(size_t count) {
    std::vector<std::vector<int64_t>> prompts;
    for (size_t i = 0; i < count; ++i) {
        std::vector<int64_t> prompt{1};
        for (size_t k = 0; k < i % 7; ++k)
            prompt.push_back(static_cast<int64_t>(3 + (i * 13 + k * 5) % 94));
        prompts.push_back(prompt);
    }
    return prompts;
}

constexpr const char* kEvery[] = {"gpt2", "gpt2_options", "gpt2_unscaled", "llama3", "llama_linear", "mistral", "mistral_window", "qwen2",
                                  "qwen2_window", "qwen3", "qwen3_options", "smollm"};
constexpr const char* kSome[] = {"mistral_window", "qwen3", "gpt2", "llama3"};

/// Prompts of 1 to 11 ids below 61, some of them equal, not beside each other.
std::vector<std::vector<int64_t>> mixedPrompts(size_t count) {
    std::vector<std::vector<int64_t>> prompts;
    for (size_t i = 0; i < count; ++i) {
        const size_t which = i % 7 == 3 ? 3 : i; // every seventh is the fourth
        std::vector<int64_t> prompt;
        for (size_t k = 0; k < 1 + (which * 5) % 11; ++k)
            prompt.push_back(static_cast<int64_t>(3 + (which * 17 + k * 23) % 58));
        prompts.push_back(prompt);
    }
    return prompts;
}

/// What the whole sequence says comes next, without a cache: the likeliest token after every prefix of row + more.
std::vector<int64_t> likeliestByForward(Decoder& model, const std::vector<int64_t>& prompt, const std::vector<int64_t>& more) {
    torch::NoGradGuard noGrad;
    auto ids = prompt;
    ids.insert(ids.end(), more.begin(), more.end());
    const auto length = static_cast<int64_t>(ids.size());
    const auto hidden = model->hidden({torch::tensor(ids, torch::kInt64).unsqueeze(0), torch::tensor({length}, torch::kInt64)});
    const auto best = model->head(hidden[0]).argmax(-1);
    std::vector<int64_t> out;
    for (int64_t t = static_cast<int64_t>(prompt.size()) - 1; t + 1 < length; ++t)
        out.push_back(best[t].item<int64_t>());
    return out;
}

std::vector<Sampled> sample(Decoder& model, const std::vector<std::vector<int64_t>>& prompts, const SamplingOptions& options) {
    auto result = sampleBatch(model, prompts, options);
    if (!result)
        qFatal("%s", result.error().toString().c_str());
    return *result;
}

} // namespace

class TestSampler : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void greedyEqualsTransformers_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"base", "gqa", "headdim"})
            QTest::newRow(name) << name;
    }
    void greedyEqualsTransformers() {
        QFETCH(QString, name);
        auto loaded = open(name.toStdString());
        const Json expected = readJsonFile(kGolden + name.toStdString() + "/expected.json").value();
        SamplingOptions options;
        options.temperature = 0;
        options.maxNewTokens = 24;
        std::vector<std::vector<int64_t>> prompts;
        for (const Json& row : expected["generation"]) {
            prompts.push_back(row["prompt"].get<std::vector<int64_t>>());
            options.stopIds = {row["eos"].get<int64_t>()};
            const auto alone = sample(loaded.model, {prompts.back()}, options)[0];
            QVERIFY(alone.ids == row["new_tokens_until_eos"].get<std::vector<int64_t>>());
            QVERIFY(alone.finished);
        }
        options.stopIds.clear();
        const auto together = sample(loaded.model, prompts, options); // ragged prompts in one batch
        for (size_t i = 0; i < prompts.size(); ++i) {
            QVERIFY(together[i].ids == expected["generation"][i]["new_tokens"].get<std::vector<int64_t>>());
            QVERIFY(!together[i].finished);
        }
    }

    /// The recorded log-probabilities are those training computes: GRPO's first ratio is 1.
    void logpsEqualTheTrainingPath_data() {
        QTest::addColumn<double>("temperature");
        QTest::addColumn<int>("batch");
        for (const int batch : {64, 5}) { // all at once; coming and going
            QTest::newRow(qPrintable(QString("1, %1").arg(batch))) << 1.0 << batch;
            QTest::newRow(qPrintable(QString("0.6, %1").arg(batch))) << 0.6 << batch;
        }
    }
    void logpsEqualTheTrainingPath() {
        QFETCH(double, temperature);
        QFETCH(int, batch);
        auto loaded = open("gqa");
        SamplingOptions options;
        options.batchSize = batch;
        options.temperature = temperature;
        options.maxNewTokens = 20;
        options.stopIds = {2, 11, 30};
        const auto prompts = somePrompts(24);
        const auto samples = sample(loaded.model, prompts, options);
        int64_t width = 0;
        for (size_t i = 0; i < prompts.size(); ++i)
            width = std::max(width, static_cast<int64_t>(prompts[i].size() + samples[i].ids.size()));
        const auto rows = static_cast<int64_t>(prompts.size());
        TokenBatch all{torch::zeros({rows, width}, torch::kInt64), torch::zeros({rows}, torch::kInt64)};
        auto starts = torch::zeros({rows}, torch::kInt64);
        for (int64_t i = 0; i < rows; ++i) {
            auto ids = prompts[static_cast<size_t>(i)];
            starts[i] = static_cast<int64_t>(ids.size());
            const auto& more = samples[static_cast<size_t>(i)].ids;
            ids.insert(ids.end(), more.begin(), more.end());
            all.lengths[i] = static_cast<int64_t>(ids.size());
            all.ids[i].slice(0, 0, static_cast<int64_t>(ids.size())).copy_(torch::tensor(ids, torch::kInt64));
        }
        torch::NoGradGuard noGrad;
        const auto trained = completionLogps(loaded.model, all, starts, false, temperature);
        for (int64_t i = 0; i < rows; ++i) {
            const auto& logps = samples[static_cast<size_t>(i)].logps;
            QCOMPARE(trained.counts()[i].item<float>(), static_cast<float>(logps.size()));
            for (size_t t = 0; t < logps.size(); ++t)
                QVERIFY(std::abs(trained.logps[i][static_cast<int64_t>(t)].item<float>() - logps[t]) < 1e-4f);
        }
    }

    /// Rows leave at different steps, others take their places, prompts of any length come in beside rows in mid-answer: what is
    /// written is what the whole sequence says, one forward pass without a cache a row.
    void greedyEqualsTheWholeSequenceWhileRowsComeAndGo_data() {
        rowsOf(kEvery);
    }
    void greedyEqualsTheWholeSequenceWhileRowsComeAndGo() {
        QFETCH(QString, name);
        auto loaded = openFolder(kFamilies + name.toStdString());
        SamplingOptions options;
        options.temperature = 0;
        options.maxNewTokens = 24;
        options.batchSize = 4;
        const auto prompts = mixedPrompts(30);
        // End tokens that these rows come to at different steps.
        const auto free = sample(loaded.model, prompts, options);
        std::map<int64_t, size_t> seen;
        for (const auto& one : free)
            for (const int64_t id : std::set<int64_t>(one.ids.begin(), one.ids.end()))
                ++seen[id];
        for (const auto& [id, rows] : seen)
            if (rows <= 10 && options.stopIds.size() < 6)
                options.stopIds.push_back(id);
        const auto samples = sample(loaded.model, prompts, options);
        std::set<size_t> lengths;
        for (size_t i = 0; i < prompts.size(); ++i) {
            const auto& one = samples[i];
            QCOMPARE(one.ids, likeliestByForward(loaded.model, prompts[i], one.ids));
            for (size_t t = 0; t < one.ids.size(); ++t) {
                const bool end = std::count(options.stopIds.begin(), options.stopIds.end(), one.ids[t]) > 0;
                QCOMPARE(end, one.finished && t + 1 == one.ids.size());
            }
            QVERIFY(one.finished || one.ids.size() == 24);
            lengths.insert(one.ids.size());
        }
        QVERIFY2(lengths.size() >= 3, qPrintable(QString("answers of %1 lengths only").arg(lengths.size())));
    }

    void batchSizeAndOrderChangeNothing_data() { rowsOf(kSome); }
    void batchSizeAndOrderChangeNothing() {
        QFETCH(QString, name);
        auto loaded = openFolder(kFamilies + name.toStdString());
        SamplingOptions options;
        options.temperature = 0.8;
        options.maxNewTokens = 20;
        options.stopIds = {2, 11, 30, 44};
        options.seed = 5;
        const auto prompts = mixedPrompts(70);
        const auto alone = [&] {
            options.batchSize = 1;
            return sample(loaded.model, prompts, options);
        }();
        size_t finished = 0;
        for (const int64_t batch : {3, 64}) {
            options.batchSize = batch;
            const auto together = sample(loaded.model, prompts, options);
            for (size_t i = 0; i < prompts.size(); ++i) {
                QCOMPARE(together[i].ids, alone[i].ids);
                QCOMPARE(together[i].finished, alone[i].finished);
                for (size_t t = 0; t < alone[i].logps.size(); ++t)
                    QVERIFY(std::abs(together[i].logps[t] - alone[i].logps[t]) < 1e-4f);
                finished += alone[i].finished ? 1 : 0;
            }
        }
        QVERIFY(finished > 40 && finished < 140);
        // Backwards, each with its own stream.
        options.batchSize = 5;
        std::vector<std::vector<int64_t>> reversed(prompts.rbegin(), prompts.rend());
        for (size_t i = prompts.size(); i-- > 0;)
            options.streams.push_back(i);
        const auto backwards = sample(loaded.model, reversed, options);
        for (size_t i = 0; i < prompts.size(); ++i)
            QCOMPARE(backwards[prompts.size() - 1 - i].ids, alone[i].ids);
    }

    /// Every row is reported once, when it ends, with all its tokens.
    void rowsAreReportedAsTheyEnd() {
        auto loaded = open("base");
        SamplingOptions options;
        options.maxNewTokens = 12;
        options.batchSize = 4;
        options.stopIds = {2, 11, 30, 60, 71};
        std::map<size_t, std::vector<int64_t>> reported;
        std::vector<size_t> order;
        const auto result = must(sampleBatch(loaded.model, somePrompts(30), options, {}, [&](size_t i, const Sampled& one) {
            QVERIFY(reported.emplace(i, one.ids).second);
            order.push_back(i);
        }));
        QCOMPARE(reported.size(), size_t{30});
        for (const auto& [i, ids] : reported)
            QCOMPARE(ids, result[i].ids);
        QVERIFY(!std::is_sorted(order.begin(), order.end())); // nobody waits for a neighbour
    }

    void theFirstTokenMayBeTheLast() {
        auto loaded = open("base");
        SamplingOptions options;
        options.maxNewTokens = 1;
        options.batchSize = 3;
        const auto prompts = somePrompts(20);
        for (const auto& one : sample(loaded.model, prompts, options))
            QCOMPARE(one.ids.size(), size_t{1});
        options.maxNewTokens = 50;
        for (int64_t id = 0; id < 97; ++id)
            options.stopIds.push_back(id);
        for (const auto& one : sample(loaded.model, std::vector<std::vector<int64_t>>(20, prompts[5]), options))
            QVERIFY(one.finished && one.ids.size() == 1);
    }

    void batchSizeAndNeighboursChangeNothing() {
        auto loaded = open("base");
        SamplingOptions options;
        options.maxNewTokens = 16;
        options.stopIds = {2, 11, 30, 60};
        options.seed = 9;
        const auto prompts = somePrompts(20);
        const auto all = sample(loaded.model, prompts, options);
        options.batchSize = 3;
        const auto small = sample(loaded.model, prompts, options);
        int finished = 0;
        for (size_t i = 0; i < prompts.size(); ++i) {
            QVERIFY(all[i].ids == small[i].ids);
            QCOMPARE(all[i].finished, small[i].finished);
            finished += all[i].finished ? 1 : 0;
        }
        QVERIFY(finished > 5 && finished < 20); // rows left at different steps
        options.streams = {13, 4};
        const auto two = sample(loaded.model, {prompts[13], prompts[4]}, options);
        QVERIFY(two[0].ids == all[13].ids);
        QVERIFY(two[1].ids == all[4].ids);
        options.seed = 10;
        QVERIFY(sample(loaded.model, {prompts[13], prompts[4]}, options)[0].ids != all[13].ids);
    }

    void equalPromptsGetDifferentAnswers() {
        auto loaded = open("base");
        SamplingOptions options;
        options.maxNewTokens = 12;
        const std::vector<std::vector<int64_t>> prompts(4, {1, 20, 30});
        const auto samples = sample(loaded.model, prompts, options);
        QVERIFY(samples[0].ids != samples[1].ids && samples[1].ids != samples[2].ids && samples[2].ids != samples[3].ids);
    }

    /// First tokens follow the model's distribution: chi-square over 4000 draws.
    void drawsFollowTheDistribution_data() {
        QTest::addColumn<double>("temperature");
        QTest::addColumn<int>("topK");
        QTest::addColumn<double>("topP");
        QTest::newRow("plain") << 1.0 << 0 << 1.0;
        QTest::newRow("temperature 0.5") << 0.5 << 0 << 1.0;
        QTest::newRow("top_k 5") << 1.0 << 5 << 1.0;
        QTest::newRow("top_p 0.7") << 1.5 << 0 << 0.7;
    }
    void drawsFollowTheDistribution() {
        QFETCH(double, temperature);
        QFETCH(int, topK);
        QFETCH(double, topP);
        auto loaded = open("base");
        const std::vector<int64_t> prompt{1, 20, 30};
        constexpr size_t kDraws = 4000;
        SamplingOptions options;
        options.temperature = temperature;
        options.topK = topK;
        options.topP = topP;
        options.maxNewTokens = 1;
        options.batchSize = 1000;
        const auto samples = sample(loaded.model, std::vector<std::vector<int64_t>>(kDraws, prompt), options);
        QCOMPARE(options.truncates(), topK > 0 || topP < 1);

        torch::NoGradGuard noGrad;
        const auto hidden = loaded.model->hidden({torch::tensor(prompt, torch::kInt64).unsqueeze(0), torch::tensor({3}, torch::kInt64)});
        const auto full = torch::softmax(loaded.model->head(hidden[0].slice(0, 2, 3))[0].to(torch::kFloat64) / temperature, -1);
        // The reference, written the slow way: walk from the likeliest down.
        const auto [sorted, order] = full.sort(-1, true);
        std::vector<double> expected(97, 0.0);
        double mass = 0;
        for (int64_t i = 0; i < 97; ++i) {
            if ((topK > 0 && i >= topK) || (topP < 1 && mass >= topP))
                break;
            expected[static_cast<size_t>(order[i].item<int64_t>())] = sorted[i].item<double>();
            mass += sorted[i].item<double>();
        }
        std::vector<double> counts(97, 0.0);
        for (const auto& s : samples) {
            ++counts[static_cast<size_t>(s.ids[0])];
            QVERIFY(std::abs(s.logps[0] - std::log(full[s.ids[0]].item<double>())) < 1e-4); // of the full distribution
        }
        double chi = 0, restExpected = 0, restCount = 0;
        int cells = 0;
        for (size_t v = 0; v < 97; ++v) {
            const double e = expected[v] / mass * kDraws;
            QVERIFY(e > 0 || counts[v] == 0);
            if (e < 5) {
                restExpected += e;
                restCount += counts[v];
                continue;
            }
            chi += (counts[v] - e) * (counts[v] - e) / e;
            ++cells;
        }
        if (restExpected >= 5) {
            chi += (restCount - restExpected) * (restCount - restExpected) / restExpected;
            ++cells;
        }
        const double df = cells - 1;
        QVERIFY2(chi < df + 5 * std::sqrt(2 * df), qPrintable(QString("chi2 %1, df %2").arg(chi).arg(df)));
    }

    void stopsWhenAskedAndKeepsWhatIsFinished() {
        auto loaded = open("base");
        SamplingOptions options;
        options.maxNewTokens = 16;
        options.batchSize = 4;
        int steps = 0;
        size_t reported = 0;
        const auto result = sampleBatch(
            loaded.model, somePrompts(8), options, [&] { return ++steps < 25; },
            [&](size_t, const Sampled& s) { reported += s.ids.size() == 16 ? 1 : 0; });
        QVERIFY(!result.has_value());
        QVERIFY(result.error().code == Code::Cancelled);
        QCOMPARE(reported, size_t{4}); // those that came first
    }

    void refusesWhatCannotBeSampled() {
        auto loaded = open("base");
        const auto code = [&](const std::vector<std::vector<int64_t>>& prompts, const SamplingOptions& options) {
            const auto result = sampleBatch(loaded.model, prompts, options);
            return result ? Code::Cancelled : result.error().code;
        };
        SamplingOptions options;
        options.maxNewTokens = 100;
        QVERIFY(code({{}}, options) == Code::InvalidInput);
        QVERIFY(code({{97}}, options) == Code::InvalidInput);
        QVERIFY(code({{-1}}, options) == Code::InvalidInput);
        QVERIFY(code({std::vector<int64_t>(29, 5)}, options) == Code::InvalidInput); // 129 of 128 positions
        options.maxNewTokens = 4;
        options.topP = 0;
        QVERIFY(code({{5}}, options) == Code::InvalidInput);
        options.topP = 1;
        options.temperature = std::nan("");
        QVERIFY(code({{5}}, options) == Code::InvalidInput);
        options.temperature = 1;
        QVERIFY(sampleBatch(loaded.model, {}, options).value().empty());
    }
};

QTEST_GUILESS_MAIN(TestSampler)
#include "tst_sampler.moc"
