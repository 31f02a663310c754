// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/base/json.h"
#include "core/text/tokenizer.h"

namespace pl::test {

inline const std::string kGolden = PAIRLAB_SOURCE_DIR "/tests/golden/tokenizers/";

inline Json goldenFile(const char* name) {
    return *readJsonFile(kGolden + name + "/tokenizer.json");
}

/// A small valid file: the byte alphabet, three merges, two special tokens.
inline Json smallFile() {
    Json vocab = Json::object();
    const Json gpt2 = goldenFile("gpt2");
    for (const auto& [spelling, id] : gpt2["model"]["vocab"].items())
        if (id.get<int>() >= 4 && id.get<int>() < 260)
            vocab[spelling] = id.get<int>() - 4;
    vocab["ab"] = 256;
    vocab["abc"] = 257;
    vocab["\u0120a"] = 258;
    const auto special = [](int id, const char* content) {
        return Json{{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
                    {"rstrip", false}, {"normalized", false}, {"special", true}};
    };
    return {{"version", "1.0"},
            {"truncation", nullptr},
            {"padding", nullptr},
            {"added_tokens", Json::array({special(259, "<end>"), special(260, "<pad>")})},
            {"normalizer", nullptr},
            {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
            {"post_processor", nullptr},
            {"decoder", {{"type", "ByteLevel"}}},
            {"model",
             {{"type", "BPE"},
              {"dropout", nullptr},
              {"unk_token", nullptr},
              {"byte_fallback", false},
              {"ignore_merges", false},
              {"vocab", vocab},
              {"merges", Json::array({"a b", "ab c", "\u0120 a"})}}}};
}

inline Result<text::Tokenizer> parse(const Json& file, const std::string& config = {}) {
    return text::Tokenizer::parse(dumpJson(file), config, "tokenizer.json of X");
}

} // namespace pl::test
