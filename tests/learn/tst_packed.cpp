// SPDX-License-Identifier: Apache-2.0
// Batches without padding, prompts computed once and layers computed twice, against the plain way: the same numbers.
#include <QtTest>

#include <torch/torch.h>

#include "core/learn/models/attention.h"
#include "core/learn/models/flops.h"
#include "core/learn/training/reference_cache.h"
#include "core/learn/training/text_data.h"
#include "tests/learn/models.h"

using namespace pl;
using namespace pl::learn;

namespace {

constexpr const char* kNames[] = {"gpt2",           "gpt2_options", "gpt2_unscaled", "llama3", "llama_linear", "smollm", "mistral",
                                  "mistral_window", "qwen2",        "qwen2_window",  "qwen3",  "qwen3_options"};
constexpr RowLayout kPadded{}, kPacked{.packed = true}, kAlone{.packed = true, .sharePrompts = false}, kScored{.packed = true, .lastTokens = true};

/// A prompt of `prompt` ids drawn from `seed`, and an answer of `answer` ids.
TokenizedRow row(uint64_t seed, int64_t prompt, uint64_t answerSeed, int64_t answer) {
    TokenizedRow out;
    const auto draw = [&](uint64_t from, int64_t n) {
        auto generator = at::detail::createCPUGenerator(from);
        const auto ids = torch::randint(3, 61, {n}, generator, torch::kInt64);
        out.ids.insert(out.ids.end(), ids.const_data_ptr<int64_t>(), ids.const_data_ptr<int64_t>() + n);
    };
    draw(seed, prompt);
    draw(answerSeed, answer);
    out.start = prompt;
    return out;
}

/// Families of four, one and three rows, the first one's not side by side; answers of one token and of 38; a prompt of one token.
std::vector<TokenizedRow> mixed() {
    return {row(1, 11, 20, 7), row(2, 1, 21, 5),  row(1, 11, 22, 38), row(3, 17, 23, 2),
            row(1, 11, 24, 1), row(3, 17, 25, 9), row(1, 11, 26, 6),  row(3, 17, 27, 4)};
}
RowBatch batchOf(const std::vector<TokenizedRow>& rows, const RowLayout& layout) {
    std::vector<const TokenizedRow*> pointers;
    for (const auto& one : rows)
        pointers.push_back(&one);
    return rowBatch(pointers, torch::kCPU, layout);
}

using Gradients = std::map<std::string, torch::Tensor>;
Gradients gradientsOf(const NamedParameters& parameters) {
    Gradients out;
    for (const auto& [name, parameter] : parameters) {
        out[name] = parameter.grad().defined() ? parameter.grad().clone() : torch::Tensor();
        auto shared = parameter;
        shared.mutable_grad() = torch::Tensor();
    }
    return out;
}
NamedParameters parametersOf(const Decoder& model) {
    NamedParameters out;
    for (const auto& item : model->named_parameters())
        out.emplace_back(item.key(), item.value());
    return out;
}

/// What the largest entry differs by, as a share of the largest entry.
double relative(const torch::Tensor& a, const torch::Tensor& b) {
    return difference(a, b) / std::max(1e-3, b.abs().max().item<double>());
}
void near(const Gradients& a, const Gradients& b, double bound) {
    QCOMPARE(a.size(), b.size());
    for (const auto& [name, gradient] : b) {
        QCOMPARE(a.at(name).defined(), gradient.defined());
        if (gradient.defined())
            QVERIFY2(relative(a.at(name), gradient) < bound, (name + ": " + std::to_string(relative(a.at(name), gradient))).c_str());
    }
}

/// A loss that weighs every token of every row differently.
torch::Tensor lossOf(const CompletionLogps& logps) {
    const auto weights = torch::arange(logps.logps.numel(), torch::kFloat32).view(logps.logps.sizes()).remainder(7) - 2.5;
    return -(logps.logps * weights).sum() / logps.mask.sum();
}

Segments segmentsOf(const std::vector<std::pair<int64_t, int64_t>>& list) { // (length, prefix)
    Segments out;
    int64_t at = 0;
    for (const auto& [length, prefix] : list) {
        out.push_back({at, length, prefix});
        at += length;
    }
    return out;
}

} // namespace

class TestPacked : public QObject {
    Q_OBJECT
    static void everyCase() { rowsOf(kNames); }

private Q_SLOTS:
    void initTestCase() { torch::set_num_threads(1); }

