// SPDX-License-Identifier: Apache-2.0
#include "core/text/tokenizer.h"

#include <deque>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/text/tokenizer_data.h"
#include "core/text/utf8.h"

namespace pl::text {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{256} << 20;

/// The spans that keep the special tokens of a text plain, or do not.
std::vector<MarkedText::Span> plainSpans(std::string_view text, bool parseSpecial) {
    if (parseSpecial || text.empty())
        return {};
    return {{0, text.size()}};
}

} // namespace

Tokenizer::Tokenizer(std::shared_ptr<const Data> data)
    : m_data(std::move(data)) {}

Result<Tokenizer> Tokenizer::load(const std::string& modelDir) {
    const std::string path = os::joinPath(modelDir, "tokenizer.json");
    if (!os::exists(path))
        return fail(Code::NotFound,
                    fmt::format("{} does not exist: the model folder has no tokenizer.json", path),
                    "BPE tokenizers in Hugging Face's tokenizer.json can be read.");
    PL_TRY(const std::string json, os::readFile(path, kMaxFileBytes));
    std::string config;
    const std::string configPath = os::joinPath(modelDir, "tokenizer_config.json");
    if (os::exists(configPath)) {
        PL_TRY(config, os::readFile(configPath, kMaxFileBytes));
    }
    auto tokenizer = parse(json, config, path);
    if (!tokenizer && tokenizer.error().hint.empty())
        tokenizer.error().hint = "Copy or download the model folder again.";
    return tokenizer;
}

Result<Tokenizer> Tokenizer::parse(std::string_view json, std::string_view config, const std::string& what) {
    JsonLimits limits;
    limits.maxBytes = kMaxFileBytes;
    limits.maxDepth = 32;
    PL_TRY(const Json file, parseJson(json, what, limits));
    Json configJson = Json::object();
    if (!config.empty()) {
        PL_TRY(configJson, parseJson(config, "tokenizer_config.json beside " + what, limits));
    }
    PL_TRY(std::shared_ptr<Data> data, readTokenizer(file, configJson, what));
    data->hash = sha256Hex(json);
    return Tokenizer(std::move(data));
}

bool Tokenizer::Data::encode(std::string_view text, const std::vector<MarkedText::Span>& plain,
                             std::vector<int64_t>& ids) const {
    bool ok = true;
    const auto merge = [&](std::string_view piece, bool atStart) {
        std::deque<std::string> store;
        std::vector<std::string_view> words;
        ok = preTokenizer.cut(piece, atStart, store, words) && ok;
        for (const std::string_view word : words)
            merger.encodeWord(word, ids);
    };
    raw.split(text, plain, [&](std::string_view piece, int64_t id) {
        if (id >= 0) {
            ids.push_back(id);
            return;
        }
        bool atStart = piece.data() == text.data();
        std::string kept;
        std::vector<MarkedText::Span> marks;
        if (!normalized.empty()) {
            const auto begin = static_cast<size_t>(piece.data() - text.data());
            marks = clipSpans(plain, begin, begin + piece.size());
        }
        if (!normalizer.empty()) {
            if (normalized.hasSpecial() && !marks.empty())
                marks = normalizer.apply(MarkedText{std::string(piece), std::move(marks)}).content;
            kept = normalizer.apply(piece, atStart);
            piece = kept;
        }
        if (normalized.empty())
            return merge(piece, atStart);
        normalized.split(piece, marks, [&](std::string_view inner, int64_t innerId) {
            if (innerId >= 0)
                ids.push_back(innerId);
            else
                merge(inner, atStart && inner.data() == piece.data());
        });
    });
    return ok;
}

