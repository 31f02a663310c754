// SPDX-License-Identifier: Apache-2.0
// scenes: drawings of the world of the small image generator, and captions for its prompts.
#include <algorithm>
#include <cstdio>
#include <set>

#include <fmt/format.h>

#include "app/cli/desk.h"
#include "core/base/hash.h"
#include "core/base/image.h"
#include "core/base/os/files.h"
#include "core/base/os/process.h"
#include "core/rules/scene.h"

namespace pl::cli {

namespace {

struct SceneArguments {
    std::string out, caption, prompts;
    int64_t count = 20, side = 32;
    uint64_t seed = 1;
    double defects = 0;
    bool sheet = false, json = false;
};

/// Pictures beside one another, eight at most in a row, each enlarged to at least 128 pixels.
Image contactSheet(const std::vector<Image>& pictures) {
    constexpr int32_t kBetween = 8, kLeast = 128;
    const auto columns = static_cast<int32_t>(std::min<size_t>(8, pictures.size()));
    const auto rows = (static_cast<int32_t>(pictures.size()) + columns - 1) / columns;
    const int32_t side = pictures.front().width, shown = side * std::max(1, (kLeast + side - 1) / side), step = shown + kBetween;
    Image sheet = blankImage(columns * step + kBetween, rows * step + kBetween);
    std::fill(sheet.rgb.begin(), sheet.rgb.end(), uint8_t{128});
    for (size_t i = 0; i < pictures.size(); ++i) {
        const Image large = resized(pictures[i], shown, shown);
        const auto x = static_cast<size_t>(kBetween + static_cast<int32_t>(i) % columns * step);
        const auto y = static_cast<size_t>(kBetween + static_cast<int32_t>(i) / columns * step);
        const size_t line = static_cast<size_t>(shown) * 3;
        for (size_t row = 0; row < static_cast<size_t>(shown); ++row)
            std::copy_n(large.rgb.begin() + static_cast<std::ptrdiff_t>(row * line), line,
                        sheet.rgb.begin() + static_cast<std::ptrdiff_t>(((y + row) * static_cast<size_t>(sheet.width) + x) * 3));
    }
    return sheet;
}

/// "TRAIN,DEV,TEST" distinct captions as prompt rows.
Result<std::string> promptRows(const std::string& sizes, uint64_t seed) {
    int train = -1, dev = -1, test = -1, end = 0;
    if (std::sscanf(sizes.c_str(), "%7d,%7d,%7d%n", &train, &dev, &test, &end) != 3 || static_cast<size_t>(end) != sizes.size() ||
        train < 0 || dev < 0 || test < 0 || train + dev + test > 100000)
        return fail(Code::InvalidInput, fmt::format("\"{}\" is not three numbers that add up to at most 100000", sizes),
                    "Write for example --prompts 400,100,200.");
    std::set<std::string> seen;
    std::string out;
    uint64_t next = 0;
    for (const auto& [split, number] : {std::pair{"train", train}, {"dev", dev}, {"test", test}})
        for (int i = 0; i < number; ++i) {
            std::string text;
            do
                text = rules::captionText(rules::drawCaption(mix64(seed) + next++));
            while (!seen.insert(text).second);
            // The order of keys of every file of prompts.
            out += fmt::format("{{\"id\":\"scene-{}-{:04}\",\"prompt\":\"{}\",\"split\":\"{}\",\"kind\":\"scene\"}}\n", split, i, text, split);
        }
    return out;
}

Result<int> scenes(const SceneArguments& a) {
    if (!a.prompts.empty()) {
        PL_TRY(const std::string rows, promptRows(a.prompts, a.seed));
        PL_CHECK(os::writeFileAtomic(a.out, rows));
        std::printf("%s: %lld prompts\n", a.out.c_str(), static_cast<long long>(std::count(rows.begin(), rows.end(), '\n')));
        return 0;
    }
    const auto parsed = rules::parseCaption(a.caption);
    for (const auto& word : parsed.ignored)
        std::fprintf(stderr, "pairlab-cli: \"%s\" has no effect: %s\n", word.word.c_str(),
                     word.why == rules::ParsedCaption::Why::Unknown ? "not in the vocabulary" : "no such thing here, or said twice");
    PL_CHECK(os::makeDirs(a.out));
    std::vector<Image> shown;
    std::string captions;
    int64_t obeyed = 0;
    for (int64_t i = 0; i < a.count; ++i) {
        if (os::stopSignalSeen())
            return fail(Code::Cancelled, fmt::format("stopped after {} drawings", i), "Run it again: the same seed draws the same.");
        const uint64_t seed = mix64(a.seed) + static_cast<uint64_t>(i);
        const rules::Caption caption = a.caption.empty() ? rules::drawCaption(seed) : parsed.caption;
        const std::string text = a.caption.empty() ? rules::captionText(caption, seed) : a.caption;
        const rules::Scene scene = rules::drawScene(caption, seed, a.defects);
        const Image image = rules::renderScene(scene, static_cast<int32_t>(a.side));
        const std::string name = fmt::format("scene-{:05}.png", i);
        PL_CHECK(writePng(os::joinPath(a.out, name), image, {{"prompt", text}, {"seed", std::to_string(seed)}}));
        obeyed += rules::obedienceOf(caption, rules::measureScene(image)).all();
        captions += dumpJson({{"image", name}, {"prompt", text}, {"truth", rules::captionText(scene.truth)}, {"seed", seed}}) + "\n";
        if (a.sheet && shown.size() < 64)
            shown.push_back(image);
    }
    PL_CHECK(os::writeFileAtomic(os::joinPath(a.out, "captions.jsonl"), captions));
    if (!shown.empty())
        PL_CHECK(writePng(os::joinPath(a.out, "sheet.png"), contactSheet(shown)));
    if (a.json)
        printJson({{"drawn", a.count}, {"obeyed", obeyed}, {"out", a.out}});
    else
        std::printf("%lld drawings in %s; a rule reads %lld of them as their caption says\n", static_cast<long long>(a.count),
                    a.out.c_str(), static_cast<long long>(obeyed));
    return 0;
}

} // namespace

void addSceneCommands(Commands& commands) {
    auto a = std::make_shared<SceneArguments>();
    auto* sub = commands.add("scenes", "Draw scenes of the small image generator's world (PNG files and captions.jsonl), or captions for prompts",
                             [a] { return scenes(*a); });
    sub->add_option("--out", a->out, "Folder of the drawings; with --prompts the file")->required();
    sub->add_option("--count", a->count, "How many drawings")->check(CLI::Range(int64_t{1}, int64_t{100000}));
    sub->add_option("--seed", a->seed, "The same seed draws the same");
    sub->add_option("--side", a->side, "Pixels a side")->check(CLI::Range(int64_t{1}, int64_t{4096}));
    sub->add_option("--caption", a->caption, "All of this caption; without it each has its own");
    sub->add_option("--defects", a->defects, "Share with a fault: grain, blur, a wrong colour, a missing object")->check(CLI::Range(0.0, 1.0));
    sub->add_flag("--sheet", a->sheet, "Also sheet.png: the first 64 beside one another");
    sub->add_option("--prompts", a->prompts, "TRAIN,DEV,TEST: instead of drawings, a file of so many distinct captions as prompts");
    sub->add_flag("--json", a->json, "JSON summary");
}

} // namespace pl::cli
