// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/text/tokenizer.h"

namespace pl::text {

struct Message {
    std::string role; ///< "system", "user", "assistant"
    std::string content;
};

/// The chat format of a model folder. One is built in, ChatML:
///   <|im_start|>ROLE\nCONTENT<|im_end|>\n ...  and  <|im_start|>assistant\n  where the answer begins.
/// A template is a program in a language of its own; we run none: a template text that is known is accepted,
/// any other is refused by name.
class ChatTemplate {
public:
    /// Reads chat_template.jinja, else "chat_template" of tokenizer_config.json; the tokenizer must know both
    /// markers as special tokens.
    static Result<ChatTemplate> load(const std::string& modelDir);
    /// The same without reading tokenizer.json again.
    static Result<ChatTemplate> load(const std::string& modelDir, const Tokenizer& tokenizer);
    /// From the text of a template; `what` names the model in messages.
    static Result<ChatTemplate> fromText(std::string_view text, const Tokenizer& tokenizer,
                                         const std::string& what);
    /// The template text new models are written with.
    static const std::string& builtinText();

    /// As text, for people to read. Contents are copied as they are, so it must not be encoded with
    /// parseSpecial: use renderIds.
    std::string render(const std::vector<Message>& messages, bool addGenerationPrompt) const;
    /// As ids: markers are the special ids, roles and contents are plain text, so a content that spells a
    /// marker cannot close its message. Equals apply_chat_template(tokenize=True) for contents that spell no
    /// special token.
    std::vector<int64_t> renderIds(const Tokenizer& tokenizer, const std::vector<Message>& messages,
                                   bool addGenerationPrompt) const;
    /// What the model writes after the generation prompt: encode(text) and the end token.
    std::vector<int64_t> completionIds(const Tokenizer& tokenizer, std::string_view text) const;
    int64_t startId() const { return m_startId; }
    int64_t endId() const { return m_endId; }
    /// "chatml"
    const std::string& name() const { return m_name; }

private:
    int64_t m_startId = 0;
    int64_t m_endId = 0;
    std::string m_name = "chatml";
};

} // namespace pl::text
