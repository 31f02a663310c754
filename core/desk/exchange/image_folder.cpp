// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/desk/exchange/image_drafts.h"
#include "core/text/utf8.h"

namespace pl::desk {

using namespace drafts;

namespace {

namespace fs = std::filesystem;

constexpr size_t kMostFiles = 1'000'000;
constexpr int64_t kMostPairs = 200'000; ///< each pair is held in memory until it is imported

struct Token {
    std::string literal; ///< empty: a field
    std::string field;
};

Result<std::vector<Token>> tokensOf(const std::string& layout) {
    std::vector<Token> tokens;
    std::set<std::string> seen;
    for (size_t at = 0; at < layout.size();) {
        if (layout[at] != '{') {
            const size_t end = std::min(layout.find('{', at), layout.size());
            tokens.push_back({layout.substr(at, end - at), {}});
            at = end;
            continue;
        }
        const size_t end = layout.find('}', at);
        const std::string name = end == std::string::npos ? "" : layout.substr(at + 1, end - at - 1);
        if (name != "checkpoint" && name != "prompt" && name != "seed" && name != "any")
            return fail(Code::InvalidInput, fmt::format("the layout \"{}\" has an unknown field", layout),
                        "Known are {checkpoint}, {prompt}, {seed} and {any}.");
        if ((name != "any" && !seen.insert(name).second) || (!tokens.empty() && !tokens.back().field.empty()) ||
            tokens.size() > 12)
            return fail(Code::InvalidInput, fmt::format("the layout \"{}\" cannot be read back", layout),
                        "Use each field once and put something between two fields, as in {checkpoint}/{prompt}_{seed}.");
        tokens.push_back({{}, name});
        at = end + 1;
    }
    if (!seen.count("prompt"))
        return fail(Code::InvalidInput, fmt::format("the layout \"{}\" has no {{prompt}}", layout),
                    "As in {checkpoint}/{prompt}_{seed}.");
    return tokens;
}

bool fits(const std::vector<Token>& tokens, size_t token, std::string_view rest, std::map<std::string, std::string>& values) {
    if (token == tokens.size())
        return rest.empty();
    const Token& one = tokens[token];
    if (one.field.empty())
        return rest.substr(0, one.literal.size()) == one.literal &&
               fits(tokens, token + 1, rest.substr(one.literal.size()), values);
    size_t most = one.field == "seed" ? rest.find_first_not_of("0123456789") : rest.find('/');
    most = std::min({most, rest.size(), one.field == "seed" ? size_t{18} : rest.size()});
    for (size_t n = most; n > 0; --n)
        if (fits(tokens, token + 1, rest.substr(n), values)) {
            values[one.field] = std::string(rest.substr(0, n));
            return true;
        }
    return false;
}

/// Regular files below a folder, relative to it, sorted; links are not followed.
Result<std::vector<std::string>> filesOf(const std::string& folder) {
    if (!os::isDir(folder))
        return fail(Code::InvalidInput, fmt::format("{} is no folder", folder), "Give the folder of the images.");
    std::vector<std::string> files;
    std::error_code error;
    for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        if (it->is_symlink(error) || !it->is_regular_file(error))
            continue;
        files.push_back(fs::relative(it->path(), folder, error).generic_string());
        if (files.size() > kMostFiles)
            return fail(Code::InvalidInput, fmt::format("{} holds more than {} files", folder, kMostFiles));
    }
    if (error)
        return fail(Code::Io, fmt::format("cannot read {}: {}", folder, error.message()));
    std::sort(files.begin(), files.end());
    return files;
}

bool isImageName(const std::string& file) {
    std::string extension = fs::path(file).extension().string();
    std::transform(extension.begin(), extension.end(), extension.begin(), [](unsigned char c) { return std::tolower(c); });
    return extension == ".png" || extension == ".jpg" || extension == ".jpeg" || extension == ".webp";
}

/// As in red_fox_17.png.
bool endsInNumber(const std::string& file) {
    const std::string stem = fs::path(file).stem().string();
    const size_t end = stem.find_last_not_of("0123456789");
    return end != std::string::npos && end + 1 < stem.size() && stem[end] == '_';
}

/// As in step_300.png or ckpt-7.png: the number is of the checkpoint, not of a seed.
bool namesStep(const std::string& file) {
    std::string stem = fs::path(file).stem().string();
    const size_t end = stem.find_last_not_of("0123456789");
    if (end == std::string::npos || end + 1 == stem.size())
        return false;
    stem.resize(stem[end] == '_' || stem[end] == '-' ? end : end + 1);
    std::transform(stem.begin(), stem.end(), stem.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const char* word : {"step", "steps", "epoch", "iter", "iteration", "checkpoint", "ckpt"})
        if (stem == word)
            return true;
    return false;
}

/// Images of one prompt and, where checkpoints are told apart, one seed.
struct Group {
    size_t line = 0; ///< of its first file
    std::vector<Draft::Side> sides;
};

/// A folder's files by what a layout reads out of their names.
struct Grouped {
    Parsed parsed; ///< without pairs
    bool checkpoints = false;
    std::map<std::pair<std::string, uint64_t>, Group> groups; ///< prompt, seed

