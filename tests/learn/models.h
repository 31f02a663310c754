// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <QtGlobal>

#include "core/learn/models/decoder.h"

/// Models that several tests of core/learn open or make.
namespace pl::learn {

/// Random models written by transformers with what it computes from them (tests/golden/README.md).
inline const std::string kGolden = PAIRLAB_SOURCE_DIR "/tests/golden/llama/";

/// A golden model by its folder's name; ends the test when it does not load.
inline LoadedModel open(const std::string& name) {
    auto loaded = loadModel(kGolden + name, torch::kCPU);
    if (!loaded)
        qFatal("%s", loaded.error().toString().c_str());
    return *loaded;
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
