// SPDX-License-Identifier: Apache-2.0
#include <set>

#include <fmt/format.h>

#include "core/text/tokenizer_data.h"
#include "core/text/utf8.h"

namespace pl::text {
namespace {

constexpr int64_t kMaxTokens = 2'000'000;
constexpr size_t kMaxMerges = 4'000'000;
constexpr size_t kMaxTokenBytes = 65'535;
constexpr size_t kMaxAdded = 65'536;
constexpr size_t kMaxSteps = 16;
/// Unused ids a file may leave between and behind its tokens.
constexpr int64_t kMaxGap = 65'536;
constexpr const char* kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kOnlyByteLevel =
    "Only byte-level BPE tokenizers are supported (GPT-2, Llama 3, SmolLM and their relatives).";

std::string shown(const std::string& text) {
    return "'" + truncateText(repairUtf8(text), 40) + "'";
}

/// Reads one file into one Data; every failure is prefixed with the file's name.
class Reader {
public:
    Reader(std::string what, Tokenizer::Data& data)
        : m_what(std::move(what))
        , m_data(data) {}

    Status read(const Json& file, const Json& config) {
        if (!file.is_object())
            return bad("it is not a JSON object");
        if (const Json* version = entry(file, "version"); version && *version != Json("1.0"))
            return unsupported(fmt::format("its version is {}, not \"1.0\"", version->dump().substr(0, 40)),
                               Code::NewerFormat);
        PL_CHECK(readNormalizer(file));
        const Json* model = entry(file, "model");
        if (!model || !model->is_object())
            return bad("\"model\" is missing or not an object");
        PL_CHECK(readVocabulary(*model));
        PL_CHECK(readAdded(file));
        PL_CHECK(checkIds());
        PL_CHECK(readMerges(*model));
        PL_CHECK(readPreTokenizer(file));
        PL_CHECK(readDecoder(file));
        PL_CHECK(readPostProcessor(file));
        PL_CHECK(named(config, "eos_token", m_data.eosId));
        return named(config, "pad_token", m_data.padId);
    }

private:
    tl::unexpected<Error> bad(const std::string& cause) const {
        return fail(Code::Corrupt, fmt::format("{}: {}", m_what, cause),
                    "Copy the file from the model again.");
    }
    tl::unexpected<Error> unsupported(const std::string& cause, Code code = Code::Unsupported) const {
        return fail(code, fmt::format("{}: {}", m_what, cause), kOnlyByteLevel);
    }

    /// The entry, or nullptr when absent or null.
    static const Json* entry(const Json& object, const char* key) {
        const auto found = object.find(key);
        return found == object.end() || found->is_null() ? nullptr : &*found;
    }

    Result<bool> flag(const Json& object, const char* key, bool fallback, const char* where) const {
        const Json* value = entry(object, key);
        if (!value)
            return fallback;
        if (!value->is_boolean())
            return bad(fmt::format("\"{}\" of {} is not true or false", key, where));
        return value->get<bool>();
    }

    Result<std::string> typeOf(const Json& object, const char* where) const {
        if (!object.is_object())
            return bad(fmt::format("\"{}\" is not an object", where));
        const Json* type = entry(object, "type");
        if (!type || !type->is_string())
            return bad(fmt::format("\"{}\" has no type", where));
        return type->get<std::string>();
    }

    Status readNormalizer(const Json& file) const {
        const Json* normalizer = entry(file, "normalizer");
        if (!normalizer)
            return {};
        PL_TRY(const std::string type, typeOf(*normalizer, "normalizer"));
        const Json* list = entry(*normalizer, "normalizers");
        if (type == "Sequence" && list && list->is_array() && list->empty())
            return {};
        return unsupported(fmt::format("its normalizer {} is not supported", shown(type)));
    }

    Status put(int64_t id, const std::string& spelling, bool added) {
        if (id < 0 || id >= kMaxTokens)
            return bad(fmt::format("the token {} has the id {}, outside 0 to {}", shown(spelling), id,
                                   kMaxTokens - 1));
        if (spelling.size() > kMaxTokenBytes)
            return bad(fmt::format("the token {} is {} bytes long; at most {} are read", shown(spelling),
                                   spelling.size(), kMaxTokenBytes));
        if (static_cast<size_t>(id) >= m_data.tokens.size())
            m_data.tokens.resize(static_cast<size_t>(id) + 1);
        Tokenizer::Data::Token& token = m_data.tokens[static_cast<size_t>(id)];
        if (token.present && token.spelling != spelling)
            return bad(fmt::format("the id {} belongs to both {} and {}", id, shown(token.spelling),
                                   shown(spelling)));
        const auto [found, fresh] = m_data.idOf.emplace(spelling, id);
        if (!fresh && found->second != id)
            return bad(fmt::format("the token {} has the ids {} and {}", shown(spelling), found->second, id));
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
            return bad(fmt::format("the id of the token {} is {}, not a small whole number", shown(spelling),
                                   value.dump().substr(0, 40)));
        return value.get<int64_t>();
    }

