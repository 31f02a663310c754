// SPDX-License-Identifier: Apache-2.0
// Models a person brings: looked at before anything is copied.
#include <algorithm>

#include <fmt/format.h>

#include "core/base/json.h"
#include "core/base/os/files.h"
#include "core/desk/runs/actions.h"
#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"

namespace pl::desk {

namespace {

constexpr uint64_t kMostHeader = 100'000'000;
constexpr size_t kMostName = 100;

bool usableName(const std::string& name) {
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-';
    };
    return !name.empty() && name.size() <= kMostName && name[0] != '.' && name[0] != '-' &&
           std::all_of(name.begin(), name.end(), plain);
}

/// Whether the file is whole: the desk reads the header only, and the worker looks at each tensor when it
/// loads them.
Status checkWeights(const std::string& path) {
    const auto corrupt = [&](const std::string& cause) {
        return fail(Code::Corrupt, fmt::format("{} is not a whole safetensors file: {}", path, cause),
                    "Copy or download the file again.");
    };
    PL_TRY(const uint64_t size, os::fileSize(path));
    PL_TRY(const std::string prefix, os::readFrom(path, 0, 8));
    if (prefix.size() < 8)
        return corrupt(fmt::format("it has {} bytes, fewer than its length field", size));
    uint64_t length = 0;
    for (size_t i = 8; i-- > 0;)
        length = length << 8 | static_cast<unsigned char>(prefix[i]);
    if (length > kMostHeader || length > size - 8)
        return corrupt(fmt::format("its header claims {} bytes of a file of {}", length, size));
    PL_TRY(const std::string text, os::readFrom(path, 8, static_cast<size_t>(length)));
    const auto header = parseJson(text, "its header", {.maxBytes = kMostHeader, .maxDepth = 8});
    if (!header)
        return corrupt(header.error().message);
    if (!header->is_object())
        return corrupt("its header is not an object");
    uint64_t last = 0;
    bool any = false;
    for (const auto& [name, value] : header->items()) {
        if (name == "__metadata__")
            continue;
        const Json offsets =
            value.is_object() && value.contains("data_offsets") ? value["data_offsets"] : Json();
        if (!offsets.is_array() || offsets.size() != 2 || !offsets[1].is_number_unsigned())
            return corrupt("a tensor has no data_offsets");
        last = std::max(last, offsets[1].get<uint64_t>());
        any = true;
    }
    if (!any)
        return corrupt("it holds no tensor");
    if (const uint64_t data = size - 8 - length; last != data)
        return corrupt(fmt::format("its tensors need {} bytes of data, it has {}", last, data));
    return {};
}

} // namespace

Result<std::string> addModel(Project& project, const std::string& path, const std::string& name) {
    for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"})
        if (!os::exists(os::joinPath(path, file)))
            return fail(
                Code::NotFound, fmt::format("{} is not a model folder: it has no {}", path, file),
                "PairLab reads Hugging Face folders with config.json, model.safetensors and tokenizer.json.");
    PL_TRY(Json config, readJsonFile(os::joinPath(path, "config.json")));
    PL_TRY(std::string type, field<std::string>(config, "model_type", os::joinPath(path, "config.json")));
    if (type != "llama")
        return fail(Code::Unsupported, fmt::format("{}: model_type '{}' is not supported yet", path, type),
                    "Models of type llama are.");
    const std::string as = name.empty() ? os::baseName(os::absolutePath(path)) : name;
    if (!usableName(as))
        return fail(
            Code::InvalidInput, fmt::format("'{}' cannot be a model's name", as),
            "Give a --name of letters, digits, '.', '_' and '-' that begins with a letter, a digit or '_'.");
    const std::string target = os::joinPath(project.modelsDir(), as);
    if (os::exists(target))
        return fail(Code::InvalidInput, fmt::format("the project already has a model '{}'", as),
                    "Give another --name.");
    PL_CHECK(checkWeights(os::joinPath(path, "model.safetensors")));
    PL_TRY(const text::Tokenizer tokenizer, text::Tokenizer::load(path));
    PL_CHECK(text::ChatTemplate::load(path, tokenizer));
    PL_CHECK(os::makeDirs(target));
    PL_TRY(auto files, os::listDir(path));
    for (const std::string& file : files) {
        const bool wanted = file == "config.json" || file == "tokenizer.json" ||
                            file == "tokenizer_config.json" || file == "generation_config.json" ||
                            file == "chat_template.jinja" || file == "README.md" ||
                            file == "model.safetensors" || file == "card.json";
        if (!wanted)
            continue;
        if (auto copied = os::copyFile(os::joinPath(path, file), os::joinPath(target, file)); !copied) {
            (void)os::removeTree(target); // half a model helps nobody
            return tl::unexpected<Error>(std::move(copied).error());
        }
    }
    return as;
}

} // namespace pl::desk