    void oneRowOfTokensHoldsEachPromptOnce() {
        const auto rows = mixed();
        const auto batch = batchOf(rows, kPacked);
        const auto& tokens = batch.packed->tokens;
        // Prompts of 11, 1 and 17; answers without their last tokens; the row whose prompt nobody shares is one segment.
        QCOMPARE(tokens.ids.numel(), int64_t{11 + 6 + 37 + 0 + 5 + (1 + 4) + 17 + 1 + 8 + 3});
        QCOMPARE(batch.computed, tokens.ids.numel());
        QCOMPARE(batch.realTokens, batchOf(rows, kPadded).realTokens);
        QCOMPARE(tokens.segments->size(), size_t{4 + 1 + 4});
        QCOMPARE(tokens.longest, int64_t{11 + 37});
        QCOMPARE(batchOf(rows, kScored).packed->tokens.ids.numel(), tokens.ids.numel() + 8);
        QCOMPARE(batchOf(rows, kAlone).packed->tokens.ids.numel(), batch.realTokens - 8);
        QCOMPARE(batchOf(rows, kAlone).packed->tokens.segments->size(), rows.size());
    }

    void logProbabilitiesAndGradientsAreThoseOfPaddedRows_data() { everyCase(); }
    void logProbabilitiesAndGradientsAreThoseOfPaddedRows() {
        QFETCH(QString, name);
        const auto loaded = openFolder(kFamilies + name.toStdString());
        auto model = loaded.model;
        const auto run = [&](const RowLayout& layout, Gradients& gradients) {
            const auto logps = completionLogps(model, batchOf(mixed(), layout), true, 0.8);
            lossOf(logps).backward();
            gradients = gradientsOf(parametersOf(model));
            return logps;
        };
        Gradients expected, gradients;
        const auto padded = run(kPadded, expected);
        for (const auto& layout : {kPacked, kAlone}) {
            const auto packed = run(layout, gradients);
            QVERIFY(torch::equal(packed.mask, padded.mask));
            QVERIFY2(difference(packed.logps, padded.logps) < 1e-5, qPrintable(QString::number(difference(packed.logps, padded.logps))));
            QVERIFY(difference(packed.entropy, padded.entropy) < 1e-5);
            near(gradients, expected, 1e-5);
        }
        torch::NoGradGuard noGrad; // the way without a backward pass
        QVERIFY(difference(completionLogps(model, batchOf(mixed(), kPacked), false, 0.8).logps, padded.logps) < 1e-5);
    }

    void scoresAndTheirGradientsAreThoseOfPaddedRows_data() { everyCase(); }
    void scoresAndTheirGradientsAreThoseOfPaddedRows() {
        QFETCH(QString, name);
        auto loaded = must(loadModel(kFamilies + name.toStdString(), torch::kCPU, true, 5));
        const auto weights = torch::arange(8, torch::kFloat32) - 3;
        Gradients expected, gradients;
        const auto run = [&](const RowLayout& layout, Gradients& out) {
            const auto values = scores(loaded.model, batchOf(mixed(), layout));
            (values * weights).sum().backward();
            out = gradientsOf(parametersOf(loaded.model));
            return values.detach();
        };
        const auto padded = run(kPadded, expected), packed = run(kScored, gradients);
        QVERIFY(relative(packed, padded) < 1e-5);
        near(gradients, expected, 1e-5);
    }

    void adaptersLearnTheSame_data() {
        const char* names[] = {"llama3", "qwen2_window", "qwen3", "gpt2"};
        rowsOf(names);
    }
    void adaptersLearnTheSame() {
        QFETCH(QString, name);
        auto loaded = openFolder(kFamilies + name.toStdString());
        AdapterOptions options;
        options.rank = 3;
        options.targets = "*";
        const auto adapters = must(Adapters::attach(*loaded.model, loaded.model->adaptable(), options, 4));
        {
            torch::NoGradGuard noGrad;
            torch::manual_seed(2);
            for (auto& [key, parameter] : adapters.parameters())
                parameter.add_(0.1 * torch::randn_like(parameter));
        }
        Gradients expected, gradients;
        const auto run = [&](const RowLayout& layout, Gradients& out) {
            const auto logps = completionLogps(loaded.model, batchOf(mixed(), layout));
            lossOf(logps).backward();
            out = gradientsOf(adapters.parameters());
            return logps.logps.detach();
        };
        const auto padded = run(kPadded, expected), packed = run(kPacked, gradients);
        QVERIFY(difference(packed, padded) < 1e-5);
        near(gradients, expected, 1e-5);
        const auto off = adapters.off();
        torch::NoGradGuard noGrad;
        QVERIFY(difference(completionLogps(loaded.model, batchOf(mixed(), kPacked)).logps, packed) > 1e-3);
    }