    Status readVocabulary(const Json& model) {
        if (const Json* type = entry(model, "type"); type && *type != Json("BPE"))
            return unsupported(fmt::format("its model type {} is not supported", shown(type->dump())));
        for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
            if (const Json* value = entry(model, key); value && *value != Json(""))
                return unsupported(fmt::format("its model uses {}, which is not supported", key));
        if (const Json* dropout = entry(model, "dropout");
            dropout && !(dropout->is_number() && dropout->get<double>() == 0))
            return unsupported("its model uses dropout, which is not supported");
        PL_TRY(const bool fallback, flag(model, "byte_fallback", false, "model"));
        if (fallback)
            return unsupported("its model uses byte_fallback, which is not supported");
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
        for (size_t byte = 0; byte < 256; ++byte)
            if (const auto found = m_data.idOf.find(byteAlphabet()[byte]); found != m_data.idOf.end())
                m_data.merger.byteIds[byte] = found->second;
        if (const Json* unk = entry(model, "unk_token")) {
            if (!unk->is_string())
                return bad("\"unk_token\" of the model is not a string");
            const auto found = m_data.idOf.find(unk->get<std::string>());
            if (found == m_data.idOf.end())
                return bad(
                    fmt::format("its unk_token {} is not in the vocabulary", shown(unk->get<std::string>())));
            m_data.merger.unkId = found->second;
        }
        PL_TRY(m_data.merger.fuseUnk, flag(model, "fuse_unk", false, "model"));
        PL_TRY(const bool ignoreMerges, flag(model, "ignore_merges", false, "model"));
        if (ignoreMerges)
            for (const auto& [spelling, id] : m_data.idOf) {
                std::string bytes = bytesOfSpelling(spelling);
                if (spellingOfBytes(bytes) == spelling)
                    m_data.merger.wholeWords.emplace(std::move(bytes), id);
            }
        return {};
    }

