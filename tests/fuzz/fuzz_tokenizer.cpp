// SPDX-License-Identifier: Apache-2.0
// tokenizer.json: whatever is accepted gives valid ids.
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
            // SentencePiece-style, with every kind of step
            R"({"version":"1.0","added_tokens":[{"id":0,"content":"<unk>","single_word":false,"lstrip":false,"rstrip":false,
"normalized":true,"special":true},{"id":1,"content":"<|end|>","single_word":true,"lstrip":true,"rstrip":true,"normalized":false,
"special":true}],"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Lowercase"},{"type":"Prepend","prepend":"_"},
{"type":"Replace","pattern":{"String":" "},"content":"_"},{"type":"Replace","pattern":{"Regex":"b{2,}"},"content":"b"},
{"type":"Strip","strip_left":true,"strip_right":true}]},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split",
"pattern":{"String":"c"},"behavior":"MergedWithNext","invert":false},{"type":"Metaspace","replacement":"_","prepend_scheme":"first",
"split":true}]},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<|end|>","type_id":0}},{"Sequence":
{"id":"A","type_id":0}}]},"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"_"},"content":" "},
{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":1},{"type":"Metaspace","replacement":"x",
"add_prefix_space":true}]},"model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,"vocab":{"<unk>":0,
"<|end|>":1,"a":2,"b":3,"_":4,"_a":5,"<0xC3>":6,"<0xA9>":7,"ab":8},"merges":["_ a",["a","b"]]}})",
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
        MarkedText marked;
        marked.append(text, true);
        const auto before = tokenizer->encode(marked);
        for (const int64_t id : before)
            fuzz::expect(id >= 0 && id < tokenizer->vocabSize());
        marked.append(text);
        (void)tokenizer->encode(marked);
        (void)tokenizer->decodeBytes(before);
        (void)tokenizer->decode(before);
    }
    for (int64_t id = -2; id < 10; ++id)
        (void)tokenizer->tokenText(id);
    (void)tokenizer->decode({-1, 0, 3, 6, 5, 7, 6, 2, int64_t{1} << 40});
    return 0;
}
