// SPDX-License-Identifier: Apache-2.0
// total_flos of whole runs: what the trainers say against what the passes they make must cost.

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "core/learn/training/text_data.h"
#include "tests/plugins/tiny_run.h"

using namespace tiny;

class TestFlops : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    learn::ModelConfig m_config;
    std::string path(const std::string& name) {
        return m_dir.filePath(QString::fromStdString(name)).toStdString();
    }

    struct Sizes {
        double positions = 0, longest = 0, completions = 0;
        double packed = 0, seen = 0; ///< tokens with each prompt once, and the positions they look at
        double unasked = 0, unaskedSeen = 0; ///< of these: what the last layer needs no attention of
        /// Forward, without a head; `read` positions go through the whole last layer.
        double body(const learn::ModelConfig& config, bool padded, double read) const {
            const double whole = (padded ? config.forwardFlops(positions, longest, 0) : config.forwardFlops(packed, 2 * seen / packed - 1, 0)) -
                                 learn::lastLayerFlops(config, (padded ? positions : packed) - read);
            if (padded || 8 * unasked < packed) // which is not worth it
                return whole;
            return whole - static_cast<double>(config.heads * config.headDim) * (2 * static_cast<double>(config.hiddenSize) * unasked + 4 * unaskedSeen);
        }
        /// Of a segment behind `before` positions, the first `n` up to a whole four.
        void spare(double n, double before) {
            n = std::floor(n / 4) * 4;
            unasked += n;
            unaskedSeen += n * before + n * (n + 1) / 2;
        }
    };
    /// Both sides of every pair in one batch: padded to the longest, or end to end, with their last tokens or without.
    Sizes sizesOf(const std::string& dir, bool lastTokens) {
        const auto encoder = must(learn::TextEncoder::load(path("model")));
        Sizes out;
        double rows = 0;
        for (const PairRow& pair : must(pl::readPairs(dir + "/data/train.jsonl"))) {
            const auto prompt = static_cast<double>(must(encoder.promptIds(pair.prompt)).size());
            out.packed += prompt;
            if (lastTokens) { // nothing of the prompt is read
                out.unasked += prompt;
                out.unaskedSeen += prompt * (prompt + 1) / 2;
            } else {
                out.spare(prompt - 1, 0);
            }
            out.seen += prompt * (prompt + 1) / 2;
            for (const auto* side : {&pair.chosen, &pair.rejected}) {
                const auto row = *encoder.row(pair.prompt, *side);
                out.longest = std::max(out.longest, static_cast<double>(row.length()));
                out.completions += static_cast<double>(row.completionLength());
                const double n = static_cast<double>(row.completionLength()) - (lastTokens ? 0 : 1);
                out.packed += n;
                out.seen += n * prompt + n * (n + 1) / 2;
                if (lastTokens)
                    out.spare(n - 1, prompt);
                ++rows;
            }
        }
        out.positions = rows * out.longest;
        return out;
    }
    /// Steps over all pairs at once, nothing measured beside them.
    std::string train(const std::string& plugin, const std::string& name, Json parameters) {
        parameters.update(
            {{"steps", 2}, {"batch_size", 12}, {"micro_batch_tokens", 1 << 20}, {"log_every", 1}});
        makeBundle(path(name), plugin, {modelSpec("policy", path("model"))}, parameters,
                   {{"train.jsonl", plantedPairs(12, 3)}});
        const auto out = runPlugin(path(name));
        if (out.status != PL_OK)
            qFatal("%s", out.message.c_str());
        return path(name);
    }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        makeModel(path("model"));
        m_config = must(learn::loadModel(path("model"), torch::kCPU)).config;
    }

    void theRewardModelGoesForwardAndBackOnce() {
        for (const char* packing : {"on", "off"}) {
            const auto dir = train("reward_model", std::string("rm-") + packing, {{"packing", packing}});
            const double step = 3 * (sizesOf(dir, true).body(m_config, packing == std::string("off"), 24) +
                                     24 * 2 * static_cast<double>(m_config.hiddenSize));
            QCOMPARE(metric(dir, "total_flos").at(1), step);
            QCOMPARE(metric(dir, "total_flos").at(2), 2 * step);
        }
    }

    void dpoCountsItsReference() {
        for (const char* packing : {"off", "auto"}) {
            const std::string suffix = packing == std::string("off") ? "-off" : "";
            const auto cached = train("dpo", "cached" + suffix, {{"reference", "cached"}, {"packing", packing}});
            const auto live = train("dpo", "live" + suffix, {{"reference", "live"}, {"packing", packing}});
            const auto size = sizesOf(cached, false);
            const double forward = size.body(m_config, !suffix.empty(), size.completions) + m_config.forwardFlops(0, 0, size.completions);
            // Once before the first step, or beside every step.
            QCOMPARE(metric(cached, "total_flos").at(2), (1 + 2 * 3) * forward);
            QCOMPARE(metric(live, "total_flos").at(2), 2 * (3 + 1) * forward);
        }
    }

    void aReferenceFromAnEarlierAttemptStillCounts() {
        const auto dir = path("cached");
        const double whole = metric(dir, "total_flos").at(2);
        for (const auto& [step, name] : completeCheckpoints(dir))
            must(os::removeTree(dir + "/checkpoints/" + os::baseName(name)));
        const auto out = runPlugin(dir);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        QCOMPARE(metric(dir, "total_flos").at(2), whole);
    }
};

QTEST_GUILESS_MAIN(TestFlops)
#include "tst_flops.moc"
