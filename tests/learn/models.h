// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <QtTest>

#include "core/base/json.h"
#include "core/learn/models/decoder.h"

/// Models that several tests of core/learn open or make.
namespace pl::learn {

/// Random models written by transformers with what it computes from them (tests/golden/README.md).
inline const std::string kGolden = PAIRLAB_SOURCE_DIR "/tests/golden/llama/", kFamilies = PAIRLAB_SOURCE_DIR "/tests/golden/families/";

/// The value; ends the test where there is none.
template<class T>
T must(Result<T> result) {
    if (!result)
        qFatal("%s", result.error().toString().c_str());
    return std::move(*result);
}

inline LoadedModel openFolder(const std::string& dir) { return must(loadModel(dir, torch::kCPU)); }
/// A golden Llama by its folder's name.
inline LoadedModel open(const std::string& name) { return openFolder(kGolden + name); }

/// What transformers or PEFT computed: expected.json and expected.safetensors of a folder.
struct Expected {
    Json json;
    TensorMap tensors;
    TokenBatch batch; ///< the rows it was computed for
    explicit Expected(const std::string& dir)
        : json(must(readJsonFile(dir + "/expected.json"))), tensors(must(readSafetensors(dir + "/expected.safetensors"))),
          batch{tensors.at("input_ids"), torch::tensor(json["lengths"].get<std::vector<int64_t>>(), torch::kInt64)} {}
};

/// The largest, in double.
inline double difference(const torch::Tensor& a, const torch::Tensor& b) {
    return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

/// A row of test data a name.
template<class Names>
void rowsOf(const Names& names) {
    QTest::addColumn<QString>("name");
    for (const char* name : names)
        QTest::newRow(name) << name;
}

/// Two layers of 16, four query heads sharing two key/value heads, 50 ids.
inline ModelConfig tiny() {
    ModelConfig c;
    c.vocabSize = 50;
    c.hiddenSize = 16;
    c.layers = 2;
    c.heads = 4;
    c.kvHeads = 2;
    c.headDim = 4;
    c.intermediateSize = 24;
    c.maxPositions = 64;
    c.tiedEmbeddings = true;
    return c;
}

} // namespace pl::learn
