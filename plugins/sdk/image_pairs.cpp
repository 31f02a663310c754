// SPDX-License-Identifier: Apache-2.0
#include "plugins/sdk/image_pairs.h"

#include <tuple>

#include <fmt/format.h>
#include <torch/torch.h>

#include "core/base/records.h"
#include "core/rules/scene.h"
#include "plugins/sdk/image_rows.h"
#include "plugins/sdk/setup.h"

namespace pl::sdk {

namespace {

struct Report {
    int64_t rows = 0, identical = 0, ties = 0;
};

/// Rows of one split into `into`.
Status addRows(const std::vector<PairRow>& rows, ImageRows& images, std::vector<ImagePair>& into, Report& report) {
    for (const auto& row : rows) {
        if (!row.image)
            return fail(Code::InvalidInput, fmt::format("pair {} compares texts, not images", row.id),
                        "Choose a data set of images, or a trainer of texts.");
        ++report.rows;
        if (row.chosen == row.rejected) {
            ++report.identical;
            continue;
        }
        PL_TRY(const auto both, images.addBoth(row.chosen, row.rejected));
        if (!both)
            continue;
        ImagePair pair;
        std::tie(pair.chosen, pair.rejected) = *both;
        pair.prompt = row.prompt;
        pair.weight = row.weight;
        pair.softLabel = row.softLabel;
        pair.margin = row.strength ? 0.5 * (*row.strength - 1) : 0;
        report.ties += pair.tie();
        into.push_back(std::move(pair));
    }
    return {};
}

/// An image that cannot be read takes only itself out of an order, as long as two are left.
Status addRankings(learn::Job& job, const std::string& split, ImageRows& images, std::vector<ImageRanking>& into) {
    const auto path = dataFile(job, "rankings.jsonl");
    if (path.empty())
        return {};
    PL_TRY(const auto rows, readRankings(path, split));
    for (const auto& row : rows) {
        ImageRanking ranking;
        for (size_t i = 0; i < row.images.size(); ++i) {
            PL_TRY(const auto index, images.add(row.images[i]));
            if (!index)
                continue;
            ranking.images.push_back(*index);
            ranking.ranks.push_back(row.ranks[i]);
        }
        if (ranking.images.size() < 2) {
            images.countLeftOut();
            continue;
        }
        if (ranking.images.size() < row.images.size())
            images.countShortened();
        ranking.prompt = row.prompt;
        ranking.weight = row.weight;
        into.push_back(std::move(ranking));
    }
    return {};
}

Status readSplit(learn::Job& job, const std::string& file, const std::string& split, bool softTies, ImageRows& images,
                 std::vector<ImagePair>& pairs, std::vector<ImageRanking>& rankings) {
    Report report;
    if (!dataFile(job, file).empty()) {
        PL_TRY(const auto rows, readPairs(job.bundle().dataPath(file)));
        PL_CHECK(addRows(rows, images, pairs, report));
    }
    if (const auto ties = dataFile(job, "ties.jsonl"); softTies && !ties.empty()) {
        PL_TRY(auto rows, readTies(ties, split));
        for (auto& row : rows)
            row.softLabel = 0.5;
        PL_CHECK(addRows(rows, images, pairs, report));
    }
    PL_CHECK(addRankings(job, split, images, rankings));
    job.logLine("info", fmt::format("{}: {} pairs ({} ties), {} rankings{}", split, pairs.size(), report.ties, rankings.size(),
                                    report.identical ? fmt::format("; {} compare an image with itself and are left out",
                                                                   report.identical)
                                                     : ""));
    return {};
}

void control(learn::Job& job, ImagePairData& data, const std::string& name) {
    std::vector<learn::ControlledLabel> labels;
    for (const auto& pair : data.train)
        // The names are hashes of the contents.
        labels.push_back({.chosenIsFirst = data.images.ref(pair.chosen) < data.images.ref(pair.rejected),
                          .tie = pair.tie(),
                          .softLabel = pair.softLabel,
                          .margin = pair.margin});
    data.controlled = learn::dealLabels(labels, data.control, job.spec().seed);
    for (size_t i = 0; i < data.train.size(); ++i) {
        auto& pair = data.train[i];
        if (labels[i].exchanged)
            std::swap(pair.chosen, pair.rejected);
        pair.softLabel = labels[i].softLabel;
        pair.margin = labels[i].margin;
    }
    const size_t rankings = data.trainRankings.size();
    data.trainRankings.clear();
    job.alert("warn", "label_control",
              fmt::format("A control: label_control is {}, so {} of {} training labels point the other way{}. Held-out labels are "
                          "as they were and choose no checkpoint. Do not use this model.",
                          name, data.controlled.exchanged, data.controlled.labels,
                          rankings ? fmt::format(" and {} rankings are left out", rankings) : ""),
              0);
}

} // namespace

Result<ImagePairData> readImagePairs(learn::Job& job, int64_t side, bool softTies) {
    ImagePairData out;
    out.images = learn::ImageStore(side);
    ImageRows images(job, out.images);
    PL_CHECK(readSplit(job, "train.jsonl", "train", softTies, images, out.train, out.trainRankings));
    if (out.train.empty() && out.trainRankings.empty())
        return fail(Code::InvalidInput, "the data set has no pair and no ranking of images to train on" + images.because(),
                    images.because().empty() ? "Label more pairs." : "Import whole copies of the images.");
    PL_CHECK(readSplit(job, "dev.jsonl", "dev", softTies, images, out.dev, out.devRankings));
    images.alert();
    if (out.images.resizedCount() > 0)
        job.logLine("info", fmt::format("{} of {} images were brought to {} x {} pixels", out.images.resizedCount(),
                                        out.images.size(), side, side));
    PL_TRY(const auto name, fieldOr<std::string>(job.parameters(), "label_control", "none", "the parameters"));
    PL_TRY(out.control, learn::labelControlOf(name));
    if (out.control != learn::LabelControl::None) {
        control(job, out, name);
        if (out.train.empty())
            return fail(Code::InvalidInput, "a label control needs labelled pairs: rankings alone cannot be dealt out anew");
    }
    return out;
}

std::map<std::string, double> ImagePairData::controlMetrics() const {
    if (control == learn::LabelControl::None)
        return {};
    return {{"label_control/exchanged",
             static_cast<double>(controlled.exchanged) / static_cast<double>(controlled.labels)}};
}

Status checkImagePairs(const learn::Job& job) {
    if (dataFile(job, "train.jsonl").empty() && dataFile(job, "rankings.jsonl").empty())
        return fail(Code::NotFound, "the run has neither data/train.jsonl nor data/rankings.jsonl",
                    "Choose a data set with labelled pairs or rankings of images.");
    return {};
}

std::vector<ImagePair> pairsOfRankings(const std::vector<ImageRanking>& rankings) {
    std::vector<ImagePair> out;
    for (const auto& r : rankings)
        for (size_t i = 0; i < r.images.size(); ++i)
            for (size_t j = i + 1; j < r.images.size(); ++j) {
                const bool firstWins = r.ranks[i] <= r.ranks[j];
                ImagePair pair;
                pair.chosen = r.images[firstWins ? i : j];
                pair.rejected = r.images[firstWins ? j : i];
                pair.prompt = r.prompt;
                pair.weight = r.weight;
                pair.softLabel = r.ranks[i] == r.ranks[j] ? 0.5 : 1;
                out.push_back(std::move(pair));
            }
    return out;
}

void weightByPrompt(std::vector<ImagePair>& pairs, std::vector<ImageRanking>& rankings) {
    std::map<std::string, double> count;
    for (const auto& pair : pairs)
        count[pair.prompt] += 1;
    for (const auto& ranking : rankings)
        count[ranking.prompt] += 1;
    for (auto& pair : pairs)
        pair.weight /= count[pair.prompt];
    for (auto& ranking : rankings)
        ranking.weight /= count[ranking.prompt];
}

torch::Tensor column(const std::vector<ImagePair>& pairs, const std::vector<size_t>& indices, double ImagePair::*member,
                     const torch::Device& device) {
    std::vector<float> values;
    for (const size_t i : indices)
        values.push_back(static_cast<float>(pairs[i].*member));
    return torch::tensor(values, torch::kFloat32).to(device);
}

bool mayMirror(const std::string& prompt) {
    const int layout = rules::parseCaption(prompt).caption.layout;
    const auto word = rules::slotWords(rules::Slot::Layout)[static_cast<size_t>(layout)];
    return word != "left" && word != "right";
}

} // namespace pl::sdk
