// SPDX-License-Identifier: Apache-2.0
#include "core/text/chat_template.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/os/files.h"
#include "core/text/jinja/template.h"
#include "core/text/utf8.h"

namespace pl::text {
namespace {

constexpr uint64_t kMaxConfigBytes = uint64_t{64} << 20;
constexpr const char* kChatMl =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
constexpr const char* kTokens[] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
constexpr const char* kHint = "Use another version of the model, or write a chat_template.jinja into its folder.";
// What every template is tried on.
constexpr const char* kQuestion = "Question";
constexpr const char* kAnswer = "Answer";

bool startsWith(const std::vector<int64_t>& ids, const std::vector<int64_t>& start) {
    return ids.size() >= start.size() && std::equal(start.begin(), start.end(), ids.begin());
}

/// Ids of a text that goes on behind another: without the space that SentencePiece-style tokenizers put before a text.
std::vector<int64_t> continuation(const Tokenizer& tokenizer, const MarkedText& text) {
    MarkedText behind;
    behind.append("\n");
    const std::vector<int64_t> line = tokenizer.encode(behind);
    behind.append(text);
    std::vector<int64_t> ids = tokenizer.encode(behind);
    if (!startsWith(ids, line))
        return tokenizer.encode(text);
    ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(line.size()));
    return ids;
}

/// The first of eos_token_id (a number or a list) that the tokenizer knows.
std::optional<int64_t> eosOf(const Json& config, const Tokenizer& tokenizer) {
    const auto found = config.is_object() ? config.find("eos_token_id") : config.end();
    if (!config.is_object() || found == config.end())
        return {};
    for (const Json& id : found->is_array() ? *found : Json::array({*found}))
        if (id.is_number_integer() && !tokenizer.tokenText(id.get<int64_t>()).empty())
            return id.get<int64_t>();
    return {};
}

Result<std::optional<int64_t>> eosOfFolder(const std::string& modelDir, const Tokenizer& tokenizer) {
    std::optional<int64_t> eos = tokenizer.eosId();
    for (const char* file : {"generation_config.json", "config.json"}) {
        const std::string path = os::joinPath(modelDir, file);
        if (eos || !os::exists(path))
            continue;
        PL_TRY(const Json config, readJsonFile(path));
        eos = eosOf(config, tokenizer);
    }
    return eos;
}

tl::unexpected<Error> noEnd(const std::string& what, const char* why) {
    return fail(Code::InvalidInput, fmt::format("{} has no token that ends an answer: {}", what, why),
                "Name the end token as eos_token in its tokenizer_config.json.");
}

} // namespace

const std::string& ChatTemplate::builtinText() {
    static const std::string text = kChatMl;
    return text;
}

Result<ChatTemplate> ChatTemplate::make(std::string_view text, const Tokenizer& tokenizer, const std::string& what,
                                        const Json& config, std::optional<int64_t> eos) {
    const auto named = [&](Error error) {
        error.message = fmt::format("the chat template of {}: {}", what, error.message);
        if (error.hint.empty())
            error.hint = kHint;
        return tl::unexpected<Error>(std::move(error));
    };
    if (!isValidUtf8(text))
        return named({Code::InvalidInput, "it is not UTF-8", {}, {}});
    auto parsed = jinja::Template::parse(text);
    if (!parsed)
        return named(parsed.error());
    ChatTemplate out;
    out.m_template = std::make_shared<const jinja::Template>(std::move(*parsed));
    jinja::Dict tokens;
    for (const char* name : kTokens) {
        const auto found = config.is_object() ? config.find(name) : config.end();
        if (!config.is_object() || found == config.end() || found->is_null())
            continue;
        const Json token = found->is_object() ? found->value("content", Json()) : *found;
        if (token.is_string())
            tokens.set(name, jinja::Value::of(token.get<std::string>()));
    }
    out.m_tokens = std::make_shared<const jinja::Dict>(std::move(tokens));
    if (auto sound = out.findEnd(tokenizer, what, eos); !sound)
        return sound.error().message.find(what) == std::string::npos ? named(sound.error()) : tl::unexpected<Error>(sound.error());
    return out;
}

Status ChatTemplate::findEnd(const Tokenizer& tokenizer, const std::string& what, std::optional<int64_t> eos) {
    PL_TRY(const MarkedText asked, render({{"user", kQuestion}}, true));
    PL_TRY(const MarkedText answered, render({{"user", kQuestion}, {"assistant", kAnswer}}, false));
    const size_t answer = answered.text.rfind(kAnswer);
    if (asked.text.find(kQuestion) == std::string::npos || answer == std::string::npos)
        return fail(Code::InvalidInput, "it does not write the contents of the messages");
    const MarkedText behind = answered.slice(answer + std::string_view(kAnswer).size(), answered.text.size());
    for (const int64_t id : tokenizer.encode(behind))
        if (tokenizer.isSpecial(id)) {
            m_endId = id;
            return {};
        }
    if (!eos)
        return noEnd(what, "its chat template writes no special token behind an answer, and no eos_token is named");
    m_endId = *eos;
    return {};
}

