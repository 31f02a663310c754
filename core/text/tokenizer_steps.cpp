// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "core/text/tokenizer_reader.h"
#include "core/text/utf8.h"

namespace pl::text {
namespace {

constexpr const char* kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr size_t kMaxContent = 64;    ///< what a normalizer puts in: each character of a text may become so many bytes
constexpr int64_t kMaxStrip = 1 << 20;

/// {"Regex": ...} or {"String": ...} of a Split or Replace.
Result<Pattern> readPattern(const TokenizerEntries& entries, const Json& step, const std::string& type) {
    const Json* pattern = entries.entry(step, "pattern");
    if (!pattern || !pattern->is_object() || pattern->size() != 1 || !pattern->begin()->is_string())
        return entries.bad(fmt::format("the pattern of a {} is neither {{\"Regex\": ...}} nor {{\"String\": ...}}", type));
    const std::string kind = pattern->begin().key();
    const std::string text = pattern->begin()->get<std::string>();
    if (kind == "Regex")
        return Pattern::compile(text, entries.what());
    if (kind != "String" || text.empty())
        return entries.bad(
            fmt::format("the pattern of a {} is neither {{\"Regex\": ...}} nor a non-empty {{\"String\": ...}}", type));
    return Pattern::literal(text);
}

/// One character, as Metaspace and Strip name it.
Result<std::string> readCharacter(const TokenizerEntries& entries, const Json& step, const char* key, const char* where) {
    PL_TRY(const std::string text, entries.textOf(step, key, where));
    if (codePointCount(text) != 1)
        return entries.bad(fmt::format("\"{}\" of {} is {}, not one character", key, where, shownName(text)));
    return text;
}

Status readSplit(const TokenizerEntries& entries, const Json& step, PreTokenizer& out) {
    PreStep split;
    PL_TRY(split.invert, entries.flag(step, "invert", false, "a Split"));
    const Json* behaviour = entries.entry(step, "behavior");
    const std::string name = behaviour && behaviour->is_string() ? behaviour->get<std::string>() : std::string();
    if (name == "Isolated")
        split.behaviour = PreStep::Isolated;
    else if (name == "Removed")
        split.behaviour = PreStep::Removed;
    else if (name == "MergedWithPrevious")
        split.behaviour = PreStep::MergedWithPrevious;
    else if (name == "MergedWithNext")
        split.behaviour = PreStep::MergedWithNext;
    else if (name == "Contiguous")
        split.behaviour = PreStep::Contiguous;
    else
        return entries.unsupported(
            fmt::format("a Split with behavior {} is not supported", behaviour ? shownName(behaviour->dump()) : "null"));
    PL_TRY(split.pattern, readPattern(entries, step, "Split"));
    out.steps.push_back(std::move(split));
    return {};
}

Status readMetaspace(const TokenizerEntries& entries, const Json& step, std::string& replacement, PreStep::Scheme& scheme) {
    PL_TRY(replacement, readCharacter(entries, step, "replacement", "Metaspace"));
    PL_TRY(const bool prefix, entries.flag(step, "add_prefix_space", true, "Metaspace"));
    std::string name = prefix ? "always" : "never"; // files before prepend_scheme
    if (entries.entry(step, "prepend_scheme")) {
        PL_TRY(name, entries.textOf(step, "prepend_scheme", "Metaspace"));
        if (!prefix && name != "never")
            return entries.bad(fmt::format("Metaspace has both add_prefix_space false and prepend_scheme {}", shownName(name)));
    }
    if (name == "always")
        scheme = PreStep::Always;
    else if (name == "first")
        scheme = PreStep::First;
    else if (name == "never")
        scheme = PreStep::Never;
    else
        return entries.unsupported(fmt::format("Metaspace with prepend_scheme {} is not supported", shownName(name)));
    return {};
}

} // namespace

Result<Normalizer> readNormalizer(const TokenizerEntries& entries, const Json& file) {
    Normalizer out;
    const Json* normalizer = entries.entry(file, "normalizer");
    if (!normalizer)
        return out;
    PL_CHECK(entries.forEachStep(*normalizer, "normalizer", "normalizers",
                                 [&](const Json& object, const std::string& type) -> Status {
        using Step = Normalizer::Step;
        Step step;
        if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
            step.form = type == "NFC"    ? NormalForm::Nfc
                        : type == "NFD"  ? NormalForm::Nfd
                        : type == "NFKC" ? NormalForm::Nfkc
                                         : NormalForm::Nfkd;
        } else if (type == "Lowercase") {
            step.kind = Step::Lowercase;
        } else if (type == "Prepend") {
            step.kind = Step::Prepend;
            PL_TRY(step.content, entries.textOf(object, "prepend", "Prepend"));
        } else if (type == "Strip") {
            step.kind = Step::Strip;
            PL_TRY(step.left, entries.flag(object, "strip_left", true, "Strip"));
            PL_TRY(step.right, entries.flag(object, "strip_right", true, "Strip"));
        } else if (type == "Replace") {
            step.kind = Step::Replace;
            PL_TRY(step.content, entries.textOf(object, "content", "Replace"));
            PL_TRY(step.pattern, readPattern(entries, object, type));
            if (step.pattern.matchesNothing())
                return entries.unsupported("a Replace whose pattern matches the empty text is not supported");
        } else {
            return entries.unsupported(fmt::format("its normalizer {} is not supported", shownName(type)));
        }
        if (step.content.size() > kMaxContent)
            return entries.bad(fmt::format("its normalizer {} puts in more than {} bytes", type, kMaxContent));
        out.steps.push_back(std::move(step));
        return {};
    }));
    return out;
}