    /// So many pairs come of it; none is made.
    int64_t pairs() const {
        const auto among = [](int64_t n) { return n * (n - 1) / 2; };
        int64_t all = 0;
        for (const auto& [key, group] : groups) {
            const auto n = static_cast<int64_t>(group.sides.size());
            if (!checkpoints) {
                all += n / 2;
                continue;
            }
            std::map<std::string_view, int64_t> each;
            for (const Draft::Side& side : group.sides)
                ++each[side.model];
            all += among(n);
            for (const auto& [checkpoint, own] : each)
                all -= among(own);
        }
        return all;
    }
};

Grouped groupsOf(const std::vector<std::string>& files, const std::vector<Token>& tokens, const std::string& layout) {
    Grouped grouped;
    Parsed& parsed = grouped.parsed;
    grouped.checkpoints = layout.find("{checkpoint}") != std::string::npos;
    std::string listing;
    for (const std::string& file : files) {
        ++parsed.read;
        const size_t line = static_cast<size_t>(parsed.read);
        listing += file + "\n";
        std::map<std::string, std::string> values;
        const bool readable = text::isValidUtf8(file);
        if (readable && !isImageName(file)) {
            parsed.bad(line, fmt::format("{} is no PNG, JPEG or WebP file by its name", file), true);
            continue;
        }
        const std::string stem = (fs::path(file).parent_path() / fs::path(file).stem()).generic_string();
        if (!readable || !fits(tokens, 0, stem, values)) {
            parsed.bad(line, fmt::format("{} does not follow {}", readable ? file : "a file's name", layout));
            continue;
        }
        std::string prompt = values["prompt"];
        std::replace(prompt.begin(), prompt.end(), '_', ' ');
        const uint64_t seed = values["seed"].empty() ? 0 : std::stoull(values["seed"]);
        Group& group = grouped.groups[{prompt, grouped.checkpoints ? seed : 0}];
        if (group.sides.empty())
            group.line = line;
        group.sides.push_back({file, values["checkpoint"], seed, line});
    }
    parsed.sha = sha256Hex(listing);
    return grouped;
}

/// Why no two images make a pair, with the two that come nearest.
std::string whyNoPair(const Grouped& grouped) {
    struct Near {
        std::string small, prompt; ///< the prompt in small letters, and as it is
        uint64_t seed;
        const Draft::Side* side;
    };
    std::vector<Near> all;
    for (const auto& [key, group] : grouped.groups)
        for (const Draft::Side& side : group.sides) {
            std::string small = key.first;
            std::transform(small.begin(), small.end(), small.begin(), [](unsigned char c) { return std::tolower(c); });
            all.push_back({std::move(small), key.first, key.second, &side});
        }
    std::stable_sort(all.begin(), all.end(), [](const Near& a, const Near& b) { return a.small < b.small; });
    const Near *first = nullptr, *second = nullptr;
    size_t best = 0;
    for (size_t i = 0; i + 1 < all.size(); ++i) {
        const Near &a = all[i], &b = all[i + 1];
        if (grouped.checkpoints && a.side->model == b.side->model)
            continue;
        const size_t least = std::min(a.small.size(), b.small.size());
        const auto end = std::mismatch(a.small.begin(), a.small.begin() + static_cast<std::ptrdiff_t>(least), b.small.begin());
        const size_t common = 1 + static_cast<size_t>(end.first - a.small.begin()) + (a.prompt == b.prompt ? 1 : 0);
        if (common > best) {
            best = common;
            first = &a;
            second = &b;
        }
    }
    if (!first)
        return grouped.checkpoints && all.size() > 1
                   ? fmt::format("no two images make a pair: all are of the checkpoint \"{}\"", all[0].side->model)
                   : "no two images make a pair: there is one image";
    return fmt::format("no two images make a pair; nearest are {} and {}, with the {}", first->side->file, second->side->file,
                       first->prompt == second->prompt ? fmt::format("seeds {} and {}", first->seed, second->seed)
                                                       : fmt::format("prompts \"{}\" and \"{}\"", first->prompt, second->prompt));
}

Parsed pairsOf(Grouped grouped) {
    Parsed parsed = std::move(grouped.parsed);
    if (!grouped.groups.empty() && grouped.pairs() == 0)
        parsed.note = whyNoPair(grouped);
    for (const auto& [key, group] : grouped.groups) {
        const auto add = [&, &prompt = key.first, &group = group](std::vector<Draft::Side> sides) {
            Draft draft;
            draft.line = group.line;
            draft.prompt = prompt;
            draft.sides = std::move(sides);
            parsed.drafts.push_back(std::move(draft));
        };
        const auto& images = group.sides;
        if (images.size() == 1) {
            add({images[0]});
            continue;
        }
        if (!grouped.checkpoints) {
            for (size_t i = 0; i + 1 < images.size(); i += 2)
                add({images[i], images[i + 1]});
            if (images.size() % 2)
                add({images.back()});
            continue;
        }
        for (size_t i = 0; i < images.size(); ++i)
            for (size_t j = i + 1; j < images.size(); ++j)
                if (images[i].model != images[j].model)
                    add({images[i], images[j]});
    }
    return parsed;
}

/// Layouts that people use, likeliest first where two fit alike.
constexpr const char* kLayouts[] = {"{checkpoint}/{prompt}_{seed}", "{checkpoint}/{prompt}/{seed}", "{prompt}/{checkpoint}_{seed}",
                                    "{checkpoint}/{prompt}-{seed}", "{checkpoint}/{seed}_{prompt}", "{prompt}_{seed}",
                                    "{prompt}-{seed}",              "{prompt}/{seed}",              "{seed}_{prompt}",
                                    "{checkpoint}/{prompt}",        "{prompt}/{checkpoint}",        "{prompt}/{any}"};

} // namespace

