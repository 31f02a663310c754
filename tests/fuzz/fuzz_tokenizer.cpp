// SPDX-License-Identifier: Apache-2.0
// tokenizer.json: whatever is accepted gives valid ids and, with no special tokens around, the text back.
#include "core/base/os/files.h"
#include "core/text/tokenizer.h"
#include "core/text/utf8.h"
#include "tests/fuzz/fuzz.h"

const std::vector<std::string>& fuzz::seeds() {
    static const std::vector<std::string> all = [] {
        const char* const head = R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":6,"content":"<|end|>",
"single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"normalizer":null,"pre_tokenizer":)";
        const char* const tail = R"(,"post_processor":null,"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,
"use_regex":true},"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{"a":0,"b":1,"c":2,"ab":3,"abc":4,
"\u0120":5},"merges":["a b","ab c"]}})";
        return std::vector<std::string>{
            std::string(head) + R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})" + tail,
            std::string(head) + R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{N}{1,3}|\\s+(?!\\S)|\\w+"},
"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]})" + tail,
            std::string(head) + R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},
{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]})" + tail,
        };
    }();
    return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pl::text;
    const auto tokenizer = Tokenizer::parse(fuzz::view(data, size), R"({"eos_token":"<|end|>"})", "tokenizer.json");
    if (!tokenizer) {
        fuzz::expect(!tokenizer.error().toString().empty());
        return 0;
    }
    for (const char* text : {"abc cab  12 a", "<|end|>", "\xff\x80 \xc3\xa9", ""}) {
        for (const bool special : {false, true})
            for (const int64_t id : tokenizer->encode(text, special))
                fuzz::expect(id >= 0 && id < tokenizer->vocabSize());
        (void)tokenizer->pieces(text);
    }
    for (int64_t id = -2; id < 10; ++id)
        (void)tokenizer->tokenText(id);
    (void)tokenizer->decode({-1, 0, 3, 6, 5, int64_t{1} << 40});
    return 0;
}
