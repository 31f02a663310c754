// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/text/tokenizer_reader.h"
#include "core/text/utf8.h"

namespace pl::text {
namespace {

constexpr int64_t kMaxTokens = 2'000'000;
constexpr size_t kMaxMerges = 4'000'000;
constexpr size_t kMaxTokenBytes = 65'535;
constexpr size_t kMaxAdded = 65'536;
/// Unused ids a file may leave between and behind its tokens.
constexpr int64_t kMaxGap = 65'536;

/// Reads one file into one Data.
class Reader : TokenizerEntries {
public:
    Reader(std::string what, Tokenizer::Data& data)
        : TokenizerEntries(std::move(what))
        , m_data(data) {}

    Status read(const Json& file, const Json& config) {
        if (!file.is_object())
            return bad("it is not a JSON object");
        if (const Json* version = entry(file, "version"); version && *version != Json("1.0"))
            return unsupported(fmt::format("its version is {}, not \"1.0\"", version->dump().substr(0, 40)),
                               Code::NewerFormat);
        PL_TRY(m_data.normalizer, readNormalizer(*this, file));
        PL_TRY(m_data.preTokenizer, readPreTokenizer(*this, file));
        PL_TRY(m_data.decoder, readDecoder(*this, file));
        m_data.merger.byCharacter = !m_data.preTokenizer.byteLevel;
        const Json* model = entry(file, "model");
        if (!model || !model->is_object())
            return bad("\"model\" is missing or not an object");
        PL_CHECK(readVocabulary(*model));
        PL_CHECK(readAdded(file));
        PL_CHECK(checkIds());
        PL_CHECK(readMerges(*model));
        PL_CHECK(readPostProcessor(*this, file, m_data));
        PL_CHECK(named(config, "bos_token", m_data.bosId));
        PL_CHECK(named(config, "eos_token", m_data.eosId));
        return named(config, "pad_token", m_data.padId);
    }

private:
    Status put(int64_t id, const std::string& spelling, bool added) {
        if (id < 0 || id >= kMaxTokens)
            return bad(fmt::format("the token {} has the id {}, outside 0 to {}", shownName(spelling), id,
                                   kMaxTokens - 1));
        if (spelling.size() > kMaxTokenBytes)
            return bad(fmt::format("the token {} is {} bytes long; at most {} are read", shownName(spelling),
                                   spelling.size(), kMaxTokenBytes));
        if (static_cast<size_t>(id) >= m_data.tokens.size())
            m_data.tokens.resize(static_cast<size_t>(id) + 1);
        Tokenizer::Data::Token& token = m_data.tokens[static_cast<size_t>(id)];
        if (token.present && token.spelling != spelling)
            return bad(fmt::format("the id {} belongs to both {} and {}", id, shownName(token.spelling),
                                   shownName(spelling)));
        const auto [found, fresh] = m_data.idOf.emplace(spelling, id);
        if (!fresh && found->second != id)
            return bad(fmt::format("the token {} has the ids {} and {}", shownName(spelling), found->second, id));
        if (!token.present)
            ++m_count;
        token.present = true;
        token.added = added;
        token.spelling = spelling;
        token.bytes = bytesOfSpelling(spelling);
        return {};
    }

    Result<int64_t> idOf(const Json& value, const std::string& spelling) const {
        if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<uint64_t>() > 0x7FFFFFFF))
            return bad(fmt::format("the id of the token {} is {}, not a small whole number", shownName(spelling),
                                   value.dump().substr(0, 40)));
        return value.get<int64_t>();
    }

