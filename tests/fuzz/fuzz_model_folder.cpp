// SPDX-License-Identifier: Apache-2.0
// A model's folder: config.json, the index of its shards and a shard, parted by lines "---". Whatever they say, nothing outside the
// folder is named, and what is accepted are the tensors that the config asks for, inside their files.
#include <algorithm>
#include <fstream>

#include "core/base/model_folder.h"
#include "core/base/os/files.h"
#include "tests/fuzz/fuzz.h"

namespace {

constexpr const char* kConfig =
    R"({"model_type":"gpt2","vocab_size":2,"n_embd":2,"n_layer":1,"n_head":1,"n_positions":2,"n_inner":1})";
constexpr const char* kIndex = R"({"metadata":{},"weight_map":{"wte.weight":"a.safetensors","ln_f.bias":"a.safetensors"}})";

/// The tensors of kConfig, all 0.
std::string shard() {
    const auto config = pl::ModelConfig::fromJson(pl::parseJson(kConfig, "config").value(), "config").value();
    pl::Json header = pl::Json::object();
    size_t at = 0;
    for (const auto& [name, shape] : config.tensorShapes()) {
        size_t bytes = 2;
        for (const int64_t side : shape)
            bytes *= static_cast<size_t>(side);
        header[name] = {{"dtype", "F16"}, {"shape", shape}, {"data_offsets", {at, at + bytes}}};
        at += bytes;
    }
    const std::string text = header.dump();
    std::string out;
    for (int i = 0; i < 8; ++i)
        out.push_back(static_cast<char>(text.size() >> (8 * i) & 0xff));
    return out + text + std::string(at, '\0');
}

const std::string& folder() {
    static const struct Folder {
        std::string dir = pl::os::makeTempDir("fuzz_model_folder").value();
        ~Folder() { (void)pl::os::removeTree(dir); }
    } one;
    return one.dir;
}

void write(const std::string& path, std::string_view bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    fuzz::expect(file.good());
}

} // namespace

const std::vector<std::string>& fuzz::seeds() {
    static const std::vector<std::string> all = {
        std::string(kConfig) + "\n---\n" + kIndex + "\n---\n" + shard(),
        std::string(kConfig) + "\n---\n" + R"({"weight_map":{"wte.weight":"../a.safetensors"}})" + "\n---\n" + shard(), "{}\n---\n[]\n---\n"};
    return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pl;
    std::string_view rest = fuzz::view(data, size);
    for (const char* file : {"config.json", "model.safetensors.index.json", "a.safetensors"}) {
        const size_t end = std::min(rest.find("\n---\n"), rest.size());
        const bool last = std::string_view(file) == "a.safetensors";
        write(folder() + "/" + file, last ? rest : rest.substr(0, end));
        rest = last || end == rest.size() ? std::string_view() : rest.substr(end + 5);
    }
    if (const auto names = weightFileNames(folder()))
        for (const std::string& name : *names)
            fuzz::expect(name.find('/') == std::string::npos && name != ".." && name.ends_with(".safetensors"));
    const auto config = readModelConfig(folder());
    if (!config)
        return 0;
    const auto parts = checkWeights(folder(), *config);
    if (!parts) {
        fuzz::expect(!parts.error().message.empty());
        return 0;
    }
    const auto shapes = config->tensorShapes();
    for (const auto& [name, part] : *parts) {
        fuzz::expect(name == "lm_head.weight" || shapes.count(name) == 1);
        fuzz::expect(part.entry.begin <= part.entry.end && part.entry.end <= os::fileSize(part.file).value());
    }
    fuzz::expect(parts->size() >= shapes.size());
    return 0;
}
