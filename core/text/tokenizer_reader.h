// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "core/text/tokenizer_data.h"

namespace pl::text {

/// A name from a file, short enough for a message.
std::string shownName(const std::string& text);

/// Typed access to the entries of one tokenizer.json; every failure is prefixed with the file's name.
class TokenizerEntries {
public:
    explicit TokenizerEntries(std::string what)
        : m_what(std::move(what)) {}

    tl::unexpected<Error> bad(const std::string& cause) const;
    tl::unexpected<Error> unsupported(const std::string& cause, Code code = Code::Unsupported) const;
    /// The entry, or nullptr when absent or null.
    static const Json* entry(const Json& object, const char* key);
    Result<bool> flag(const Json& object, const char* key, bool fallback, const char* where) const;
    /// A text that has to be there; may be empty.
    Result<std::string> textOf(const Json& object, const char* key, const std::string& where) const;
    Result<std::string> typeOf(const Json& object, const char* where) const;
    /// Calls each(step, type) for every step: the object itself, or in order those of its Sequence (`list` is the
    /// key of their list), nested ones included.
    Status forEachStep(const Json& object, const char* where, const char* list,
                       const std::function<Status(const Json&, const std::string&)>& each) const;
    const std::string& what() const { return m_what; }

private:
    Status stepsOf(const Json& object, const char* where, const char* list, size_t& count, int depth,
                   const std::function<Status(const Json&, const std::string&)>& each) const;
    std::string m_what;
};

/// The entries "normalizer", "pre_tokenizer", "decoder" and "post_processor" (tokenizer_steps.cpp). The post-processor
/// needs the tokens of `data`.
Result<Normalizer> readNormalizer(const TokenizerEntries& entries, const Json& file);
Result<PreTokenizer> readPreTokenizer(const TokenizerEntries& entries, const Json& file);
Result<TokenDecoder> readDecoder(const TokenizerEntries& entries, const Json& file);
Status readPostProcessor(const TokenizerEntries& entries, const Json& file, Tokenizer::Data& data);

} // namespace pl::text