Result<ChatTemplate> ChatTemplate::fromText(std::string_view text, const Tokenizer& tokenizer, const std::string& what,
                                            const Json& config) {
    return make(text, tokenizer, what, config, tokenizer.eosId());
}

Result<ChatTemplate> ChatTemplate::plain(const Tokenizer& tokenizer, const std::string& what) {
    if (!tokenizer.eosId())
        return noEnd(what, "it has no chat template, and no eos_token is named");
    ChatTemplate out;
    out.m_endId = *tokenizer.eosId();
    return out;
}

Result<ChatTemplate> ChatTemplate::load(const std::string& modelDir) {
    PL_TRY(const Tokenizer tokenizer, Tokenizer::load(modelDir));
    return load(modelDir, tokenizer);
}

Result<ChatTemplate> ChatTemplate::load(const std::string& modelDir, const Tokenizer& tokenizer) {
    PL_TRY(const std::optional<int64_t> eos, eosOfFolder(modelDir, tokenizer));
    Json config = Json::object();
    const std::string path = os::joinPath(modelDir, "tokenizer_config.json");
    if (os::exists(path)) {
        PL_TRY(const std::string text, os::readFile(path, kMaxConfigBytes));
        PL_TRY(config, parseJson(text, path));
        if (!config.is_object())
            return fail(Code::Corrupt, fmt::format("{} is not a JSON object", path), "Copy the file from the model again.");
    }
    const std::string own = os::joinPath(modelDir, "chat_template.jinja");
    if (os::exists(own)) {
        PL_TRY(const std::string text, os::readFile(own, kMaxConfigBytes));
        return make(text, tokenizer, modelDir, config, eos);
    }
    Json entry = config.value("chat_template", Json());
    if (entry.is_array()) { // several by name
        Json chosen;
        for (const Json& item : entry)
            if (item.is_object() && item.value("name", Json()) == Json("default"))
                chosen = item.value("template", Json());
        if (!chosen.is_string())
            return fail(Code::Unsupported, fmt::format("{}: none of its chat templates has the name \"default\"", path),
                        "Write the one to use into a file chat_template.jinja beside it.");
        entry = chosen;
    }
    if (entry.is_string())
        return make(entry.get_ref<const std::string&>(), tokenizer, modelDir, config, eos);
    if (!entry.is_null())
        return fail(Code::Corrupt, fmt::format("{}: \"chat_template\" is not a text", path),
                    "Copy the file from the model again.");
    if (!eos)
        return plain(tokenizer, modelDir);
    ChatTemplate out;
    out.m_endId = *eos;
    return out;
}

Result<MarkedText> ChatTemplate::render(const std::vector<Message>& messages, bool addGenerationPrompt) const {
    const auto marked = [](const std::string& text) {
        MarkedText out;
        out.append(repairUtf8(text), true);
        return out;
    };
    if (!m_template) {
        MarkedText out;
        for (const Message& message : messages)
            out.append(marked(message.content));
        return out;
    }
    jinja::List list;
    for (const Message& message : messages) {
        jinja::Dict one;
        one.set("role", jinja::Value::of(marked(message.role)));
        one.set("content", jinja::Value::of(marked(message.content)));
        list.items.push_back(jinja::Value::of(std::move(one)));
    }
    jinja::Dict variables = *m_tokens;
    variables.set("messages", jinja::Value::of(std::move(list)));
    variables.set("tools", jinja::Value::none());
    variables.set("documents", jinja::Value::none());
    variables.set("add_generation_prompt", jinja::Value::of(addGenerationPrompt));
    return m_template->render(variables);
}

Result<std::vector<int64_t>> ChatTemplate::renderIds(const Tokenizer& tokenizer, const std::vector<Message>& messages,
                                                     bool addGenerationPrompt) const {
    PL_TRY(const MarkedText text, render(messages, addGenerationPrompt));
    std::vector<int64_t> ids;
    if (isPlain())
        ids = tokenizer.prefixIds();
    const std::vector<int64_t> more = tokenizer.encode(text);
    ids.insert(ids.end(), more.begin(), more.end());
    return ids;
}

Result<std::vector<int64_t>> ChatTemplate::completionIds(const Tokenizer& tokenizer, const std::vector<Message>& messages,
                                                         const std::string& answer) const {
    std::vector<Message> conversation = messages;
    conversation.push_back({"assistant", answer});
    PL_TRY(const MarkedText asked, render(messages, true));
    PL_TRY(const MarkedText answered, render(conversation, false));
    std::vector<int64_t> ids;
    if (answered.text.compare(0, asked.text.size(), asked.text) == 0) {
        const std::vector<int64_t> before = tokenizer.encode(asked);
        ids = tokenizer.encode(answered);
        if (startsWith(ids, before))
            ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(before.size()));
        else
            ids = continuation(tokenizer, answered.slice(asked.text.size(), answered.text.size()));
    } else {
        MarkedText alone;
        alone.append(answer, true);
        ids = continuation(tokenizer, alone);
    }
    ids.erase(std::find(ids.begin(), ids.end(), m_endId), ids.end()); // what comes behind the end belongs to no answer
    ids.push_back(m_endId);
    return ids;
}

} // namespace pl::text