Result<std::vector<int64_t>> Tokenizer::tryEncode(std::string_view text, bool parseSpecial) const {
    const std::string repaired = isValidUtf8(text) ? std::string() : repairUtf8(text);
    if (!repaired.empty())
        text = repaired;
    std::vector<int64_t> ids;
    if (!m_data->encode(text, plainSpans(text, parseSpecial), ids))
        return fail(Code::InvalidInput, "the tokenizer's pattern takes too many steps on this text",
                    "Shorten the text, or use a model with another tokenizer.");
    return ids;
}

std::vector<int64_t> Tokenizer::encode(std::string_view text, bool parseSpecial) const {
    const std::string repaired = isValidUtf8(text) ? std::string() : repairUtf8(text);
    if (!repaired.empty())
        text = repaired;
    std::vector<int64_t> ids;
    m_data->encode(text, plainSpans(text, parseSpecial), ids);
    return ids;
}

std::vector<int64_t> Tokenizer::encode(const MarkedText& text) const {
    std::vector<int64_t> ids;
    if (isValidUtf8(text.text)) {
        m_data->encode(text.text, text.content, ids);
        return ids;
    }
    const MarkedText repaired = mapParts(text, repairUtf8);
    m_data->encode(repaired.text, repaired.content, ids);
    return ids;
}

std::string Tokenizer::Data::decode(const std::vector<int64_t>& ids, bool skipSpecial, bool rawBytes) const {
    std::string out;
    std::vector<std::string> spellings;
    for (const int64_t id : ids) {
        const Data::Token* token = find(id);
        if (!token || (skipSpecial && token->special))
            continue;
        if (decoder.isByteLevel())
            out += token->bytes;
        else
            spellings.push_back(token->spelling);
    }
    if (decoder.isByteLevel())
        return rawBytes ? out : repairUtf8(out);
    return decoder.decode(std::move(spellings), rawBytes);
}

std::string Tokenizer::decodeBytes(const std::vector<int64_t>& ids, bool skipSpecial) const {
    return m_data->decode(ids, skipSpecial, true);
}

std::string Tokenizer::decode(const std::vector<int64_t>& ids, bool skipSpecial) const {
    return m_data->decode(ids, skipSpecial, false);
}

std::vector<std::string> Tokenizer::pieces(std::string_view text) const {
    bool atStart = true;
    const std::string normal = m_data->normalizer.apply(repairUtf8(text), atStart);
    std::deque<std::string> store;
    std::vector<std::string_view> words;
    m_data->preTokenizer.cut(normal, atStart, store, words);
    return {words.begin(), words.end()};
}

std::optional<int64_t> Tokenizer::tokenId(std::string_view name) const {
    const auto found = m_data->idOf.find(std::string(name));
    return found == m_data->idOf.end() ? std::nullopt : std::optional<int64_t>(found->second);
}

std::string Tokenizer::tokenText(int64_t id) const {
    const Data::Token* token = m_data->find(id);
    return token ? token->spelling : std::string();
}

bool Tokenizer::isSpecial(int64_t id) const {
    const Data::Token* token = m_data->find(id);
    return token && token->special;
}

std::vector<int64_t> Tokenizer::specialIds() const {
    std::vector<int64_t> ids;
    for (size_t id = 0; id < m_data->tokens.size(); ++id)
        if (m_data->tokens[id].present && m_data->tokens[id].special)
            ids.push_back(static_cast<int64_t>(id));
    return ids;
}

std::optional<int64_t> Tokenizer::bosId() const {
    return m_data->bosId;
}
std::optional<int64_t> Tokenizer::eosId() const {
    return m_data->eosId;
}
std::optional<int64_t> Tokenizer::padId() const {
    return m_data->padId;
}
const std::vector<int64_t>& Tokenizer::prefixIds() const {
    return m_data->prefix;
}
const std::vector<int64_t>& Tokenizer::suffixIds() const {
    return m_data->suffix;
}
int64_t Tokenizer::vocabSize() const {
    return static_cast<int64_t>(m_data->tokens.size());
}
const std::string& Tokenizer::hash() const {
    return m_data->hash;
}

} // namespace pl::text