    Status readAdded(const Json& file) {
        const Json* list = entry(file, "added_tokens");
        if (!list)
            return {};
        if (!list->is_array() || list->size() > kMaxAdded)
            return bad(fmt::format("\"added_tokens\" is not a list of at most {} tokens", kMaxAdded));
        std::set<std::string> seen;
        for (const Json& item : *list) {
            const Json* content = item.is_object() ? entry(item, "content") : nullptr;
            if (!content || !content->is_string() || content->get_ref<const std::string&>().empty())
                return bad("an added token has no content");
            AddedToken token;
            token.content = content->get<std::string>();
            const std::string where = "the added token " + shown(token.content);
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
            PL_TRY(const bool singleWord, flag(item, "single_word", false, where.c_str()));
            if (singleWord)
                return unsupported(where + " is single_word, which is not supported");
            PL_CHECK(put(token.id, token.content, true));
            m_data.tokens[static_cast<size_t>(token.id)].special = token.special;
            (token.normalized ? m_data.normalized : m_data.raw).add(token);
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
                                           shown(text)));
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
                                    rank, shown(left), shown(right), shown(*parts[i])));
                ids[i] = found->second;
            }
            m_data.merger.addMerge(ids[0], ids[1], rank, ids[2]);
            ++rank;
        }
        return {};
    }

    Status addSplit(std::string_view pattern, bool onlyMatches) {
        PL_TRY(Pattern compiled, Pattern::compile(pattern, m_what));
        m_data.steps.push_back({PreStep::Split, std::move(compiled), onlyMatches});
        return {};
    }

    Status readSplit(const Json& step) {
        const Json* pattern = entry(step, "pattern");
        if (!pattern || !pattern->is_object() || pattern->size() != 1 || !pattern->begin()->is_string())
            return bad("the pattern of a Split is neither {\"Regex\": ...} nor {\"String\": ...}");
        const Json* behaviour = entry(step, "behavior");
        PL_TRY(const bool invert, flag(step, "invert", false, "a Split"));
        const bool isolated = behaviour && *behaviour == Json("Isolated"); // invert changes nothing for it
        const bool onlyMatches = behaviour && *behaviour == Json("Removed") && invert;
        if (!isolated && !onlyMatches)
            return unsupported(fmt::format("a Split with behavior {}{} is not supported",
                                           behaviour ? shown(behaviour->dump()) : "null",
                                           invert ? ", inverted" : ""));
        const std::string kind = pattern->begin().key();
        const std::string text = pattern->begin()->get<std::string>();
        if (kind == "Regex")
            return addSplit(text, onlyMatches);
        if (kind != "String" || text.empty())
            return bad(
                "the pattern of a Split is neither {\"Regex\": ...} nor a non-empty {\"String\": ...}");
        m_data.steps.push_back({PreStep::Split, Pattern::literal(text), onlyMatches});
        return {};
    }

    Status readPreTokenizer(const Json& file) {
        const Json* pre = entry(file, "pre_tokenizer");
        if (!pre)
            return unsupported("it has no pre_tokenizer");
        PL_TRY(const std::string type, typeOf(*pre, "pre_tokenizer"));
        std::vector<const Json*> steps{pre};
        if (type == "Sequence") {
            const Json* list = entry(*pre, "pretokenizers");
            if (!list || !list->is_array() || list->empty() || list->size() > kMaxSteps)
                return bad(
                    fmt::format("the pre_tokenizer Sequence is not a list of 1 to {} steps", kMaxSteps));
            steps.clear();
            for (const Json& step : *list)
                steps.push_back(&step);
        }
        for (size_t i = 0; i < steps.size(); ++i) {
            PL_TRY(const std::string kind, typeOf(*steps[i], "pre_tokenizer"));
            const bool last = i + 1 == steps.size();
            if ((kind == "ByteLevel") != last)
                return unsupported(
                    last ? fmt::format("its pre_tokenizer ends with {}, not with ByteLevel", shown(kind))
                         : "its pre_tokenizer goes on after ByteLevel");
            if (kind == "ByteLevel") {
                PL_TRY(const bool prefix, flag(*steps[i], "add_prefix_space", true, "ByteLevel"));
                PL_TRY(const bool useRegex, flag(*steps[i], "use_regex", true, "ByteLevel"));
                if (prefix)
                    m_data.steps.push_back({PreStep::Prefix, {}, false});
                if (useRegex)
                    PL_CHECK(addSplit(kGpt2Pattern, false));
            } else if (kind == "Digits") {
                PL_TRY(const bool single, flag(*steps[i], "individual_digits", false, "Digits"));
                PL_CHECK(addSplit(single ? "\\p{N}" : "\\p{N}+", false));
            } else if (kind == "Split") {
                PL_CHECK(readSplit(*steps[i]));
            } else {
                return unsupported(fmt::format("its pre_tokenizer {} is not supported", shown(kind)));
            }
        }
        return {};
    }

    Status readDecoder(const Json& file) const {
        const Json* decoder = entry(file, "decoder");
        if (!decoder)
            return unsupported("it has no decoder");
        PL_TRY(std::string type, typeOf(*decoder, "decoder"));
        if (type == "Sequence") {
            const Json* list = entry(*decoder, "decoders");
            if (list && list->is_array() && list->size() == 1) {
                PL_TRY(type, typeOf((*list)[0], "decoder"));
            }
        }
        if (type != "ByteLevel")
            return unsupported(fmt::format("its decoder {} is not supported", shown(type)));
        return {};
    }

    Status readPostProcessor(const Json& file) const {
        const Json* post = entry(file, "post_processor");
        if (!post)
            return {};
        PL_TRY(const std::string type, typeOf(*post, "post_processor"));
        std::vector<const Json*> steps{post};
        if (type == "Sequence") {
            const Json* list = entry(*post, "processors");
            if (!list || !list->is_array() || list->size() > kMaxSteps)
                return bad(
                    fmt::format("the post_processor Sequence is not a list of at most {} steps", kMaxSteps));
            steps.clear();
            for (const Json& step : *list)
                steps.push_back(&step);
        }
        for (const Json* step : steps) {
            PL_TRY(const std::string kind, typeOf(*step, "post_processor"));
            if (kind != "ByteLevel" && kind != "TemplateProcessing")
                return unsupported(fmt::format("its post_processor {} is not supported", shown(kind)));
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
                                   shown(name), key));
        id = found->second;
        return {};
    }

    std::string m_what;
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
