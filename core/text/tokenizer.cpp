// SPDX-License-Identifier: Apache-2.0
#include "core/text/tokenizer.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/text/tokenizer_data.h"
#include "core/text/utf8.h"

namespace pl::text {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{256} << 20;
constexpr size_t kEmergencyPiece = 256;

} // namespace

bool Tokenizer::Data::preTokenize(std::string_view text, std::deque<std::string>& store,
                                  std::vector<std::string_view>& out) const {
    bool ok = true;
    std::vector<std::string_view> pieces{text};
    for (const PreStep& step : steps) {
        std::vector<std::string_view> next;
        next.reserve(pieces.size());
        for (const std::string_view piece : pieces) {
            if (step.kind == PreStep::Prefix) {
                if (piece.empty() || piece[0] == ' ') {
                    next.push_back(piece);
                } else {
                    store.push_back(" " + std::string(piece));
                    next.push_back(store.back());
                }
                continue;
            }
            std::string_view rest;
            if (step.pattern.split(piece, step.onlyMatches, next, rest))
                continue;
            ok = false;
            while (!rest.empty()) {
                size_t cut = std::min(kEmergencyPiece, rest.size());
                while (cut < rest.size() && (static_cast<unsigned char>(rest[cut]) & 0xC0) == 0x80)
                    --cut;
                next.push_back(rest.substr(0, cut));
                rest.remove_prefix(cut);
            }
        }
        pieces = std::move(next);
    }
    out.insert(out.end(), pieces.begin(), pieces.end());
    return ok;
}

Tokenizer::Tokenizer(std::shared_ptr<const Data> data)
    : m_data(std::move(data)) {}

Result<Tokenizer> Tokenizer::load(const std::string& modelDir) {
    const std::string path = os::joinPath(modelDir, "tokenizer.json");
    if (!os::exists(path))
        return fail(Code::NotFound,
                    fmt::format("{} does not exist: the model folder has no tokenizer.json", path),
                    "Only byte-level BPE tokenizers in Hugging Face's tokenizer.json can be read.");
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

bool Tokenizer::Data::encode(std::string_view text, bool parseSpecial, std::vector<int64_t>& ids) const {
    bool ok = true;
    std::string repaired;
    if (!isValidUtf8(text)) {
        repaired = repairUtf8(text);
        text = repaired;
    }
    const auto plain = [&](std::string_view piece) {
        std::deque<std::string> store;
        std::vector<std::string_view> words;
        ok = preTokenize(piece, store, words) && ok;
        for (const std::string_view word : words)
            merger.encodeWord(word, ids);
    };
    raw.split(text, parseSpecial, [&](std::string_view piece, int64_t id) {
        if (id >= 0) {
            ids.push_back(id);
        } else if (normalized.empty()) {
            plain(piece);
        } else {
            normalized.split(piece, parseSpecial, [&](std::string_view inner, int64_t innerId) {
                if (innerId >= 0)
                    ids.push_back(innerId);
                else
                    plain(inner);
            });
        }
    });
    return ok;
}

Result<std::vector<int64_t>> Tokenizer::tryEncode(std::string_view text, bool parseSpecial) const {
    std::vector<int64_t> ids;
    if (!m_data->encode(text, parseSpecial, ids))
        return fail(Code::InvalidInput, "the tokenizer's pattern takes too many steps on this text",
                    "Shorten the text, or use a model with another tokenizer.");
    return ids;
}

std::vector<int64_t> Tokenizer::encode(std::string_view text, bool parseSpecial) const {
    std::vector<int64_t> ids;
    m_data->encode(text, parseSpecial, ids);
    return ids;
}

std::string Tokenizer::decodeBytes(const std::vector<int64_t>& ids, bool skipSpecial) const {
    std::string out;
    for (const int64_t id : ids) {
        const Data::Token* token = m_data->find(id);
        if (token && !(skipSpecial && token->special))
            out += token->bytes;
    }
    return out;
}

std::string Tokenizer::decode(const std::vector<int64_t>& ids, bool skipSpecial) const {
    return repairUtf8(decodeBytes(ids, skipSpecial));
}

std::vector<std::string> Tokenizer::pieces(std::string_view text) const {
    const std::string repaired = repairUtf8(text);
    std::deque<std::string> store;
    std::vector<std::string_view> words;
    m_data->preTokenize(repaired, store, words);
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

std::optional<int64_t> Tokenizer::eosId() const {
    return m_data->eosId;
}
std::optional<int64_t> Tokenizer::padId() const {
    return m_data->padId;
}
int64_t Tokenizer::vocabSize() const {
    return static_cast<int64_t>(m_data->tokens.size());
}
const std::string& Tokenizer::hash() const {
    return m_data->hash;
}

} // namespace pl::text