Result<PreTokenizer> readPreTokenizer(const TokenizerEntries& entries, const Json& file) {
    PreTokenizer out;
    const Json* pre = entries.entry(file, "pre_tokenizer");
    if (!pre)
        return out;
    PL_CHECK(entries.forEachStep(*pre, "pre_tokenizer", "pretokenizers",
                                 [&](const Json& object, const std::string& type) -> Status {
        if (out.byteLevel)
            return entries.unsupported("its pre_tokenizer goes on after ByteLevel");
        if (type == "ByteLevel") {
            PL_TRY(const bool prefix, entries.flag(object, "add_prefix_space", true, "ByteLevel"));
            PL_TRY(const bool useRegex, entries.flag(object, "use_regex", true, "ByteLevel"));
            PreStep step;
            if (prefix) {
                step.kind = PreStep::Prefix;
                out.steps.push_back(step);
            }
            if (useRegex) {
                step.kind = PreStep::Split;
                PL_TRY(step.pattern, Pattern::compile(kGpt2Pattern, entries.what()));
                out.steps.push_back(std::move(step));
            }
            out.byteLevel = true;
            return {};
        }
        if (type == "Split")
            return readSplit(entries, object, out);
        PreStep step;
        if (type == "Digits") {
            PL_TRY(const bool single, entries.flag(object, "individual_digits", false, "Digits"));
            PL_TRY(step.pattern, Pattern::compile(single ? "\\p{N}" : "\\p{N}+", entries.what()));
        } else if (type == "Metaspace") {
            step.kind = PreStep::Metaspace;
            PL_CHECK(readMetaspace(entries, object, step.content, step.scheme));
            PL_TRY(step.cutsWords, entries.flag(object, "split", true, "Metaspace"));
        } else {
            return entries.unsupported(fmt::format("its pre_tokenizer {} is not supported", shownName(type)));
        }
        out.steps.push_back(std::move(step));
        return {};
    }));
    return out;
}

