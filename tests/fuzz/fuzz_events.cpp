// SPDX-License-Identifier: Apache-2.0
// What a run leaves: run.json, event lines, control lines and the rows of data/, each read from the same bytes.
#include <algorithm>
#include <cstdio>

#include "core/base/bundle.h"
#include "core/base/events.h"
#include "core/base/records.h"
#include "tests/fuzz/fuzz.h"

const std::vector<std::string>& fuzz::seeds() {
    static const std::vector<std::string> all = {
        R"({"seq":1,"t":1700000000000,"type":"run.start","protocol":1,"plugin":"dpo","pid":7,"start_time":9}
{"seq":2,"t":1700000000001,"type":"metrics","step":1,"epoch":0.1,"tokens":12,"values":{"loss":0.69,"kl":"NaN"}}
{"seq":3,"t":1700000000002,"type":"candidate","prompt_id":"p","content_file":"samples/x","model":{"role":"policy"}}
{"seq":4,"t":1700000000003,"type":"run.end","state":"finished","reason":""}
)",
        R"({"id":"a","prompt":"P","chosen":"yes","rejected":"no","strength":2,"weight":0.5,"soft_label":0.9}
{"id":"b","prompt":[{"role":"user","content":"P"}],"a":"x","b":"y","tie_kind":"both_good","split":"dev"}
{"prompt":"P","completion":"C"}
{"id":"c","prompt":"P","split":"test","verifier":{"kind":"number","answer":"7"}}
)",
        R"({"bundle_version":1,"uuid":"u","name":"0001-dpo","plugin":{"id":"dpo","version":"1.0.0","dir":"/x","build_tag":"t"},
"parameters":{"steps":3},"models":[{"role":"policy","path":"/m","hash":"","name":"start"}],"device":"cpu","seed":1,"threads":2,
"data":{"train.jsonl":"0000000000000000000000000000000000000000000000000000000000000000"},"resident":false})",
        R"({"id":"1","t":1,"type":"request","payload":{"prompt":"x"}}
{"id":"2","t":2,"type":"stop","payload":{}}
)"};
    return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pl;
    static const std::string dir = [] {
        const auto made = os::makeTempDir("pairlab-fuzz");
        fuzz::expect(made.has_value());
        return *made;
    }();
    const std::string text(fuzz::view(data, size));
    if (auto json = parseJson(text, "run.json")) {
        const auto spec = RunSpec::fromJson(*json, "run.json");
        if (spec) {
            // What is accepted can be written and read again.
            const auto again = RunSpec::fromJson(spec->toJson(), "again");
            fuzz::expect(again && dumpJson(again->toJson()) == dumpJson(spec->toJson()));
        }
    }
    for (size_t begin = 0, end; begin < text.size(); begin = end + 1) {
        end = std::min(text.find('\n', begin), text.size());
        const auto row = parseJson(std::string_view(text).substr(begin, end - begin), "row");
        if (!row)
            continue;
        if (const auto pair = pairRowOf(*row, "row"))
            fuzz::expect(pair->weight >= 0 && pair->softLabel >= 0 && pair->softLabel <= 1);
        (void)tieRowOf(*row, "row");
        (void)promptRowOf(*row, "row");
        (void)sftRowOf(*row, "row");
        if (row->is_object())
            (void)eventText(dir, *row, "content");
    }
    for (const char* name : {"events.jsonl", "control.jsonl"}) {
        FILE* file = std::fopen((dir + "/" + name).c_str(), "wb");
        fuzz::expect(file && std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fclose(file) == 0);
    }
    EventReader reader(dir + "/events.jsonl");
    const auto events = reader.poll();
    fuzz::expect(events && reader.offset() <= text.size());
    const auto more = reader.poll();
    fuzz::expect(more && more->empty());
    (void)inspectRun(dir);
    uint64_t offset = 0;
    fuzz::expect(readControl(dir, offset) && offset <= text.size());
    return 0;
}