    Status readVocabulary(const Json& model) {
        if (const Json* type = entry(model, "type"); type && *type != Json("BPE"))
            return unsupported(fmt::format("its model type {} is not supported", shownName(type->dump())));
        for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
            if (const Json* value = entry(model, key); value && *value != Json(""))
                return unsupported(fmt::format("its model uses {}, which is not supported", key));
        if (const Json* dropout = entry(model, "dropout");
            dropout && !(dropout->is_number() && dropout->get<double>() == 0))
            return unsupported("its model uses dropout, which is not supported");
        PL_TRY(const bool fallback, flag(model, "byte_fallback", false, "model"));
        if (fallback && m_data.preTokenizer.byteLevel)
            return unsupported("its model uses byte_fallback behind ByteLevel, which is not supported");
        const Json* vocab = entry(model, "vocab");
        if (!vocab || !vocab->is_object() || vocab->empty())
            return bad("\"vocab\" of the model is missing, empty or not an object");
        if (vocab->size() > static_cast<size_t>(kMaxTokens))
            return bad(
                fmt::format("its vocabulary has {} tokens; at most {} are read", vocab->size(), kMaxTokens));
        m_data.idOf.reserve(vocab->size());
        for (const auto& [spelling, value] : vocab->items()) {
            PL_TRY(const int64_t id, idOf(value, spelling));
            PL_CHECK(put(id, spelling, false));
        }
        readAlphabet(fallback);
        if (const Json* unk = entry(model, "unk_token")) {
            if (!unk->is_string())
                return bad("\"unk_token\" of the model is not a string");
            const auto found = m_data.idOf.find(unk->get<std::string>());
            if (found == m_data.idOf.end())
                return bad(
                    fmt::format("its unk_token {} is not in the vocabulary", shownName(unk->get<std::string>())));
            m_data.merger.unkId = found->second;
        }
        PL_TRY(m_data.merger.fuseUnk, flag(model, "fuse_unk", false, "model"));
        PL_TRY(const bool ignoreMerges, flag(model, "ignore_merges", false, "model"));
        if (ignoreMerges)
            for (const auto& [spelling, id] : m_data.idOf) {
                std::string word = m_data.merger.byCharacter ? spelling : bytesOfSpelling(spelling);
                if (m_data.merger.byCharacter || spellingOfBytes(word) == spelling)
                    m_data.merger.wholeWords.emplace(std::move(word), id);
            }
        return {};
    }

    /// The tokens words are made of before anything is merged.
    void readAlphabet(bool fallback) {
        BpeMerger& merger = m_data.merger;
        if (!merger.byCharacter) {
            for (size_t byte = 0; byte < 256; ++byte)
                if (const auto found = m_data.idOf.find(byteAlphabet()[byte]); found != m_data.idOf.end())
                    merger.byteIds[byte] = found->second;
            return;
        }
        for (const auto& [spelling, id] : m_data.idOf) {
            size_t at = 0;
            const char32_t first = spelling.empty() ? 0 : nextCodePoint(spelling, at);
            if (!spelling.empty() && at == spelling.size())
                merger.characterIds.emplace(first, id);
        }
        for (int byte = 0; fallback && byte < 256; ++byte)
            if (const auto found = m_data.idOf.find(fmt::format("<0x{:02X}>", byte)); found != m_data.idOf.end())
                merger.byteIds[static_cast<size_t>(byte)] = found->second;
    }

    Status readAdded(const Json& file) {
        const Json* list = entry(file, "added_tokens");
        if (!list)
            return {};
        if (!list->is_array() || list->size() > kMaxAdded)
            return bad(fmt::format("\"added_tokens\" is not a list of at most {} tokens", kMaxAdded));
        std::set<std::string> seen;
        std::vector<AddedToken> tokens;
        for (const Json& item : *list) {
            const Json* content = item.is_object() ? entry(item, "content") : nullptr;
            if (!content || !content->is_string() || content->get_ref<const std::string&>().empty())
                return bad("an added token has no content");
            AddedToken token;
            token.content = content->get<std::string>();
            const std::string where = "the added token " + shownName(token.content);
            const Json* id = entry(item, "id");
            if (!id)
                return bad(where + " has no id");
            if (!seen.insert(token.content).second)
                return bad(where + " is listed twice");
            PL_TRY(token.id, idOf(*id, token.content));
            PL_TRY(token.special, flag(item, "special", false, where.c_str()));
            PL_TRY(token.lstrip, flag(item, "lstrip", false, where.c_str()));
            PL_TRY(token.rstrip, flag(item, "rstrip", false, where.c_str()));
            PL_TRY(token.normalized, flag(item, "normalized", !token.special, where.c_str()));
            PL_TRY(token.singleWord, flag(item, "single_word", false, where.c_str()));
            PL_CHECK(put(token.id, token.content, true));
            m_data.tokens[static_cast<size_t>(token.id)].special = token.special;
            tokens.push_back(std::move(token));
        }
        // Special ones first: of two tokens with one spelling the first counts.
        std::stable_partition(tokens.begin(), tokens.end(), [](const AddedToken& token) { return token.special; });
        for (const AddedToken& token : tokens) {
            bool keepsStart = true;
            const std::string spelling =
                token.normalized ? m_data.normalizer.apply(token.content, keepsStart) : token.content;
            if (spelling.empty())
                return unsupported(
                    fmt::format("the added token {} is empty once it is normalized", shownName(token.content)));
            (token.normalized ? m_data.normalized : m_data.raw).add(token, spelling);
            Tokenizer::Data::Token& stored = m_data.tokens[static_cast<size_t>(token.id)];
            stored.bytes = bytesOfSpelling(spelling); // and so it is decoded
            stored.spelling = spelling;
        }
        return {};
    }

