// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/text/marked_text.h"
#include "core/text/tokenizer.h"

namespace pl::text {

namespace jinja {
class Template;
struct Dict;
} // namespace jinja

struct Message {
    std::string role; ///< "system", "user", "assistant"
    std::string content;
};

/// The chat format of a model folder: its template, run by our own interpreter (jinja/template.h), or, where it has none
/// (a base model), the plain format.
///
/// A template is given what transformers' apply_chat_template gives it: messages, add_generation_prompt, tools=None,
/// documents=None and the special tokens of tokenizer_config.json. strftime_now is always the same day (26 July 2024), so
/// that a prompt has the same ids on every day.
///
/// Plain format: what the tokenizer puts before a text (Llama: the begin token), the contents one after the other with
/// nothing between them, and behind an answer the end token. A prompt that wants a space or a line end between itself
/// and its answer ends with it.
class ChatTemplate {
public:
    /// Reads chat_template.jinja, else "chat_template" of tokenizer_config.json; without either the plain format. A
    /// template that uses what the interpreter lacks is refused by construct and line; so is one that does not write the
    /// contents of a conversation, and one after whose answers no end token comes while the model names none either.
    static Result<ChatTemplate> load(const std::string& modelDir);
    /// The same without reading tokenizer.json again.
    static Result<ChatTemplate> load(const std::string& modelDir, const Tokenizer& tokenizer);
    /// From the text of a template; `what` names the model in messages, `config` is tokenizer_config.json.
    static Result<ChatTemplate> fromText(std::string_view text, const Tokenizer& tokenizer, const std::string& what,
                                         const Json& config = Json::object());
    /// The plain format; fails without an end token.
    static Result<ChatTemplate> plain(const Tokenizer& tokenizer, const std::string& what);
    /// The template text new models are written with: ChatML.
    static const std::string& builtinText();

    /// As text: equal, byte for byte, to apply_chat_template(tokenize=False). Roles and contents are marked. Fails when
    /// the template raises an exception (with its text) or exceeds its limits.
    Result<MarkedText> render(const std::vector<Message>& messages, bool addGenerationPrompt) const;
    /// As ids: what the template writes is parsed for special tokens, roles and contents are not, whatever the template
    /// did to them: a content that spells an end token cannot close its message. Equals
    /// apply_chat_template(tokenize=True) for conversations that spell no special token themselves; no begin token is
    /// added to that of the template.
    Result<std::vector<int64_t>> renderIds(const Tokenizer& tokenizer, const std::vector<Message>& messages,
                                           bool addGenerationPrompt) const;
    /// What the model writes after renderIds(messages, true): the rest of the conversation with this answer, up to the
    /// end token. Where answer and prompt share a token (or the template writes the prompt differently once it is
    /// answered) the answer is tokenised by itself.
    Result<std::vector<int64_t>> completionIds(const Tokenizer& tokenizer, const std::vector<Message>& messages,
                                               const std::string& answer) const;
    /// The token that ends an answer: the first special token the template writes behind one, else the model's eos.
    int64_t endId() const { return m_endId; }
    bool isPlain() const { return !m_template; }

private:
    Status findEnd(const Tokenizer& tokenizer, const std::string& what, std::optional<int64_t> eos);
    static Result<ChatTemplate> make(std::string_view text, const Tokenizer& tokenizer, const std::string& what,
                                     const Json& config, std::optional<int64_t> eos);

    std::shared_ptr<const jinja::Template> m_template; ///< none: plain
    std::shared_ptr<const jinja::Dict> m_tokens;       ///< bos_token, ...: what the template may write
    int64_t m_endId = 0;
};

} // namespace pl::text
