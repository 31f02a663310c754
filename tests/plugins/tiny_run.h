// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dlfcn.h>

#include <cstring>
#include <fstream>
#include <functional>

#include <torch/torch.h>

#include "core/base/bundle.h"
#include "core/base/events.h"
#include "core/base/hash.h"
#include "core/base/manifest.h"
#include "core/base/records.h"
#include "core/base/os/files.h"
#include "core/learn/host/job.h"
#include "core/learn/host/plugin_abi.h"
#include "core/learn/models/decoder.h"
#include "core/text/chat_template.h"

/// A model of a few thousand parameters over bytes, bundles for it, and plugins run in this process through their C entry.
namespace tiny {

using namespace pl;

template<class T>
T must(Result<T> result) {
    if (!result)
        qFatal("%s", result.error().toString().c_str());
    return std::move(*result);
}
inline void must(Status status) {
    if (!status)
        qFatal("%s", status.error().toString().c_str());
}

inline void writeFile(const std::string& path, const std::string& text) {
    must(os::writeFileAtomic(path, text));
}

/// UTF-8 of GPT-2's printable stand-in for a byte.
inline std::string byteLetter(int byte) {
    const auto plain = [](int b) { return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174; };
    int code = byte;
    if (!plain(byte)) {
        code = 256;
        for (int b = 0; b < byte; ++b)
            code += !plain(b);
    }
    std::string out;
    if (code < 128)
        return std::string(1, static_cast<char>(code));
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 63));
    return out;
}

/// A Llama, or what `given` describes with the 260 ids and the special tokens 257 (end) and 258 (padding).
inline std::string makeModel(const std::string& dir, uint64_t seed = 7, int64_t hidden = 32, int64_t layers = 2,
                             const Json& given = Json()) {
    must(os::makeDirs(dir));
    Json vocab = Json::object();
    for (int b = 0; b < 256; ++b)
        vocab[byteLetter(b)] = b;
    Json added = Json::array();
    int id = 256;
    for (const char* name : {"<|im_start|>", "<|im_end|>", "<|pad|>"})
        added.push_back({{"id", id++}, {"content", name}, {"single_word", false}, {"lstrip", false},
                         {"rstrip", false}, {"normalized", false}, {"special", true}});
    writeFile(dir + "/tokenizer.json",
              dumpJson({{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"added_tokens", added},
                        {"normalizer", nullptr},
                        {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}}},
                        {"post_processor", nullptr},
                        {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
                        {"model", {{"type", "BPE"}, {"dropout", nullptr}, {"unk_token", nullptr},
                                   {"continuing_subword_prefix", nullptr}, {"end_of_word_suffix", nullptr},
                                   {"fuse_unk", false}, {"byte_fallback", false}, {"vocab", vocab}, {"merges", Json::array()}}}}));
    writeFile(dir + "/tokenizer_config.json",
              dumpJson({{"tokenizer_class", "PreTrainedTokenizerFast"}, {"eos_token", "<|im_end|>"}, {"pad_token", "<|pad|>"},
                        {"chat_template", text::ChatTemplate::builtinText()}}));
    const Json llama = {{"architectures", {"LlamaForCausalLM"}}, {"model_type", "llama"}, {"vocab_size", 260},
                         {"hidden_size", hidden}, {"num_hidden_layers", layers}, {"num_attention_heads", 4},
                         {"num_key_value_heads", 4}, {"intermediate_size", 2 * hidden}, {"max_position_embeddings", 256},
                         {"rms_norm_eps", 1e-6}, {"rope_theta", 10000.0}, {"hidden_act", "silu"},
                         {"tie_word_embeddings", true}, {"bos_token_id", nullptr}, {"eos_token_id", 257}, {"pad_token_id", 258},
                         {"torch_dtype", "float32"}};
    const Json config = given.is_null() ? llama : given;
    writeFile(dir + "/config.json", dumpJsonPretty(config));
    auto parsed = must(learn::ModelConfig::fromJson(config, "tiny config"));
    learn::Decoder model(parsed);
    model->initialise(seed);
    // Larger than usual weights: a model of this size learns faster from them.
    torch::NoGradGuard noGrad;
    for (auto& parameter : model->parameters())
        if (parameter.dim() >= 2)
            parameter.mul_(4);
    const auto aside = dir + ".saved";
    must(learn::saveModel(model, aside, dir));
    must(os::removeTree(dir));
    must(os::renamePath(aside, dir));
    return dir;
}

inline std::string pluginDir(const std::string& id) {
    return std::string(PAIRLAB_BUILD_DIR) + "/lib/pairlab/plugins/" + id;
}

/// A new bundle for a plugin; `files` are data files by name.
inline Bundle makeBundle(const std::string& dir, const std::string& plugin, const std::vector<ModelSpec>& models,
                         const Json& parameters, const std::map<std::string, std::string>& files, uint64_t seed = 1,
                         const std::string& manifestDir = {}) {
    RunSpec spec;
    spec.uuid = "00000000-0000-4000-8000-000000000001";
    spec.name = os::baseName(dir);
    spec.plugin = plugin;
    spec.pluginDir = manifestDir.empty() ? pluginDir(plugin) : manifestDir;
    const auto manifest = must(Manifest::load(spec.pluginDir));
    spec.pluginVersion = manifest.version;
    spec.buildTag = manifest.buildTag;
    spec.parameters = must(manifest.effectiveParameters(parameters));
    spec.models = models;
    spec.seed = seed;
    spec.threads = 1;
    auto bundle = must(Bundle::create(dir, spec));
    for (const auto& [name, text] : files)
        writeFile(bundle.dataPath(name), text);
    return bundle;
}