    Status checkIds() const {
        const auto size = static_cast<int64_t>(m_data.tokens.size());
        if (size > m_count + kMaxGap)
            return bad(fmt::format("its largest id is {} but it has only {} tokens", size - 1, m_count));
        return {};
    }

    Status readMerges(const Json& model) {
        const Json* merges = entry(model, "merges");
        if (!merges || !merges->is_array())
            return bad("\"merges\" of the model is missing or not a list");
        if (merges->size() > kMaxMerges)
            return bad(fmt::format("it has {} merges; at most {} are read", merges->size(), kMaxMerges));
        m_data.merger.reserve(merges->size());
        uint32_t rank = 0;
        for (const Json& merge : *merges) {
            std::string left;
            std::string right;
            if (merge.is_string()) {
                const auto& text = merge.get_ref<const std::string&>();
                const size_t space = text.find(' ');
                if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
                    return bad(fmt::format("merge {} is {}, not two tokens with a space between", rank,
                                           shownName(text)));
                left = text.substr(0, space);
                right = text.substr(space + 1);
            } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
                       merge[1].is_string()) {
                left = merge[0].get<std::string>();
                right = merge[1].get<std::string>();
            } else {
                return bad(fmt::format("merge {} is neither \"a b\" nor [\"a\", \"b\"]", rank));
            }
            int64_t ids[3];
            const std::string* parts[3] = {&left, &right, nullptr};
            const std::string whole = left + right;
            parts[2] = &whole;
            for (int i = 0; i < 3; ++i) {
                const auto found = m_data.idOf.find(*parts[i]);
                if (parts[i]->empty() || found == m_data.idOf.end())
                    return bad(
                        fmt::format("merge {} ({} and {}) needs the token {}, which is not in the vocabulary",
                                    rank, shownName(left), shownName(right), shownName(*parts[i])));
                ids[i] = found->second;
            }
            m_data.merger.addMerge(ids[0], left, ids[1], right, rank, ids[2]);
            ++rank;
        }
        return {};
    }

    Status named(const Json& config, const char* key, std::optional<int64_t>& id) const {
        if (!config.is_object())
            return bad("the tokenizer_config.json beside it is not a JSON object");
        const Json* value = entry(config, key);
        if (value && value->is_object())
            value = entry(*value, "content");
        if (!value)
            return {};
        if (!value->is_string())
            return bad(fmt::format("{} of the tokenizer_config.json beside it is not a token", key));
        const std::string name = value->get<std::string>();
        const auto found = m_data.idOf.find(name);
        if (found == m_data.idOf.end())
            return bad(fmt::format("tokenizer_config.json names {} as {}, which the tokenizer does not have",
                                   shownName(name), key));
        id = found->second;
        return {};
    }

    Tokenizer::Data& m_data;
    int64_t m_count = 0;
};

} // namespace

Result<std::shared_ptr<Tokenizer::Data>> readTokenizer(const Json& file, const Json& config,
                                                       const std::string& what) {
    auto data = std::make_shared<Tokenizer::Data>();
    Reader reader(what, *data);
    PL_CHECK(reader.read(file, config));
    return data;
}

} // namespace pl::text
