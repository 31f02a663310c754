// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/learn/host/job.h"
#include "core/learn/images/image_store.h"
#include "core/learn/training/label_control.h"

/// The labelled images of a run: rows of data/ whose sides are images.
namespace pl::sdk {

/// Two images of one prompt; the numbers index an ImageStore.
struct ImagePair {
    size_t chosen = 0, rejected = 0;
    std::string prompt;
    double weight = 1, softLabel = 1, margin = 0;
    bool tie() const { return softLabel == 0.5; }
};

/// k images of one prompt, put in an order: rank 1 is best, equal ranks are a tie.
struct ImageRanking {
    std::vector<size_t> images;
    std::vector<int> ranks;
    std::string prompt;
    double weight = 1;
};

struct ImagePairData {
    learn::ImageStore images;
    std::vector<ImagePair> train, dev;
    std::vector<ImageRanking> trainRankings, devRankings;
    learn::LabelControl control = learn::LabelControl::None;
    learn::LabelControlReport controlled;

    /// As of text pairs: none when a control is on.
    std::string decidingMetric(const char* metric) const {
        return control == learn::LabelControl::None ? metric : std::string();
    }
    std::map<std::string, double> controlMetrics() const;
};

/// train.jsonl and, with `ties` "soft", the train ties as soft labels of 1/2; rankings.jsonl; dev.jsonl when present. Images are
/// read into memory at `side` pixels. Rows whose images cannot be read are left out with an alert (ImageRows); what else was left
/// out or had another size is logged. The parameter label_control acts on the training pairs only (rankings are then left out),
/// and is said with an alert.
Result<ImagePairData> readImagePairs(learn::Job& job, int64_t side, bool softTies);
/// Does the run have labelled images at all? Fails saying what is missing.
Status checkImagePairs(const learn::Job& job);

/// Every two images of a ranking as a pair, equal ranks as a tie.
std::vector<ImagePair> pairsOfRankings(const std::vector<ImageRanking>& rankings);
/// Divides every weight by the number of pairs of its prompt: a prompt with many votes counts like any other (PickScore).
void weightByPrompt(std::vector<ImagePair>& pairs, std::vector<ImageRanking>& rankings);
/// One number of each pair as an fp32 tensor [n] on the device.
torch::Tensor column(const std::vector<ImagePair>& pairs, const std::vector<size_t>& indices, double ImagePair::*member,
                     const torch::Device& device);
/// Captions that name a side do not survive a mirror.
bool mayMirror(const std::string& prompt);

} // namespace pl::sdk
