// SPDX-License-Identifier: Apache-2.0
#include "core/text/chat_template.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/base/json.h"
#include "core/base/os/files.h"
#include "core/text/utf8.h"

namespace pl::text {
namespace {

constexpr const char* kStart = "<|im_start|>";
constexpr const char* kEnd = "<|im_end|>";
constexpr uint64_t kMaxConfigBytes = uint64_t{64} << 20;

constexpr const char* kChatMl =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
// The same program as other models spell it.
constexpr const char* kChatMlDefined =
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// White space that Jinja (with trim_blocks and lstrip_blocks, as transformers runs it) does not print is
/// taken away: inside tags and outside quotes, and around block tags. Line ends in quotes are written "\n".
std::string normalised(std::string_view text) {
    std::string out;
    char quote = 0;
    bool inTag = false;
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const std::string_view two = text.substr(i, 2);
        if (!inTag) {
            if (two == "{%" || two == "{{") {
                if (two == "{%")
                    while (!out.empty() && (out.back() == ' ' || out.back() == '\t'))
                        out.pop_back();
                inTag = true;
                out += two;
                ++i;
            } else {
                out += c;
            }
        } else if (quote) {
            if (c == '\\' && i + 1 < text.size()) {
                out += two;
                ++i;
            } else if (c == '\n') {
                out += "\\n";
            } else {
                out += c == quote ? '\'' : c;
                if (c == quote)
                    quote = 0;
            }
        } else if (c == '\'' || c == '"') {
            quote = c;
            out += '\'';
        } else if (two == "%}" || two == "}}") {
            inTag = false;
            out += two;
            ++i;
            if (two == "%}" && text.substr(i + 1, 1) == "\n")
                ++i;
        } else if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
            out += c;
        }
    }
    while (!out.empty() && out.back() == '\n') // the end of a file
        out.pop_back();
    return out;
}

tl::unexpected<Error> noTemplate(const std::string& what) {
    return fail(Code::Unsupported, fmt::format("{} has no chat template", what),
                "PairLab knows ChatML: give the model's tokenizer_config.json a \"chat_template\", or choose "
                "a chat model.");
}

} // namespace

const std::string& ChatTemplate::builtinText() {
    static const std::string text = kChatMl;
    return text;
}

Result<ChatTemplate> ChatTemplate::fromText(std::string_view text, const Tokenizer& tokenizer,
                                            const std::string& what) {
    static const std::array<std::string, 2> known = {normalised(kChatMl), normalised(kChatMlDefined)};
    if (text.empty())
        return noTemplate(what);
    if (std::find(known.begin(), known.end(), normalised(text)) == known.end()) {
        std::string start = truncateText(repairUtf8(text), 60);
        std::replace(start.begin(), start.end(), '\n', ' ');
        return fail(
            Code::Unsupported,
            fmt::format("the chat template of {} is not one PairLab knows (starts with \"{}\")", what, start),
            "Known is ChatML without a default system message; choose a model that uses it.");
    }
    ChatTemplate out;
    for (const auto& [marker, id] :
         {std::pair<const char*, int64_t*>{kStart, &out.m_startId}, {kEnd, &out.m_endId}}) {
        const std::optional<int64_t> found = tokenizer.tokenId(marker);
        if (!found || !tokenizer.isSpecial(*found))
            return fail(
                Code::InvalidInput,
                fmt::format("the tokenizer of {} has no special token {}, which its chat template writes",
                            what, marker),
                "Copy tokenizer.json and tokenizer_config.json from the same model.");
        *id = *found;
    }
    return out;
}

Result<ChatTemplate> ChatTemplate::load(const std::string& modelDir) {
    PL_TRY(const Tokenizer tokenizer, Tokenizer::load(modelDir));
    return load(modelDir, tokenizer);
}

Result<ChatTemplate> ChatTemplate::load(const std::string& modelDir, const Tokenizer& tokenizer) {
    const std::string own = os::joinPath(modelDir, "chat_template.jinja");
    if (os::exists(own)) {
        PL_TRY(const std::string text, os::readFile(own, kMaxConfigBytes));
        return fromText(text, tokenizer, modelDir);
    }
    const std::string path = os::joinPath(modelDir, "tokenizer_config.json");
    if (!os::exists(path))
        return noTemplate(modelDir);
    PL_TRY(const std::string text, os::readFile(path, kMaxConfigBytes));
    PL_TRY(const Json config, parseJson(text, path));
    const Json* entry = nullptr;
    if (config.is_object())
        if (const auto found = config.find("chat_template"); found != config.end() && !found->is_null())
            entry = &*found;
    if (!entry)
        return noTemplate(modelDir);
    if (entry->is_array()) { // several by name
        for (const Json& item : *entry)
            if (item.is_object() && item.value("name", Json()) == Json("default") &&
                item.value("template", Json()).is_string())
                return fromText(item["template"].get_ref<const std::string&>(), tokenizer, modelDir);
        return noTemplate(modelDir);
    }
    if (!entry->is_string())
        return fail(Code::Corrupt, fmt::format("{}: \"chat_template\" is not a text", path),
                    "Copy the file from the model again.");
    return fromText(entry->get_ref<const std::string&>(), tokenizer, modelDir);
}

std::string ChatTemplate::render(const std::vector<Message>& messages, bool addGenerationPrompt) const {
    std::string out;
    for (const Message& message : messages)
        out += kStart + message.role + "\n" + message.content + kEnd + "\n";
    if (addGenerationPrompt)
        out += std::string(kStart) + "assistant\n";
    return out;
}

std::vector<int64_t> ChatTemplate::renderIds(const Tokenizer& tokenizer, const std::vector<Message>& messages,
                                             bool addGenerationPrompt) const {
    std::vector<int64_t> ids;
    const auto plain = [&](const std::string& text) {
        const std::vector<int64_t> more = tokenizer.encode(text);
        ids.insert(ids.end(), more.begin(), more.end());
    };
    for (const Message& message : messages) {
        ids.push_back(m_startId);
        plain(message.role + "\n" + message.content);
        ids.push_back(m_endId);
        plain("\n");
    }
    if (addGenerationPrompt) {
        ids.push_back(m_startId);
        plain("assistant\n");
    }
    return ids;
}

std::vector<int64_t> ChatTemplate::completionIds(const Tokenizer& tokenizer, std::string_view text) const {
    std::vector<int64_t> ids = tokenizer.encode(text);
    ids.push_back(m_endId);
    return ids;
}

} // namespace pl::text
