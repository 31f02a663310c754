// SPDX-License-Identifier: Apache-2.0
// manifest.json: whatever is accepted has defaults that pass its own validator, and assignments from text do not crash it.
#include "core/base/manifest.h"
#include "core/base/os/files.h"
#include "tests/fuzz/fuzz.h"

const std::vector<std::string>& fuzz::seeds() {
    static const std::vector<std::string> all = [] {
        std::vector<std::string> out;
        for (const char* plugin : {"dpo", "grpo", "generate_text"})
            if (auto text = pl::os::readFile(std::string(PAIRLAB_SOURCE_DIR) + "/plugins/" + plugin + "/manifest.json"))
                out.push_back(*text);
        out.push_back(R"({"manifest_version":1,"id":"a","version":"1.0.0","kind":"train","title":"A","library":"x","needs":{},
"parameters":{"type":"object","properties":{"n":{"type":"integer","default":3,"minimum":1,"maximum":9},
"mode":{"type":"enum","default":"x","values":["x","y"]},"on":{"type":"boolean","default":true}}}})");
        return out;
    }();
    return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pl;
    const auto json = parseJson(fuzz::view(data, size), "manifest.json");
    if (!json)
        return 0;
    const auto manifest = Manifest::fromJson(*json, "/nowhere");
    if (!manifest) {
        fuzz::expect(!manifest.error().toString().empty());
        return 0;
    }
    auto defaults = manifest->effectiveParameters(Json::object());
    fuzz::expect(defaults.has_value());
    const auto again = manifest->effectiveParameters(*defaults);
    fuzz::expect(again && *again == *defaults);
    for (const Parameter& parameter : manifest->parameters)
        for (const char* value : {"1", "-1e400", "x", "[]", "{\"type\": 3}", "", "null"}) {
            Json object = Json::object();
            if (manifest->setFromText(object, parameter.name + "=" + value))
                (void)manifest->effectiveParameters(object);
            (void)Manifest::isVisible(parameter, *defaults);
        }
    return 0;
}
