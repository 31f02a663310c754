// SPDX-License-Identifier: Apache-2.0
#include "core/desk/domain/image_marks.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/text/utf8.h"

namespace pl::desk {

namespace {

constexpr const char* kUnit = "pixel";
constexpr const char* kWordUnit = "code_point";
constexpr size_t kMost = 1000;
constexpr size_t kTagBytes = 40;
constexpr int64_t kLongestSide = 16384; ///< as of any image in a project (core/base/image_info.h)

Json sideJson(const ImageMarks& marks, const std::string& sha, const std::string& prompt) {
    Json side{{"sha256", sha}};
    if (!marks.regions.empty()) {
        side["size"] = {marks.width, marks.height};
        side["regions"] = Json::array();
        for (const ImageRegion& region : marks.regions) {
            Json each{{"x", region.x}, {"y", region.y}, {"tag", region.tag}};
            if (!region.isPoint()) {
                each["width"] = region.width;
                each["height"] = region.height;
            }
            side["regions"].push_back(std::move(each));
        }
    }
    if (!marks.struck.empty())
        side["struck"] = {{"unit", kWordUnit}, {"sha256", sha256Hex(wordsAskedFor(prompt))}, {"ranges", marks.struck}};
    return side;
}

bool isTag(const Json& value) {
    if (!value.is_string())
        return false;
    const auto& tag = value.get_ref<const std::string&>();
    return !tag.empty() && tag.size() <= kTagBytes && text::isValidUtf8(tag) &&
           std::none_of(tag.begin(), tag.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

/// -1 for what is no whole number: fractions, texts, "NaN", numbers past 2^63.
int64_t whole(const Json& value) {
    if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(kLongestSide) * kLongestSide)
        return -1;
    return value.is_number_integer() ? value.get<int64_t>() : -1;
}

Result<ImageMarks> sideOf(const Json& side, const std::string& sha, const std::string& prompt, const char* name) {
    const auto bad = [&](const std::string& why) {
        return fail(Code::InvalidInput, fmt::format("the marks on image {} cannot be read: {}", name, why),
                    "See the user guide, \"Marks on images\", for their form.");
    };
    if (sha.empty())
        return bad("it is no image");
    if (!side.is_object() || !side.contains("sha256") || !side["sha256"].is_string())
        return bad("they do not say which image they are of (\"sha256\")");
    if (side["sha256"] != sha)
        return bad("they are of another image");
    ImageMarks marks;
    if (const auto regions = side.find("regions"); regions != side.end()) {
        const Json size = side.value("size", Json());
        const bool given = size.is_array() && size.size() == 2;
        marks.width = given ? whole(size[0]) : -1;
        marks.height = given ? whole(size[1]) : -1;
        if (marks.width < 1 || marks.height < 1 || marks.width > kLongestSide || marks.height > kLongestSide)
            return bad(fmt::format("\"size\" is not [width, height] from 1 to {}", kLongestSide));
        if (!regions->is_array() || regions->size() > kMost)
            return bad(fmt::format("\"regions\" is no list, or one of more than {}", kMost));
        for (const Json& each : *regions) {
            if (!each.is_object())
                return bad("a region is no object");
            ImageRegion region;
            region.x = whole(each.value("x", Json()));
            region.y = whole(each.value("y", Json()));
            const bool box = each.contains("width") || each.contains("height");
            region.width = box ? whole(each.value("width", Json())) : 0;
            region.height = box ? whole(each.value("height", Json())) : 0;
            // No sum is made before both are known to be small.
            const auto fits = [box](int64_t at, int64_t extent, int64_t room) {
                return at >= 0 && at < room && (box ? extent >= 1 && extent <= room - at : extent == 0);
            };
            if (!fits(region.x, region.width, marks.width) || !fits(region.y, region.height, marks.height))
                return bad(fmt::format("a region is not of whole pixels inside of its {} x {}", marks.width, marks.height));
            const Json tag = each.value("tag", Json());
            if (!isTag(tag))
                return bad(fmt::format("a region has no tag of 1 to {} bytes", kTagBytes));
            region.tag = tag.get<std::string>();
            marks.regions.push_back(std::move(region));
        }
    }
    if (const auto struck = side.find("struck"); struck != side.end()) {
        const std::string words = wordsAskedFor(prompt);
        if (!struck->is_object() || struck->value("unit", Json()) != kWordUnit || struck->value("sha256", Json()) != sha256Hex(words))
            return bad("its struck words are of another prompt or unit");
        const Json ranges = struck->value("ranges", Json());
        if (!ranges.is_array() || ranges.size() > kMost)
            return bad(fmt::format("the \"ranges\" of its struck words are no list, or one of more than {}", kMost));
        const auto length = static_cast<int64_t>(text::codePointCount(words));
        for (const Json& range : ranges) {
            const bool two = range.is_array() && range.size() == 2;
            const int64_t begin = two ? whole(range[0]) : -1, end = two ? whole(range[1]) : -1;
            if (begin < 0 || begin >= end || end > length || (!marks.struck.empty() && begin < marks.struck.back()[1]))
                return bad(fmt::format("struck words lie outside of the prompt's {} characters, overlap or are not in order", length));
            marks.struck.push_back({begin, end});
        }
    }
    return marks;
}

} // namespace

bool ImageRegion::covers(int64_t atX, int64_t atY) const {
    return atX >= x && atY >= y && atX < x + std::max<int64_t>(1, width) && atY < y + std::max<int64_t>(1, height);
}

void putRegion(std::vector<ImageRegion>& regions, ImageRegion region) {
    const auto same = std::find_if(regions.begin(), regions.end(), [&](const ImageRegion& each) { return each.sameArea(region); });
    if (same != regions.end())
        same->tag = std::move(region.tag);
    else if (regions.size() < kMost)
        regions.push_back(std::move(region));
}

void toggleStruck(std::vector<std::array<int64_t, 2>>& struck, int64_t begin, int64_t end) {
    if (begin >= end)
        return;
    const std::array<int64_t, 2> range{begin, end};
    const bool there = std::find(struck.begin(), struck.end(), range) != struck.end();
    std::erase_if(struck, [&](const auto& each) { return each[0] < end && begin < each[1]; });
    if (there || struck.size() >= kMost)
        return;
    struck.insert(std::upper_bound(struck.begin(), struck.end(), range), range);
}

std::string wordsAskedFor(const std::string& prompt) {
    if (prompt.empty() || prompt.front() != '[')
        return prompt;
    const Json turns = Json::parse(prompt, nullptr, false);
    if (!turns.is_array() || turns.empty())
        return prompt;
    for (const Json& turn : turns)
        if (!turn.is_object() || !turn.contains("role") || !turn["role"].is_string() || !turn.contains("content") ||
            !turn["content"].is_string())
            return prompt;
    return turns.back()["content"].get<std::string>();
}

Json regionsPayload(const ImageMarks& a, const std::string& shaA, const ImageMarks& b, const std::string& shaB,
                    const std::string& prompt) {
    if (a.empty() && b.empty())
        return {};
    Json payload{{"v", 1}, {"unit", kUnit}};
    if (!a.empty())
        payload["a"] = sideJson(a, shaA, prompt);
    if (!b.empty())
        payload["b"] = sideJson(b, shaB, prompt);
    return payload;
}

Result<std::array<ImageMarks, 2>> regionsOf(const Json& payload, const std::string& shaA, const std::string& shaB,
                                            const std::string& prompt) {
    std::array<ImageMarks, 2> marks;
    if (payload.is_null())
        return marks;
    const bool sides = payload.is_object() && (payload.contains("a") || payload.contains("b"));
    if (!payload.is_object() || payload.value("v", Json()) != 1 || (sides && payload.value("unit", Json()) != kUnit))
        return fail(Code::InvalidInput, "marks on images are of a version or unit that this program does not read",
                    "It reads {\"v\": 1, \"unit\": \"pixel\", ...}.");
    if (payload.contains("a")) {
        PL_TRY(marks[0], sideOf(payload["a"], shaA, prompt, "a"));
    }
    if (payload.contains("b")) {
        PL_TRY(marks[1], sideOf(payload["b"], shaB, prompt, "b"));
    }
    // What is not read is not kept, whoever sends it: nobody would see it.
    Json known = regionsPayload(marks[0], shaA, marks[1], shaB, prompt);
    if (!sides) {
        known = {{"v", 1}};
        if (payload.contains("unit"))
            known["unit"] = kUnit;
    }
    if (payload != known)
        return fail(Code::InvalidInput, "marks on images hold parts that this program does not read, or parts that are empty",
                    "See the user guide, \"Marks on images\", for their form.");
    return marks;
}

} // namespace pl::desk
