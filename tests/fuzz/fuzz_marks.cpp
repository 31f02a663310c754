// SPDX-License-Identifier: Apache-2.0
// Marks as a package, an import or a vote brings them: spans and the first wrong step in texts, regions and struck words on images, orders of
// sets. Whatever is accepted lies inside of what it is about and comes back as it was.
#include "core/base/hash.h"
#include "core/desk/domain/image_marks.h"
#include "core/desk/domain/ranking.h"
#include "core/desk/domain/text_marks.h"
#include "core/text/utf8.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace pl;
using namespace pl::desk;

const std::string kA = "1. Take 3 boxes.\n2. 3 x 4 = 11 \xf0\x9f\x99\x82\n3. So \xc3\xa9" "leven.", kB = "Twelve.\nAll in all.";
const std::string kShaA(64, 'a'), kShaB(64, 'b');
const std::string kPrompt = "a red \xe7\x8b\x90 beside a large box";

AnswerMarks textMarks() {
    AnswerMarks marks;
    setSpan(marks.spans, {0, 5, SpanLabel::Good});
    setSpan(marks.spans, {7, 9, SpanLabel::Bad});
    marks.steps = splitSteps(kA);
    marks.firstWrong = 1;
    return marks;
}
ImageMarks imageMarks() {
    ImageMarks marks;
    marks.width = 640;
    marks.height = 480;
    putRegion(marks.regions, {3, 4, 10, 8, "artifact"});
    putRegion(marks.regions, {639, 479, 0, 0, "too dark"});
    toggleStruck(marks.struck, 2, 5);
    toggleStruck(marks.struck, 8, 14);
    return marks;
}

void texts(const Json& payload) {
    const auto marks = marksOf(payload, kA, kB);
    if (!marks)
        return fuzz::expect(!marks.error().toString().empty());
    for (size_t side = 0; side < 2; ++side) {
        const AnswerMarks& said = (*marks)[side];
        const std::string& text = side ? kB : kA;
        const auto length = static_cast<int64_t>(text::codePointCount(text));
        int64_t last = 0;
        for (const TextSpan& span : said.spans) {
            fuzz::expect(span.begin >= last && span.begin < span.end && span.end <= length);
            fuzz::expect(text::isValidUtf8(textPart(text, span.begin, span.end)) && !textPart(text, span.begin, span.end).empty());
            last = span.end;
        }
        last = 0;
        const auto steps = said.steps ? said.steps->ranges : decltype(TextSteps::ranges)();
        for (const auto& [begin, end] : steps) {
            fuzz::expect(begin >= last && begin < end && end <= length);
            last = end;
        }
        fuzz::expect(said.firstWrong >= -1 && said.firstWrong < std::max<int64_t>(1, static_cast<int64_t>(steps.size())));
    }
    const auto again = marksOf(marksPayload((*marks)[0], kA, (*marks)[1], kB), kA, kB);
    fuzz::expect(again && *again == *marks);
}

void images(const Json& payload) {
    const auto marks = regionsOf(payload, kShaA, kShaB, kPrompt);
    (void)regionsOf(payload, "", kShaB, kPrompt);
    if (!marks)
        return fuzz::expect(!marks.error().toString().empty());
    const auto length = static_cast<int64_t>(text::codePointCount(kPrompt));
    for (const ImageMarks& said : *marks) {
        for (const ImageRegion& region : said.regions) {
            fuzz::expect(region.x >= 0 && region.y >= 0 && region.width >= 0 && region.height >= 0);
            fuzz::expect(region.x + std::max<int64_t>(1, region.width) <= said.width && region.y + std::max<int64_t>(1, region.height) <= said.height);
            fuzz::expect(region.covers(region.x, region.y) && !region.tag.empty() && text::isValidUtf8(region.tag));
        }
        int64_t last = 0;
        for (const auto& [begin, end] : said.struck) {
            fuzz::expect(begin >= last && begin < end && end <= length);
            last = end;
        }
    }
    const bool none = (*marks)[0].empty() && (*marks)[1].empty();
    fuzz::expect(none || regionsPayload((*marks)[0], kShaA, (*marks)[1], kShaB, kPrompt) == payload);
}

void orders(const Json& payload) {
    for (const size_t members : {size_t{2}, size_t{3}, size_t{4}, Ranking::kMost}) {
        const auto ranking = Ranking::of(payload, members);
        if (!ranking) {
            fuzz::expect(!ranking.error().toString().empty());
            continue;
        }
        fuzz::expect(ranking->ranks.size() == members);
        fuzz::expect(ranking->pairs() >= 0 && ranking->pairs() <= static_cast<int64_t>(members * (members - 1) / 2));
        const auto again = Ranking::of(ranking->toJson(), members);
        fuzz::expect(again && *again == *ranking);
        const Judgement vote = judgementOf(*ranking);
        fuzz::expect(vote.winner == Winner::Tie || vote.tieKind == TieKind::None);
    }
}

} // namespace

const std::vector<std::string>& fuzz::seeds() {
    static const std::vector<std::string> all = [] {
        AnswerMarks right;
        right.steps = splitSteps(kB);
        ImageMarks other;
        toggleStruck(other.struck, 0, 1);
        std::vector<std::string> out;
        for (const Json& each : {marksPayload(textMarks(), kA, {}, kB), marksPayload({}, kA, right, kB), regionsPayload(imageMarks(), kShaA, {}, kShaB, kPrompt),
                                 regionsPayload(imageMarks(), kShaA, other, kShaB, kPrompt), Json{{"v", 1}, {"unit", "pixel"}},
                                 Json{{"v", 1}, {"ranks", {2, 1, 3}}}, Json{{"v", 1}, {"ranks", {1, 2, 2, 4}}, {"unordered", {2}}}})
            out.push_back(dumpJson(each));
        return out;
    }();
    return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const auto json = pl::parseJson(fuzz::view(data, size), "marks");
    if (!json)
        return 0;
    texts(*json);
    images(*json);
    orders(*json);
    return 0;
}