    /// Another answer's tokens change nothing, and neither does another prompt.
    void rowsDoNotSeeEachOther() {
        auto loaded = openFolder(kFamilies + "llama3");
        torch::NoGradGuard noGrad;
        auto rows = mixed();
        const auto before = completionLogps(loaded.model, batchOf(rows, kPacked)).logps;
        rows[2].ids[20] = 60 - rows[2].ids[20]; // an answer of the first family
        rows[1].ids[0] = 60 - rows[1].ids[0];   // the prompt of the second
        const auto after = completionLogps(loaded.model, batchOf(rows, kPacked)).logps;
        for (int64_t i = 0; i < 8; ++i)
            QCOMPARE(torch::equal(before[i], after[i]), i != 1 && i != 2);
    }

    void attentionIsThatOfAten_data() {
        QTest::addColumn<int>("heads");
        QTest::addColumn<int>("kvHeads");
        QTest::addColumn<int>("dim");
        QTest::addColumn<int>("window");
        QTest::addColumn<double>("scale");
        QTest::newRow("of the starter") << 4 << 4 << 32 << 0 << 0.0;
        QTest::newRow("shared keys") << 6 << 2 << 64 << 0 << 0.0;
        QTest::newRow("no whole vectors") << 3 << 1 << 20 << 0 << 0.0;
        QTest::newRow("window") << 2 << 1 << 48 << 37 << 0.0;
        QTest::newRow("narrow window") << 2 << 2 << 16 << 3 << 0.0;
        QTest::newRow("window of one") << 2 << 2 << 16 << 1 << 0.0;
        QTest::newRow("scale") << 2 << 2 << 8 << 0 << 1.0;
    }
    /// In double precision by plainAttention, whose masks are as simple as they come, on lengths around the kernel's blocks.
    void attentionIsThatOfAten() {
        QFETCH(int, heads);
        QFETCH(int, kvHeads);
        QFETCH(int, dim);
        QFETCH(int, window);
        QFETCH(double, scale);
        const auto segments = segmentsOf({{5, -1}, {130, 0}, {1, 0}, {67, 0}, {64, -1}, {1, -1}, {3, 5}, {150, -1}, {70, 7}, {2, 7}, {33, -1}});
        const int64_t tokens = segments.back().begin + segments.back().length;
        torch::manual_seed(9);
        const std::optional<double> factor = scale > 0 ? std::optional(scale) : std::nullopt;
        std::vector<torch::Tensor> inputs = {torch::randn({tokens, heads, dim}), torch::randn({tokens, kvHeads, dim}),
                                             torch::randn({tokens, kvHeads, dim})};
        const auto gradient = torch::randn({tokens, heads, dim});
        const auto run = [&](torch::ScalarType type, bool fused) {
            std::vector<torch::Tensor> leaves;
            for (const auto& input : inputs)
                leaves.push_back(input.to(type).clone().requires_grad_());
            const auto out = fused ? kernels::packedAttention(leaves[0], leaves[1], leaves[2], segments, window, factor)
                                   : kernels::plainAttention(leaves[0], leaves[1], leaves[2], segments, window, factor);
            out.backward(gradient.to(type));
            return std::vector<torch::Tensor>{out.detach(), leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
        };
        const auto exact = run(torch::kFloat64, false), ours = run(torch::kFloat32, true);
        for (size_t i = 0; i < exact.size(); ++i)
            QVERIFY2(difference(ours[i], exact[i]) < 3e-6 * std::max(1.0, exact[i].abs().max().item<double>()),
                     qPrintable(QString("%1: %2").arg(i).arg(difference(ours[i], exact[i]))));
        torch::set_num_threads(2); // whoever works on it
        const auto shared = run(torch::kFloat32, true);
        torch::set_num_threads(1);
        for (size_t i = 0; i < exact.size(); ++i)
            QVERIFY(torch::equal(shared[i], ours[i]));
        // Heads that lie inside wider rows, as GPT-2's do.
        const auto wide = torch::cat({inputs[0].flatten(1), inputs[1].flatten(1), inputs[2].flatten(1)}, 1);
        const auto parts = wide.split_with_sizes({heads * dim, kvHeads * dim, kvHeads * dim}, 1);
        QVERIFY(torch::equal(kernels::packedAttention(parts[0].view({tokens, heads, dim}), parts[1].view({tokens, kvHeads, dim}),
                                                      parts[2].view({tokens, kvHeads, dim}), segments, window, factor),
                             ours[0]));
    }

    /// Some positions alone: the same numbers for them, the same gradients when only they are read, and nothing of what nobody asked for.
    void attentionOfSomePositions_data() { attentionIsThatOfAten_data(); }
    void attentionOfSomePositions() {
        QFETCH(int, heads);
        QFETCH(int, kvHeads);
        QFETCH(int, dim);
        QFETCH(int, window);
        QFETCH(double, scale);
        const auto segments = segmentsOf({{5, -1}, {130, 0}, {1, 0}, {67, 0}, {64, -1}, {1, -1}, {3, 5}, {150, -1}, {70, 7}, {2, 7}, {33, -1}});
        const int64_t tokens = segments.back().begin + segments.back().length;
        const std::optional<double> factor = scale > 0 ? std::optional(scale) : std::nullopt;
        torch::manual_seed(9);
        const auto q = torch::randn({tokens, heads, dim}), k = torch::randn({tokens, kvHeads, dim}), v = torch::randn({tokens, kvHeads, dim});
        std::vector<int64_t> lasts, ends, scattered;
        for (const auto& s : segments) {
            lasts.push_back(s.begin + s.length - 1);
            for (int64_t i = s.prefix < 0 ? s.length - 1 : 0; i < s.length; ++i)
                ends.push_back(s.begin + i);
        }
        for (int64_t i = 0; i < 9; ++i)
            scattered.push_back(tokens - 40 + 3 * ((5 * i) % 9)); // of the last segments, in no order
        for (const auto& list : {lasts, ends, scattered}) {
            const auto read = torch::tensor(list, torch::kInt64);
            const auto asked = askedOf(segments, read);
            QVERIFY(asked);
            QVERIFY(torch::equal(asked->rows.index_select(0, asked->picked), read));
            QVERIFY(torch::equal(std::get<0>(asked->rows.sort()), asked->rows));
            const auto gradient = torch::randn({read.numel(), heads, dim});
            const auto run = [&](bool some) {
                std::vector<torch::Tensor> leaves;
                for (const auto& input : {q, k, v})
                    leaves.push_back(input.clone().requires_grad_());
                const auto out = some ? kernels::packedAttention(leaves[0].index_select(0, asked->rows), leaves[1], leaves[2], segments, window, factor,
                                                                 &asked->from)
                                            .index_select(0, asked->picked)
                                      : kernels::packedAttention(leaves[0], leaves[1], leaves[2], segments, window, factor).index_select(0, read);
                out.backward(gradient);
                return std::vector<torch::Tensor>{out.detach(), leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
            };
            const auto whole = run(false), part = run(true);
            QVERIFY(torch::equal(part[0], whole[0]));
            for (size_t i = 1; i < whole.size(); ++i) // blocks of rows begin elsewhere, so sums have another order
                QVERIFY2(difference(part[i], whole[i]) < 3e-6 * std::max(1.0, whole[i].abs().max().item<double>()),
                         qPrintable(QString("%1: %2").arg(i).arg(difference(part[i], whole[i]))));
        }
        QVERIFY(!askedOf(segments, torch::arange(0, tokens, 4))); // spares nothing
        std::vector<int64_t> crooked(segments.size(), 0);
        crooked[1] = 3;
        QVERIFY_THROWS_EXCEPTION(c10::Error, kernels::packedAttention(q, k, v, segments, window, factor, &crooked));
        crooked[1] = 4; // but q has all rows
        QVERIFY_THROWS_EXCEPTION(c10::Error, kernels::packedAttention(q, k, v, segments, window, factor, &crooked));
    }

    void whatIsNotANumberStaysNone() {
        auto q = torch::randn({20, 1, 16});
        q[3][0][2] = NAN;
        const auto out = kernels::packedAttention(q, torch::randn({20, 1, 16}), torch::randn({20, 1, 16}), segmentsOf({{20, -1}}), 0, {});
        QVERIFY(out[3].isnan().all().item<bool>());
        QVERIFY(!out[2].isnan().any().item<bool>() && !out[4].isnan().any().item<bool>());
    }

    void layersComputedAgainGiveTheSameGradients_data() { everyCase(); }
    void layersComputedAgainGiveTheSameGradients() {
        QFETCH(QString, name);
        auto loaded = openFolder(kFamilies + name.toStdString());
        for (const auto& layout : {kPadded, kPacked}) {
            Gradients kept, again;
            const auto run = [&](bool recompute, Gradients& out) {
                loaded.model->recomputeLayers(recompute);
                const auto logps = completionLogps(loaded.model, batchOf(mixed(), layout));
                lossOf(logps).backward();
                out = gradientsOf(parametersOf(loaded.model));
                return logps.logps.detach();
            };
            QVERIFY(torch::equal(run(false, kept), run(true, again)));
            for (const auto& [key, gradient] : kept)
                QVERIFY2(torch::equal(gradient, again.at(key)), key.c_str());
        }
    }

    /// Adapters on the last layer alone: below them nothing has a gradient, and the input of that layer has none either.
    void adaptersLearnTheSameFromLayersComputedAgain() {
        auto loaded = openFolder(kFamilies + "llama3");
        AdapterOptions options;
        options.rank = 2;
        options.targets = "model.layers.1.*";
        const auto adapters = must(Adapters::attach(*loaded.model, loaded.model->adaptable(), options, 4));
        Gradients kept, again;
        for (const bool recompute : {false, true}) {
            loaded.model->recomputeLayers(recompute);
            lossOf(completionLogps(loaded.model, batchOf(mixed(), kPacked))).backward();
            (recompute ? again : kept) = gradientsOf(adapters.parameters());
        }
        bool some = false;
        for (const auto& [key, gradient] : kept) {
            QVERIFY2(torch::equal(gradient, again.at(key)), key.c_str());
            some = some || gradient.abs().max().item<double>() > 0;
        }
        QVERIFY(some);
    }

    void whatIsReadAloneIsWhatTheWholePassGives_data() { everyCase(); }
    /// Rows out of order and one of them twice, as answers share the last token of their prompt.
    void whatIsReadAloneIsWhatTheWholePassGives() {
        QFETCH(QString, name);
        auto model = openFolder(kFamilies + name.toStdString()).model;
        const auto padded = batchOf(mixed(), kPadded), packed = batchOf(mixed(), kPacked);
        const auto rows = torch::tensor({40, 3, 17, 3, 66}, torch::kInt64);
        const auto weights = torch::arange(5, torch::kFloat32).unsqueeze(1) - 1.5;
        for (const bool again : {false, true}) {
            model->recomputeLayers(again);
            for (const bool inRows : {false, true}) {
                Gradients expected, gradients;
                const auto run = [&](bool alone, Gradients& out) {
                    const auto whole = [&] { return inRows ? model->hidden(padded.tokens).flatten(0, 1) : model->hidden(packed.packed->tokens); };
                    const auto h = !alone  ? whole().index_select(0, rows)
                                   : inRows ? model->hidden(padded.tokens, rows)
                                            : model->hidden(packed.packed->tokens, rows);
                    (h * weights).sum().backward();
                    out = gradientsOf(parametersOf(model));
                    return h.detach();
                };
                const auto a = run(false, expected), b = run(true, gradients);
                QVERIFY2(difference(a, b) < 1e-5, qPrintable(QString::number(difference(a, b))));
                near(gradients, expected, 1e-5);
            }
        }
    }

    /// tiny(): a position costs its matrices, and two products of 16 for every position it sees.
    void workIsThatOfTheTokensThere() {
        constexpr double last = 2 * 16 * (16 + 3 * 24); // after the attention of the last layer: of what is read alone
        constexpr double matrices = 2 * 2 * (2 * 16 * 16 + 2 * 16 * 8 + 3 * 16 * 24), seen = 2 * 2 * (2 * 16), head = 2 * 16 * 50;
        Decoder model(tiny());
        model->initialise(3);
        std::vector<TokenizedRow> rows = {row(1, 6, 2, 4), row(1, 6, 3, 3), row(4, 2, 5, 5)};
        for (auto& one : rows)
            for (auto& id : one.ids)
                id %= 50;
        // 6 and 1 .. 6; 3 and 2 that see those 6 too; 6 that see 1 .. 6
        // Of the first prompt only its last position is read: its first four ask nothing in the last layer.
        constexpr double unasked = 4 * 2 * 16 * 16 + (1 + 2 + 3 + 4) * 2 * (2 * 16);
        const double forward = (6 + 3 + 2 + 6) * matrices - unasked - ((6 + 3 + 2 + 6) - (4 + 3 + 5)) * last + (21 + (3 * 6 + 6) + (2 * 6 + 3) + 21) * seen + (4 + 3 + 5) * head;
        takeFlops();
        const auto logps = completionLogps(model, batchOf(rows, kPacked));
        QCOMPARE(takeFlops(), forward);
        logps.sums().sum().backward();
        QCOMPARE(takeFlops(), 2 * forward);
        model->recomputeLayers(true);
        completionLogps(model, batchOf(rows, kPacked)).sums().sum().backward();
        QCOMPARE(takeFlops(), 4 * forward - (4 + 3 + 5) * head); // the layers once more
    }

    void aWindowShortensWhatIsLookedAt() {
        PackedTokens tokens;
        tokens.segments = std::make_shared<const Segments>(segmentsOf({{4, -1}, {3, 0}, {2, 0}}));
        QCOMPARE(tokens.meanReach(0), (10 + 5 + 6 + 7 + 5 + 6) / 9.0);
        QCOMPARE(tokens.meanReach(5), (10 + 5 + 5 + 5 + 5 + 5) / 9.0);
        QCOMPARE(tokens.meanReach(2), (1 + 2 + 2 + 2 + 2 + 2 + 2 + 2 + 2) / 9.0);
    }

    void theReferencePassIsThatOfTheLayout() {
        Decoder model(tiny());
        model->initialise(3);
        std::vector<TokenizedPair> pairs(3);
        for (size_t i = 0; i < pairs.size(); ++i) {
            pairs[i].chosen = {std::vector<int64_t>(5 + i, 7), 2};
            pairs[i].rejected = {std::vector<int64_t>(4, 7), 2};
            pairs[i].rejected.ids.back() = 9;
        }
        takeFlops();
        const auto padded = must(computeReference(model, pairs, 30)), packed = must(computeReference(model, pairs, 30, kPacked));
        QCOMPARE(takeFlops(), padded.flops + packed.flops);
        QVERIFY(packed.flops < padded.flops);
        QVERIFY(difference(padded.chosen, packed.chosen) < 1e-5 && difference(padded.rejected, packed.rejected) < 1e-5);
        QVERIFY(referenceKey("m", pairs) != referenceKey("m", pairs, kPacked));
    }

    void partsHoldAsManyTokensAsTheyMay() {
        const auto rows = mixed();
        const std::vector<size_t> all = {0, 2, 4, 6, 1, 3, 5, 7}; // by prompt: 18 + 38 + 1 + 6, 6, 19 + 9 + 4
        const auto of = [&](size_t i) -> const TokenizedRow& { return rows[i]; };
        QCOMPARE(rowParts(all, of, kPacked, 63), (std::vector<std::vector<size_t>>{{0, 2, 4, 6}, {1, 3, 5, 7}}));
        QCOMPARE(rowParts(all, of, kPacked, 62), (std::vector<std::vector<size_t>>{{0, 2, 4}, {6, 1, 3, 5, 7}}));
        QCOMPARE(rowParts(all, of, kPacked, 1).size(), size_t{8});
        QCOMPARE(rowParts(all, of, kAlone, 67), (std::vector<std::vector<size_t>>{{0, 2}, {4, 6, 1, 3}, {5, 7}}));
        QCOMPARE(rowParts(all, of, kPadded, 1 << 20).size(), size_t{1});
        std::vector<TokenizedPair> pairs(2);
        pairs[0].chosen = rows[0], pairs[0].rejected = rows[2]; // 11 + 7 + 38
        pairs[1].chosen = rows[3], pairs[1].rejected = rows[5]; // 17 + 2 + 9
        QCOMPARE(pairParts(pairs, {0, 1}, kPacked, 84).size(), size_t{1});
        QCOMPARE(pairParts(pairs, {0, 1}, kPacked, 83).size(), size_t{2});
    }
};

QTEST_GUILESS_MAIN(TestPacked)
#include "tst_packed.moc"