Result<TokenDecoder> readDecoder(const TokenizerEntries& entries, const Json& file) {
    TokenDecoder out;
    const Json* decoder = entries.entry(file, "decoder");
    if (!decoder)
        return entries.unsupported("it has no decoder");
    PL_CHECK(entries.forEachStep(*decoder, "decoder", "decoders", [&](const Json& object, const std::string& type) -> Status {
        using Step = TokenDecoder::Step;
        Step step;
        if (type == "ByteLevel") {
            step.kind = Step::ByteLevel;
        } else if (type == "ByteFallback") {
            step.kind = Step::ByteFallback;
        } else if (type == "Fuse") {
            step.kind = Step::Fuse;
        } else if (type == "Strip") {
            step.kind = Step::Strip;
            PL_TRY(step.pattern, readCharacter(entries, object, "content", "the decoder Strip"));
            for (const auto& [key, count] : {std::pair<const char*, size_t*>{"start", &step.start}, {"stop", &step.stop}}) {
                const Json* value = entries.entry(object, key);
                if (!value || !value->is_number_integer() || value->get<int64_t>() < 0 || value->get<int64_t>() > kMaxStrip)
                    return entries.bad(fmt::format("\"{}\" of the decoder Strip is not a small whole number", key));
                *count = value->get<size_t>();
            }
        } else if (type == "Replace") {
            step.kind = Step::Replace;
            const Json* pattern = entries.entry(object, "pattern");
            if (pattern && pattern->is_object() && pattern->contains("Regex"))
                return entries.unsupported("its decoder Replace has a Regex, which is not supported");
            if (!pattern || !pattern->is_object())
                return entries.bad("the pattern of the decoder Replace is not {\"String\": ...}");
            PL_TRY(step.pattern, entries.textOf(*pattern, "String", "the decoder Replace"));
            PL_TRY(step.content, entries.textOf(object, "content", "the decoder Replace"));
            if (step.pattern.empty() || step.content.size() > kMaxContent)
                return entries.bad(
                    fmt::format("the decoder Replace looks for nothing or puts in more than {} bytes", kMaxContent));
        } else if (type == "Metaspace") {
            step.kind = Step::Metaspace;
            PreStep::Scheme scheme = PreStep::Always;
            PL_CHECK(readMetaspace(entries, object, step.pattern, scheme));
            step.dropsFirst = scheme != PreStep::Never;
        } else {
            return entries.unsupported(fmt::format("its decoder {} is not supported", shownName(type)));
        }
        out.steps.push_back(std::move(step));
        return {};
    }));
    if (out.steps.empty())
        return entries.unsupported("its decoder has no step");
    return out;
}

Status readPostProcessor(const TokenizerEntries& entries, const Json& file, Tokenizer::Data& data) {
    const Json* post = entries.entry(file, "post_processor");
    if (!post)
        return {};
    return entries.forEachStep(*post, "post_processor", "processors",
                               [&](const Json& object, const std::string& type) -> Status {
        if (type == "ByteLevel")
            return {};
        if (type != "TemplateProcessing")
            return entries.unsupported(fmt::format("its post_processor {} is not supported", shownName(type)));
        const Json* single = entries.entry(object, "single");
        if (!single || !single->is_array())
            return entries.bad("\"single\" of TemplateProcessing is missing or not a list");
        std::vector<int64_t>* side = &data.prefix;
        for (const Json& item : *single) {
            if (item.is_object() && item.contains("Sequence")) {
                side = &data.suffix;
                continue;
            }
            const Json* special = item.is_object() ? entries.entry(item, "SpecialToken") : nullptr;
            if (!special || !special->is_object())
                return entries.bad("an entry of TemplateProcessing is neither a Sequence nor a SpecialToken");
            PL_TRY(const std::string name, entries.textOf(*special, "id", "TemplateProcessing"));
            const auto found = data.idOf.find(name);
            if (found == data.idOf.end())
                return entries.bad(fmt::format("TemplateProcessing adds {}, which is not in the vocabulary", shownName(name)));
            side->push_back(found->second);
        }
        return {};
    });
}

} // namespace pl::text
