// SPDX-License-Identifier: Apache-2.0

#include <torch/torch.h>

#include <csignal>
#include <numeric>
#include <sys/resource.h>

#include <QTemporaryDir>
#include <QtTest>

#include "core/base/bundle.h"
#include "core/base/os/files.h"
#include "core/learn/models/flops.h"
#include "core/learn/training/batches.h"
#include "core/learn/training/checkpoint.h"
#include "core/learn/training/reference_cache.h"
#include "core/learn/training/text_data.h"
#include "tests/plugins/tiny_run.h"

using namespace pl;
using namespace pl::learn;
using tiny::must;

class TestTraining : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }

    struct Fixture {
        LoadedModel loaded;
        AdamW optimizer;
    };
    Fixture fixture() {
        auto loaded = must(loadModel(path("model"), torch::kCPU));
        NamedParameters parameters;
        for (const auto& item : loaded.model->named_parameters())
            parameters.emplace_back(item.key(), item.value());
        return {loaded, AdamW(parameters, {})};
    }
    std::string emptyBundle(const std::string& name) {
        const auto dir = path(name);
        must(os::makeDirs(dir + "/checkpoints"));
        return dir;
    }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        tiny::makeModel(path("model"));
    }

    void everyEpochIsAPermutationThatFollowsFromSeedAndStepAlone() {
        BatchPlan plan(10, 4, 5), again(10, 4, 5), other(10, 4, 6);
        std::vector<size_t> stream, otherStream;
        for (int64_t step = 1; step <= 10; ++step) {
            const auto batch = plan.batch(step);
            QCOMPARE(batch.size(), size_t{4});
            stream.insert(stream.end(), batch.begin(), batch.end());
            const auto b = other.batch(step);
            otherStream.insert(otherStream.end(), b.begin(), b.end());
        }
        for (size_t epoch = 0; epoch < 4; ++epoch) {
            std::set<size_t> seen(stream.begin() + static_cast<long>(10 * epoch), stream.begin() + static_cast<long>(10 * epoch + 10));
            QCOMPARE(seen.size(), size_t{10});
        }
        QVERIFY(stream != otherStream);
        QVERIFY(!std::equal(stream.begin(), stream.begin() + 10, stream.begin() + 10)); // epochs differ
        const auto seventh = again.batch(7); // asked for out of order, as after a resume
        QVERIFY(std::equal(seventh.begin(), seventh.end(), stream.begin() + 24));
    }

    void microBatchesArePartsOfSimilarLengthWithinTheBudget() {
        const std::vector<size_t> batch = {10, 11, 12, 13, 14, 15};
        const std::vector<int64_t> lengths = {50, 3, 40, 5, 4, 200};
        const auto parts = microBatches(batch, lengths, 100);
        std::multiset<size_t> all;
        for (const auto& part : parts) {
            int64_t longest = 0;
            for (const size_t i : part) {
                all.insert(i);
                longest = std::max(longest, lengths[i - 10]);
            }
            QVERIFY(part.size() == 1 || longest * static_cast<int64_t>(part.size()) <= 100);
        }
        QVERIFY(all == std::multiset<size_t>(batch.begin(), batch.end()));
        QCOMPARE(parts.size(), size_t{3}); // {3,4,5} {40,50} {200}
        QCOMPARE(parts[0].size(), size_t{3});
    }

    void rowsBecomeOnePromptOneCompletionAndOneEndToken() {
        const auto encoder = must(TextEncoder::load(path("model")));
        const auto row = *encoder.row("hi <|im_end|>", "yes<|im_end|>");
        const auto end = encoder.chat.endId();
        QCOMPARE(std::count(row.ids.begin() + row.start, row.ids.end(), end), 1); // spelled markers stay text
        QCOMPARE(row.ids.back(), end);
        QCOMPARE(*encoder.promptIds("hi <|im_end|>"), std::vector<int64_t>(row.ids.begin(), row.ids.begin() + row.start));
        QCOMPARE(encoder.tokenizer.decode({row.ids.begin() + row.start, row.ids.end()}), std::string("yes<|im_end|>"));
        TokenReport report;
        auto pairs = must(tokenizePairs({{"a", "p", "same", "same"}, {"b", "p", "yes", "no"}, {"c", "p", std::string(300, 'x'), "no"}},
                                        encoder, 100, report));
        QCOMPARE(pairs.size(), size_t{1});
        QCOMPARE(report.identical, int64_t{1});
        QCOMPARE(report.tooLong, int64_t{1});
        QCOMPARE(report.rows, int64_t{3});
        const auto refused = tokenizePairs({{"empty-one", "p", "", "no"}}, encoder, 100, report);
        QVERIFY(!refused && refused.error().message.find("empty-one") != std::string::npos);
    }

    void windowKeepsNanAndSurvivesJson() {
        MetricWindow window;
        window.add("loss", 1.0 / 3.0, 2);
        window.add("loss", 0.1, 1);
        window.add("bad", std::nan(""), 1);
        window.add("bad", 1, 1);
        window.add("huge", INFINITY, 1);
        QVERIFY(std::isnan(window.mean("bad")));
        QVERIFY(std::isnan(window.mean("absent")));
        const auto back = must(MetricWindow::fromJson(must(parseJson(dumpJson(window.toJson()), "window")), "window"));
        const double a = window.mean("loss"), b = back.mean("loss");
        QVERIFY(std::memcmp(&a, &b, sizeof a) == 0);
        QVERIFY(std::isnan(back.mean("bad")) && std::isinf(back.mean("huge")));
        QVERIFY(!MetricWindow::fromJson(Json::parse(R"({"loss": 1})"), "window"));
    }

    void gradientsDoNotDependOnTheSplitOrThePadding() {
        const auto encoder = must(TextEncoder::load(path("model")));
        std::vector<TokenizedRow> rows;
        for (const char* answer : {"a", "longer answer", "mid one", "yes", "something quite long here", "no"})
            rows.push_back(*encoder.row("prompt", answer));
        std::map<std::string, torch::Tensor> first;
        for (const int64_t budget : {100000, 120, 1}) {
            auto f = fixture();
            std::vector<size_t> batch = {0, 1, 2, 3, 4, 5};
            if (budget == 120)
                std::reverse(batch.begin(), batch.end());
            std::vector<int64_t> lengths;
            double tokens = 0;
            for (const size_t i : batch) {
                lengths.push_back(rows[i].length());
                tokens += static_cast<double>(rows[i].completionLength());
            }
            for (const auto& micro : microBatches(batch, lengths, budget)) {
                std::vector<const TokenizedRow*> views;
                for (const size_t i : micro)
                    views.push_back(&rows[i]);
                const auto b = rowBatch(views, torch::kCPU);
                (-completionLogps(f.loaded.model, b.tokens, b.starts).sums().sum() / tokens).backward();
            }
            for (const auto& item : f.loaded.model->named_parameters()) {
                if (budget == 100000)
                    first[item.key()] = item.value().grad().clone();
                else
                    QVERIFY2((item.value().grad() - first.at(item.key())).abs().max().item<double>() < 1e-5, item.key().c_str());
            }
        }
    }

    void checkpointRestoresEverything() {
        const auto dir = emptyBundle("restore");
        auto f = fixture();
        torch::manual_seed(11);
        for (auto& parameter : f.loaded.model->parameters())
            parameter.mutable_grad() = torch::randn_like(parameter);
        f.optimizer.step(0.01);
        TrainState state;
        state.step = 7;
        state.tokens = 1234;
        state.best = BestSoFar{5, "eval_accuracy", 0.75, INFINITY};
        state.window.add("loss", 0.3, 3);
        state.configuration = "abc";
        state.extra = {{"delta", 0.1}};
        QCOMPARE(must(saveCheckpoint(dir, trainable(f.loaded.model, path("model")), f.optimizer, state, true)), std::string("checkpoints/step-000007"));
        const auto drawn = torch::randn({3});
        auto g = fixture();
        const auto back = must(resumeNewest(dir, trainable(g.loaded.model, path("model")), g.optimizer, "abc"));
        QVERIFY(back);
        QCOMPARE(back->step, int64_t{7});
        QCOMPARE(back->tokens, int64_t{1234});
        QCOMPARE(back->best->value, 0.75);
        QVERIFY(std::isinf(back->best->tieBreak));
        QCOMPARE(back->extra["delta"].get<double>(), 0.1);
        QCOMPARE(back->window.mean("loss"), state.window.mean("loss"));
        QVERIFY(torch::equal(torch::randn({3}), drawn)); // the generator too
        for (size_t i = 0; i < f.loaded.model->parameters().size(); ++i)
            QVERIFY(torch::equal(f.loaded.model->parameters()[i], g.loaded.model->parameters()[i]));
        for (const auto& [name, tensor] : f.optimizer.state())
            QVERIFY(torch::equal(tensor, g.optimizer.state().at(name)));
        QVERIFY(!resumeNewest(dir, trainable(g.loaded.model, path("model")), g.optimizer, "other"));
        // The folder is a model folder whose hash is that of its weights alone.
        QVERIFY(loadModel(dir + "/checkpoints/step-000007", torch::kCPU));
        const auto before = must(modelHash(dir + "/checkpoints/step-000007"));
        must(os::removeTree(dir + "/checkpoints/step-000007/trainer"));
        QCOMPARE(must(modelHash(dir + "/checkpoints/step-000007")), before);
    }

    void averagedWeightsAreWhatACheckpointHolds() {
        const auto dir = emptyBundle("average");
        auto f = fixture();
        Ema ema(trainable(f.loaded.model, "").parameters, 0.999);
        auto first = f.loaded.model->parameters()[0];
        const auto start = first.detach().clone();
        torch::Tensor expected = start;
        for (int64_t step = 1; step <= 3; ++step) {
            {
                torch::NoGradGuard noGrad;
                first.add_(1);
            }
            ema.update(step);
            const double keep = (1.0 + static_cast<double>(step)) / (10.0 + static_cast<double>(step));
            expected = expected * keep + first.detach() * (1 - keep);
        }
        TrainState state;
        state.step = 3;
        const auto own = first.detach().clone();
        must(saveCheckpoint(dir, trainable(f.loaded.model, path("model")), f.optimizer, state, true, &ema));
        QVERIFY(torch::equal(first, own)); // writing changed nothing
        const auto written = must(loadModel(dir + "/checkpoints/step-000003", torch::kCPU));
        QVERIFY(torch::allclose(written.model->parameters()[0], expected, 1e-5, 1e-5));
        QVERIFY(!torch::allclose(written.model->parameters()[0], own, 1e-2, 1e-2));
        // Continued: the model goes on from its own weights, the average from its own value, to the bit.
        auto g = fixture();
        Ema back(trainable(g.loaded.model, "").parameters, 0.999);
        QVERIFY(must(resumeNewest(dir, trainable(g.loaded.model, ""), g.optimizer, "", &back)));
        QVERIFY(torch::equal(g.loaded.model->parameters()[0], own));
        ema.update(4);
        back.update(4);
        const Averaged a(&ema), b(&back);
        for (size_t i = 0; i < f.loaded.model->parameters().size(); ++i)
            QVERIFY(torch::equal(f.loaded.model->parameters()[i], g.loaded.model->parameters()[i]));
    }

    void pruneKeepsTheNewestTheBestAndThePinned() {
        const auto dir = emptyBundle("prune");
        auto f = fixture();
        for (int64_t step = 1; step <= 6; ++step) {
            TrainState state;
            state.step = step;
            must(saveCheckpoint(dir, trainable(f.loaded.model, path("model")), f.optimizer, state, step == 2));
        }
        tiny::writeFile(dir + "/checkpoints/step-000003/PINNED", "");
        must(os::makeDirs(dir + "/checkpoints/step-000007.partial"));
        must(pruneCheckpoints(dir, 2, 2));
        std::vector<int64_t> left;
        for (const auto& [step, name] : completeCheckpoints(dir))
            left.push_back(step);
        QCOMPARE(left, (std::vector<int64_t>{2, 3, 5, 6}));
        QCOMPARE(must(os::listDir(dir + "/checkpoints")).size(), size_t{4});
    }

    void aFullDiskNamesTheFileAndLeavesEarlierCheckpointsWhole() {
        const auto dir = emptyBundle("full");
        auto f = fixture();
        TrainState state;
        state.step = 1;
        must(saveCheckpoint(dir, trainable(f.loaded.model, path("model")), f.optimizer, state, false));
        // A limit on file size fails a write(2) in the middle of the weights, as a full disk does.
        rlimit old{};
        getrlimit(RLIMIT_FSIZE, &old);
        signal(SIGXFSZ, SIG_IGN);
        rlimit small = old;
        small.rlim_cur = 20000;
        setrlimit(RLIMIT_FSIZE, &small);
        state.step = 2;
        const auto failed = saveCheckpoint(dir, trainable(f.loaded.model, path("model")), f.optimizer, state, false);
        setrlimit(RLIMIT_FSIZE, &old);
        QVERIFY(!failed);
        QCOMPARE(failed.error().code, Code::Io);
        QVERIFY2(failed.error().toString().find("model.safetensors") != std::string::npos, failed.error().toString().c_str());
        QCOMPARE(newestCheckpoint(dir), std::string("checkpoints/step-000001"));
        QCOMPARE(must(os::listDir(dir + "/checkpoints")).size(), size_t{1});
        QVERIFY(saveCheckpoint(dir, trainable(f.loaded.model, path("model")), f.optimizer, state, false)); // and goes on afterwards
    }

    /// What a step asks for is computed by the batches in which the plan meets the pairs first: begin anywhere, and the sums are the same.
    void referenceSumsDoNotDependOnWhereTheRunBegins() {
        const size_t pairs = 11;
        const BatchPlan plan(pairs, 4, 7); // batches reach into the next pass
        std::vector<std::vector<size_t>> asked;
        const auto compute = [&](const std::vector<size_t>& unit) -> Result<ReferenceLogps> {
            asked.push_back(unit);
            ReferenceLogps out; // a sum that knows its company, as the last bits of a matrix product do
            const auto n = static_cast<int64_t>(unit.size());
            const double all = std::accumulate(unit.begin(), unit.end(), 0.0);
            out.chosen = torch::arange(n).to(torch::kFloat32) + 100 * static_cast<float>(all);
            out.rejected = -out.chosen;
            countFlops(10);
            return out;
        };
        takeFlops();
        ReferenceAsMet whole(pairs, plan, 0, compute);
        for (int64_t step = 1; step <= 6; ++step)
            must(whole.meet(step));
        QVERIFY(whole.complete());
        QCOMPARE(asked.size(), size_t{3}); // three batches hold eleven pairs, whatever came after
        QCOMPARE(takeFlops(), 30.0);
        size_t met = 0;
        for (const auto& unit : asked)
            met += unit.size();
        QCOMPARE(met, pairs);
        for (int64_t from = 2; from <= 6; ++from) {
            ReferenceAsMet resumed(pairs, plan, from - 1, compute);
            for (int64_t step = from; step <= from + 3; ++step) {
                must(resumed.meet(step));
                auto copy = plan;
                for (const size_t pair : copy.batch(step)) {
                    QCOMPARE(resumed.logps().chosen[static_cast<int64_t>(pair)].item<float>(),
                             whole.logps().chosen[static_cast<int64_t>(pair)].item<float>());
                    QCOMPARE(resumed.logps().rejected[static_cast<int64_t>(pair)].item<float>(),
                             whole.logps().rejected[static_cast<int64_t>(pair)].item<float>());
                }
            }
            // Work of steps before the resumption was counted then.
            QCOMPARE(takeFlops(), std::max(0.0, 10.0 * static_cast<double>(3 - (from - 1))));
        }
        ReferenceAsMet failing(pairs, plan, 0, [](const auto&) -> Result<ReferenceLogps> { return fail(Code::Cancelled, "left"); });
        QVERIFY(!failing.meet(1));
        QVERIFY(!failing.complete());
    }

    void referenceCacheKnowsItsModelAndItsPairs() {
        const auto encoder = must(TextEncoder::load(path("model")));
        TokenReport report;
        auto pairs = must(tokenizePairs({{"a", "p", "left", "right"}, {"b", "q", "up", "down"}}, encoder, 100, report));
        auto f = fixture();
        const auto logps = must(computeReference(f.loaded.model, pairs, 50));
        const auto one = must(computeReference(f.loaded.model, pairs, 1 << 20));
        QVERIFY((logps.chosen - one.chosen).abs().max().item<double>() < 1e-4);
        const auto key = referenceKey("model", pairs);
        const auto file = path("cache/reference");
        QVERIFY(!must(loadReference(file, key, 2)));
        must(storeReference(file, key, logps));
        QVERIFY(torch::equal(must(loadReference(file, key, 2))->rejected, logps.rejected));
        QVERIFY(referenceKey("other model", pairs) != key);
        auto shifted = pairs;
        shifted[0].chosen.start += 1;
        QVERIFY(referenceKey("model", shifted) != key);
        std::swap(pairs[0], pairs[1]);
        QVERIFY(referenceKey("model", pairs) != key);
        QVERIFY(!loadReference(file, referenceKey("model", pairs), 2));
        QVERIFY(!loadReference(file, key, 3));
    }
};

QTEST_GUILESS_MAIN(TestTraining)
#include "tst_training.moc"
