// SPDX-License-Identifier: Apache-2.0
// Files to import, in every format: whatever is accepted has texts that can be stored and told apart.
#include "core/desk/exchange/import.h"
#include "core/text/utf8.h"
#include "tests/fuzz/fuzz.h"

const std::vector<std::string>& fuzz::seeds() {
    static const std::vector<std::string> all = {
        R"({"prompt":"Q","chosen":"yes","rejected":"no","strength":2,"split":"dev"}
{"prompt":[{"role":"user","content":"Q2"}],"chosen":[{"role":"assistant","content":"y"}],"rejected":[{"role":"assistant","content":"n"}]}
{"prompt":"Q","a":"x","b":"y","tie_kind":"both_bad","score_chosen":1,"score_rejected":1,"margin":0.5}
)",
        R"({"chosen":"\n\nHuman: Q\n\nAssistant: R\n\nHuman: S\n\nAssistant: yes","rejected":"\n\nHuman: Q\n\nAssistant: R\n\nHuman: S\n\nAssistant: no"}
)",
        R"({"chosen":[{"role":"user","content":"Q"},{"role":"assistant","content":"y"}],"rejected":[{"role":"user","content":"Q"},{"role":"assistant","content":"n"}]}
)",
        R"({"chosen":"Say it: hello","rejected":"Say it: hullo"}
)",
        "What is a lake?\nName three rivers.\r\n\n",
        R"({"prompt":"Sort 3 1 2","kind":"verify","verifier":{"kind":"sort","answer":[1,2,3]},"tags":["x",3],"split":"test"}
"a prompt as a JSON text"
)"};
    return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pl::desk;
    const std::string text(fuzz::view(data, size));
    for (const char* name : {"in.jsonl", "in.txt"})
        for (const ImportFormat format : {ImportFormat::Auto, ImportFormat::Trl, ImportFormat::Hh, ImportFormat::Prompts}) {
            ImportOptions options;
            options.format = format;
            options.implicit = size % 2 == 1;
            options.maxRejectedShare = 1;
            const auto parsed = parseImport(text, name, options);
            if (!parsed) {
                fuzz::expect(!parsed.error().toString().empty());
                continue;
            }
            fuzz::expect(parsed->format != ImportFormat::Auto);
            fuzz::expect(parsed->read == parsed->rejectedCount + static_cast<int64_t>(parsed->rows.size()));
            for (const ImportRow& row : parsed->rows) {
                for (const std::string& each : {row.prompt.content, row.chosen.value_or("x"), row.rejected.value_or("y")})
                    fuzz::expect(!each.empty() && pl::text::isValidUtf8(each) && each.find('\0') == std::string::npos);
                fuzz::expect(row.chosen.has_value() == row.rejected.has_value() && (!row.chosen || *row.chosen != *row.rejected));
                fuzz::expect(row.line > 0);
            }
        }
    return 0;
}