Result<Parsed> drafts::parseFolder(const std::string& folder, const std::string& layout) {
    PL_TRY(const auto tokens, tokensOf(layout));
    PL_TRY(const auto files, filesOf(folder));
    Grouped grouped = groupsOf(files, tokens, layout);
    if (const int64_t pairs = grouped.pairs(); pairs > kMostPairs)
        return fail(Code::InvalidInput,
                    fmt::format("{} read as {} makes {} pairs, more than {}", folder, layout, pairs, kMostPairs),
                    "Give a layout whose {prompt} and {seed} tell the images apart, or a folder with fewer of them.");
    return pairsOf(std::move(grouped));
}

Result<FolderLayout> recogniseLayout(const std::string& folder) {
    PL_TRY(const auto all, filesOf(folder));
    std::vector<std::string> images;
    std::copy_if(all.begin(), all.end(), std::back_inserter(images), isImageName);
    FolderLayout best;
    best.images = static_cast<int64_t>(images.size());
    // Names that all end in a number say prompt and seed. Read otherwise, the folder of one checkpoint would pass for that of a
    // prompt, and its prompts for checkpoints.
    const bool steps = !images.empty() && std::all_of(images.begin(), images.end(), namesStep);
    const bool seeded = !steps && !images.empty() && std::all_of(images.begin(), images.end(), endsInNumber);
    const bool together = std::all_of(images.begin(), images.end(), [&](const std::string& file) {
        return fs::path(file).parent_path() == fs::path(images[0]).parent_path();
    });
    for (const std::string layout : kLayouts) {
        if (steps && !layout.ends_with("/{checkpoint}"))
            continue;
        if (seeded && (layout.find("{seed}") == layout.npos || (together && layout.starts_with("{prompt}/"))))
            continue;
        PL_TRY(const auto tokens, tokensOf(layout));
        const Grouped grouped = groupsOf(images, tokens, layout);
        FolderLayout one{layout, best.images, grouped.parsed.read - grouped.parsed.rejectedCount, grouped.pairs()};
        // One that makes no pair has not understood the folder, however many names it fits.
        if (one.pairs > 0 && one.fitting > best.fitting)
            best = std::move(one);
    }
    return best;
}

} // namespace pl::desk
