// SPDX-License-Identifier: Apache-2.0
#include "core/text/tokenizer_reader.h"

#include <fmt/format.h>

#include "core/text/utf8.h"

namespace pl::text {
namespace {

constexpr size_t kMaxSteps = 16;
constexpr int kMaxNesting = 4;
constexpr const char* kSupported =
    "Supported are byte-level BPE (GPT-2, Llama 3, Qwen, SmolLM) and SentencePiece-style BPE (Llama 2, Mistral).";

} // namespace

std::string shownName(const std::string& text) {
    return fmt::format("'{}'", truncateText(repairUtf8(text), 40));
}

tl::unexpected<Error> TokenizerEntries::bad(const std::string& cause) const {
    return fail(Code::Corrupt, fmt::format("{}: {}", m_what, cause), "Copy the file from the model again.");
}

tl::unexpected<Error> TokenizerEntries::unsupported(const std::string& cause, Code code) const {
    return fail(code, fmt::format("{}: {}", m_what, cause), kSupported);
}

const Json* TokenizerEntries::entry(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<bool> TokenizerEntries::flag(const Json& object, const char* key, bool fallback, const char* where) const {
    const Json* value = entry(object, key);
    if (!value)
        return fallback;
    if (!value->is_boolean())
        return bad(fmt::format("\"{}\" of {} is not true or false", key, where));
    return value->get<bool>();
}

Result<std::string> TokenizerEntries::textOf(const Json& object, const char* key, const std::string& where) const {
    const Json* value = entry(object, key);
    if (!value || !value->is_string())
        return bad(fmt::format("\"{}\" of {} is missing or not a text", key, where));
    return value->get<std::string>();
}

Result<std::string> TokenizerEntries::typeOf(const Json& object, const char* where) const {
    if (!object.is_object())
        return bad(fmt::format("\"{}\" is not an object", where));
    const Json* type = entry(object, "type");
    if (!type || !type->is_string())
        return bad(fmt::format("\"{}\" has no type", where));
    return type->get<std::string>();
}

Status TokenizerEntries::forEachStep(const Json& object, const char* where, const char* list,
                                     const std::function<Status(const Json&, const std::string&)>& each) const {
    size_t count = 0;
    return stepsOf(object, where, list, count, 0, each);
}

Status TokenizerEntries::stepsOf(const Json& object, const char* where, const char* list, size_t& count, int depth,
                                 const std::function<Status(const Json&, const std::string&)>& each) const {
    PL_TRY(const std::string type, typeOf(object, where));
    const auto tooMany = [&] {
        return bad(fmt::format("its {} has more than {} steps, or sequences {} deep", where, kMaxSteps, kMaxNesting));
    };
    if (type != "Sequence")
        return ++count > kMaxSteps ? tooMany() : each(object, type);
    const Json* steps = entry(object, list);
    if (!steps || !steps->is_array())
        return bad(fmt::format("\"{}\" of the {} Sequence is missing or not a list", list, where));
    if (depth >= kMaxNesting)
        return tooMany();
    for (const Json& step : *steps)
        PL_CHECK(stepsOf(step, where, list, count, depth + 1, each));
    return {};
}

} // namespace pl::text
