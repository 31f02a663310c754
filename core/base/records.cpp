// SPDX-License-Identifier: Apache-2.0
#include "core/base/records.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"

namespace pl {
namespace {

tl::unexpected<Error> bad(std::string_view where, std::string why) {
    return fail(Code::InvalidInput, fmt::format("{}: {}", where, why), "Correct or remove this row.");
}

/// A string, or the content of a list with exactly one message of the role.
Result<std::string> textOf(const Json& row, const char* key, std::string_view role, std::string_view where) {
    if (!row.is_object())
        return bad(where, fmt::format("a row must be an object, not {}", row.type_name()));
    const auto found = row.find(key);
    if (found == row.end())
        return bad(where, fmt::format("\"{}\" is missing", key));
    if (found->is_string())
        return found->get<std::string>();
    if (!found->is_array())
        return bad(where, fmt::format("\"{}\" must be a text or a list of messages, not {}", key, found->type_name()));
    if (found->size() != 1)
        return fail(Code::Unsupported,
                    fmt::format("{}: \"{}\" has {} messages; one {} turn is supported", where, key, found->size(), role),
                    "Multi-turn rows cannot be used yet: flatten them first.");
    const Json& message = found->front();
    PL_TRY(const std::string given, field<std::string>(message, "role", where));
    if (given != role)
        return bad(where, fmt::format("\"{}\" has a message of role \"{}\", not \"{}\"", key, given.substr(0, 40), role));
    return field<std::string>(message, "content", where);
}

/// The id as text; a number counts, and a row without one gets the hash of its content.
Result<std::string> idOf(const Json& row, std::string_view where, const std::string& content) {
    const auto found = row.find("id");
    if (found == row.end() || found->is_null())
        return sha256Hex(content).substr(0, 16);
    if (found->is_number_integer())
        return found->dump();
    if (!found->is_string() || found->get_ref<const std::string&>().empty())
        return bad(where, "\"id\" must be a text or a whole number");
    return found->get<std::string>();
}

Result<double> boundedOr(const Json& row, const char* key, double fallback, double low, double high,
                         std::string_view where) {
    PL_TRY(const double value, fieldOr<double>(row, key, fallback, where));
    if (!(value >= low && value <= high))
        return bad(where, fmt::format("\"{}\" is {}, outside {}..{}", key, value, low, high));
    return value;
}

Result<std::string> splitOf(const Json& row, std::string_view where) {
    PL_TRY(const std::string split, fieldOr<std::string>(row, "split", "train", where));
    if (split != "train" && split != "dev" && split != "test")
        return bad(where, fmt::format("\"split\" is \"{}\", not train, dev or test", split.substr(0, 40)));
    return split;
}

constexpr std::string_view kImages = "images/";
constexpr std::array<std::string_view, 3> kExtensions{".png", ".jpg", ".webp"};
constexpr size_t kShaLength = 64;
constexpr size_t kMostRanked = 1000;

/// "modality" of a row: is it about images?
Result<bool> imageRow(const Json& row, std::string_view where) {
    PL_TRY(const std::string modality, fieldOr<std::string>(row, "modality", "text", where));
    if (modality != "text" && modality != "image")
        return bad(where, fmt::format("\"modality\" is \"{}\", not text or image", modality.substr(0, 40)));
    return modality == "image";
}

Status checkRef(const std::string& text, const char* key, std::string_view where) {
    if (isImageRef(text))
        return {};
    return bad(where, fmt::format("\"{}\" is \"{}\", not images/<SHA-256>.png, .jpg or .webp", key, text.substr(0, 100)));
}

template<class Row>
Result<std::vector<Row>> readRows(const std::string& path, Result<Row> (*rowOf)(const Json&, std::string_view)) {
    std::vector<Row> rows;
    PL_CHECK(forEachJsonLine(path, [&](const Json& json, size_t number) -> Status {
        PL_TRY(Row row, rowOf(json, fmt::format("{}, line {}", path, number)));
        rows.push_back(std::move(row));
        return {};
    }));
    return rows;
}

} // namespace

bool isImageRef(std::string_view text) {
    if (text.size() <= kImages.size() + kShaLength || text.substr(0, kImages.size()) != kImages)
        return false;
    const std::string_view sha = text.substr(kImages.size(), kShaLength);
    const std::string_view extension = text.substr(kImages.size() + kShaLength);
    return sha.find_first_not_of("0123456789abcdef") == std::string_view::npos &&
           std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

std::string imageRef(std::string_view sha, std::string_view extension) {
    return fmt::format("{}{}.{}", kImages, sha, extension);
}

std::string imageRefSha(std::string_view ref) {
    return isImageRef(ref) ? std::string(ref.substr(kImages.size(), kShaLength)) : std::string();
}

Result<PairRow> pairRowOf(const Json& row, std::string_view where) {
    PairRow pair;
    PL_TRY(pair.prompt, textOf(row, "prompt", "user", where));
    PL_TRY(pair.chosen, textOf(row, "chosen", "assistant", where));
    PL_TRY(pair.rejected, textOf(row, "rejected", "assistant", where));
    PL_TRY(pair.image, imageRow(row, where));
    if (pair.image) {
        PL_CHECK(checkRef(pair.chosen, "chosen", where));
        PL_CHECK(checkRef(pair.rejected, "rejected", where));
    }
    PL_TRY(pair.id, idOf(row, where, pair.prompt + '\0' + pair.chosen + '\0' + pair.rejected));
    if (const auto strength = row.find("strength"); strength != row.end() && !strength->is_null()) {
        PL_TRY(const int64_t value, field<int64_t>(row, "strength", where));
        if (value < 1 || value > 3)
            return bad(where, fmt::format("\"strength\" is {}, outside 1..3", value));
        pair.strength = static_cast<int>(value);
    }
    PL_TRY(pair.weight, boundedOr(row, "weight", 1.0, 0.0, 1e6, where));
    PL_TRY(pair.softLabel, boundedOr(row, "soft_label", 1.0, 0.0, 1.0, where));
    PL_TRY(pair.annotator, fieldOr<std::string>(row, "annotator", "", where));
    return pair;
}

Result<PairRow> tieRowOf(const Json& row, std::string_view where) {
    PairRow tie;
    PL_TRY(tie.prompt, textOf(row, "prompt", "user", where));
    PL_TRY(tie.chosen, textOf(row, "a", "assistant", where));
    PL_TRY(tie.rejected, textOf(row, "b", "assistant", where));
    PL_TRY(tie.image, imageRow(row, where));
    if (tie.image) {
        PL_CHECK(checkRef(tie.chosen, "a", where));
        PL_CHECK(checkRef(tie.rejected, "b", where));
    }
    PL_TRY(tie.id, idOf(row, where, tie.prompt + '\0' + tie.chosen + '\0' + tie.rejected));
    PL_TRY(tie.weight, boundedOr(row, "weight", 1.0, 0.0, 1e6, where));
    PL_TRY(tie.annotator, fieldOr<std::string>(row, "annotator", "", where));
    PL_CHECK(splitOf(row, where));
    tie.softLabel = 0.5;
    tie.tie = true;
    return tie;
}

Result<PromptRow> promptRowOf(const Json& row, std::string_view where) {
    PromptRow prompt;
    PL_TRY(prompt.prompt, textOf(row, "prompt", "user", where));
    PL_TRY(prompt.id, idOf(row, where, prompt.prompt));
    PL_TRY(prompt.split, splitOf(row, where));
    if (const auto verifier = row.find("verifier"); verifier != row.end() && !verifier->is_null()) {
        PL_TRY(prompt.verifierKind, field<std::string>(*verifier, "kind", where));
        if (const auto answer = verifier->find("answer"); answer != verifier->end() && !answer->is_null()) {
            if (!answer->is_string() && !answer->is_number())
                return bad(where, "the verifier's \"answer\" must be a text or a number");
            prompt.verifierAnswer = answer->is_string() ? answer->get<std::string>() : answer->dump();
        }
    }
    return prompt;
}

Result<SftRow> sftRowOf(const Json& row, std::string_view where) {
    SftRow sft;
    PL_TRY(sft.prompt, textOf(row, "prompt", "user", where));
    PL_TRY(sft.completion, textOf(row, "completion", "assistant", where));
    PL_TRY(sft.image, imageRow(row, where));
    if (sft.image)
        PL_CHECK(checkRef(sft.completion, "completion", where));
    PL_TRY(sft.id, idOf(row, where, sft.prompt + '\0' + sft.completion));
    return sft;
}

Result<RankingRow> rankingRowOf(const Json& row, std::string_view where) {
    RankingRow ranking;
    PL_TRY(ranking.prompt, textOf(row, "prompt", "user", where));
    const auto images = row.find("images"), ranks = row.find("ranks");
    if (images == row.end() || !images->is_array() || images->size() < 2 || images->size() > kMostRanked)
        return bad(where, fmt::format("\"images\" must list 2 to {} images", kMostRanked));
    if (ranks == row.end() || !ranks->is_array() || ranks->size() != images->size())
        return bad(where, "\"ranks\" must have one number for each image");
    std::set<std::string> seen;
    std::string content = ranking.prompt;
    for (size_t i = 0; i < images->size(); ++i) {
        const Json &image = (*images)[i], &rank = (*ranks)[i];
        if (!image.is_string())
            return bad(where, "\"images\" must be a list of texts");
        PL_CHECK(checkRef(image.get<std::string>(), "images", where));
        if (!seen.insert(image.get<std::string>()).second)
            return bad(where, fmt::format("the image {} is ranked twice", image.get<std::string>()));
        if (!rank.is_number_integer() || rank.get<int64_t>() < 1 || rank.get<int64_t>() > static_cast<int64_t>(kMostRanked))
            return bad(where, fmt::format("a rank must be a whole number from 1 to {}", kMostRanked));
        ranking.images.push_back(image.get<std::string>());
        ranking.ranks.push_back(static_cast<int>(rank.get<int64_t>()));
        content += '\0' + ranking.images.back();
    }
    PL_TRY(ranking.id, idOf(row, where, content));
    PL_TRY(ranking.split, splitOf(row, where));
    PL_TRY(ranking.weight, boundedOr(row, "weight", 1.0, 0.0, 1e6, where));
    PL_TRY(ranking.annotator, fieldOr<std::string>(row, "annotator", "", where));
    return ranking;
}

Result<std::vector<PairRow>> readPairs(const std::string& path) {
    return readRows<PairRow>(path, pairRowOf);
}

Result<std::vector<PairRow>> readTies(const std::string& path, std::string_view split) {
    std::vector<PairRow> rows;
    PL_CHECK(forEachJsonLine(path, [&](const Json& json, size_t number) -> Status {
        const std::string where = fmt::format("{}, line {}", path, number);
        PL_TRY(PairRow row, tieRowOf(json, where));
        PL_TRY(const std::string given, splitOf(json, where));
        if (split.empty() || given == split)
            rows.push_back(std::move(row));
        return {};
    }));
    return rows;
}

Result<std::vector<PromptRow>> readPrompts(const std::string& path) {
    return readRows<PromptRow>(path, promptRowOf);
}

Result<std::vector<SftRow>> readSft(const std::string& path) {
    return readRows<SftRow>(path, sftRowOf);
}

Result<std::vector<RankingRow>> readRankings(const std::string& path, std::string_view split) {
    PL_TRY(std::vector<RankingRow> rows, readRows<RankingRow>(path, rankingRowOf));
    if (!split.empty())
        rows.erase(std::remove_if(rows.begin(), rows.end(), [&](const RankingRow& row) { return row.split != split; }),
                   rows.end());
    return rows;
}

Status forEachJsonLine(const std::string& path, const std::function<Status(const Json&, size_t)>& each,
                       const JsonLimits& limits) {
    constexpr size_t kChunk = size_t{1} << 20;
    std::string pending;
    uint64_t offset = 0;
    size_t number = 0;
    const auto take = [&](std::string_view line) -> Status {
        ++number;
        if (number == 1 && line.substr(0, 3) == "\xef\xbb\xbf")
            line.remove_prefix(3);
        if (line.find_first_not_of(" \t\r") == std::string_view::npos)
            return {};
        PL_TRY(const Json json, parseJson(line, fmt::format("{}, line {}", path, number), limits));
        return each(json, number);
    };
    while (true) {
        PL_TRY(const std::string part, os::readFrom(path, offset, kChunk));
        offset += part.size();
        const size_t searched = pending.size();
        pending += part;
        size_t begin = 0;
        for (size_t end = pending.find('\n', searched); end != std::string::npos; end = pending.find('\n', begin)) {
            PL_CHECK(take(std::string_view(pending).substr(begin, end - begin)));
            begin = end + 1;
        }
        pending.erase(0, begin);
        if (pending.size() > limits.maxBytes)
            return fail(Code::InvalidInput, fmt::format("{}, line {} is too long: at most {} bytes are read", path,
                                                        number + 1, limits.maxBytes));
        if (part.empty())
            break;
    }
    return pending.empty() ? Status{} : take(pending);
}

} // namespace pl