inline ModelSpec modelSpec(const std::string& role, const std::string& dir) {
    return {role, os::absolutePath(dir), must(modelHash(dir)), os::baseName(dir)};
}

struct Outcome {
    int status = -1;
    std::string message;
};

inline thread_local Outcome* current = nullptr;
inline thread_local std::string currentDir;

/// Runs validate and run of the plugin in the bundle, as the worker would. `whileRunning` gets the job before the run.
inline Outcome runPlugin(const std::string& dir, const std::function<void(learn::Job&)>& before = {}) {
    auto bundle = must(Bundle::open(dir));
    const std::string id = bundle.spec().plugin;
    const std::string library = pluginDir(id) + "/libpairlab_" + id + ".so";
    void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        qFatal("%s", dlerror());
    const auto entry = reinterpret_cast<pl_plugin_entry>(dlsym(handle, PL_PLUGIN_ENTRY));
    if (!entry)
        qFatal("%s", dlerror());
    learn::Job job(bundle, must(EventWriter::open(dir)));
    if (before)
        before(job);
    Outcome out;
    current = &out;
    currentDir = dir;
    pl_host host{};
    host.struct_size = sizeof host;
    host.abi_major = PL_ABI_MAJOR;
    host.bundle_dir = [](pl_job*) { return pl_str{currentDir.data(), currentDir.size()}; };
    host.fail = [](pl_job*, pl_status status, pl_str text) {
        current->message.assign(text.data, text.size);
        return status;
    };
    host.cpp_job = &job;
    out.status = entry()->validate(&host, nullptr);
    if (out.status == PL_OK)
        out.status = entry()->run(&host, nullptr);
    job.stopControlThread();
    return out;
}

/// step -> value of a metric, later lines winning (a resumed run writes steps again).
inline std::map<int64_t, double> metric(const std::string& dir, const std::string& name) {
    std::map<int64_t, double> out;
    for (const auto& event : must(readEvents(dir + "/events.jsonl")))
        if (event.type == event::kMetrics && event.body["values"].contains(name))
            out[event.body["step"].get<int64_t>()] = must(numberOf(event.body["values"][name], name));
    return out;
}

inline size_t count(const std::string& dir, const std::string& type) {
    size_t n = 0;
    for (const auto& event : must(readEvents(dir + "/events.jsonl")))
        n += event.type == type;
    return n;
}

/// Every metric that does not depend on the clock, by "step name".
inline std::map<std::string, double> allMetrics(const std::string& dir) {
    std::map<std::string, double> out;
    for (const auto& event : must(readEvents(dir + "/events.jsonl")))
        if (event.type == event::kMetrics)
            for (const auto& [name, value] : event.body["values"].items())
                if (name != "tokens_per_second")
                    out[std::to_string(event.body["step"].get<int64_t>()) + " " + name] = must(numberOf(value, name));
    return out;
}

/// Same keys and the same bits (NaN equals NaN).
inline bool sameBits(const std::map<std::string, double>& a, const std::map<std::string, double>& b) {
    if (a.size() != b.size())
        return false;
    for (const auto& [key, value] : a) {
        const auto at = b.find(key);
        if (at == b.end() || std::memcmp(&at->second, &value, sizeof value) != 0) {
            qWarning("%s: %.17g against %.17g", key.c_str(), value, at == b.end() ? 0.0 : at->second);
            return false;
        }
    }
    return true;
}

inline bool sameWeights(const std::string& a, const std::string& b) {
    const auto x = must(learn::readSafetensors(a)), y = must(learn::readSafetensors(b));
    if (x.size() != y.size())
        return false;
    for (const auto& [name, tensor] : x)
        if (!y.count(name) || !torch::equal(tensor, y.at(name)))
            return false;
    return true;
}

inline std::string jsonLines(const std::vector<Json>& rows) {
    std::string out;
    for (const auto& row : rows)
        out += dumpJson(row) + "\n";
    return out;
}

/// Pairs whose chosen side ends in "!" where the rejected one ends in "."; both have random letters and lengths.
inline std::string plantedPairs(int n, uint64_t seed, bool flipped = false) {
    std::vector<Json> rows;
    uint64_t state = seed;
    const auto letters = [&](int count) {
        std::string out;
        for (int i = 0; i < count; ++i)
            out += static_cast<char>('a' + (state = mix64(state)) % 26);
        return out;
    };
    for (int i = 0; i < n; ++i) {
        const std::string good = letters(3 + static_cast<int>(mix64(state + 1) % 6)) + "!";
        const std::string bad = letters(3 + static_cast<int>(mix64(state + 2) % 6)) + ".";
        rows.push_back({{"id", "p" + std::to_string(i)}, {"prompt", letters(4)}, {"chosen", flipped ? bad : good},
                        {"rejected", flipped ? good : bad}, {"strength", 1 + i % 3}});
    }
    return jsonLines(rows);
}

} // namespace tiny
