// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
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

Parsed pairsOf(const std::vector<std::string>& files, const std::vector<Token>& tokens, const std::string& layout) {
    Parsed parsed;
    std::map<std::pair<std::string, std::string>, std::vector<std::pair<std::string, Draft::Side>>> groups; // prompt, seed
    std::map<std::pair<std::string, std::string>, size_t> lines;
    const bool checkpoints = layout.find("{checkpoint}") != std::string::npos;
    std::string listing;
    for (const std::string& file : files) {
        ++parsed.read;
        const size_t line = static_cast<size_t>(parsed.read);
        listing += file + "\n";
        std::map<std::string, std::string> values;
        const std::string stem = (fs::path(file).parent_path() / fs::path(file).stem()).generic_string();
        if (!text::isValidUtf8(file) || !fits(tokens, 0, stem, values)) {
            parsed.bad(line, fmt::format("{} does not follow {}", text::isValidUtf8(file) ? file : "a file's name", layout));
            continue;
        }
        std::string prompt = values["prompt"];
        std::replace(prompt.begin(), prompt.end(), '_', ' ');
        const std::pair key{prompt, checkpoints ? values["seed"] : std::string()};
        lines.try_emplace(key, line);
        groups[key].push_back({values["checkpoint"],
                               {file, values["checkpoint"], values["seed"].empty() ? 0 : std::stoull(values["seed"])}});
    }
    parsed.sha = sha256Hex(listing);
    for (const auto& [key, images] : groups) {
        const auto add = [&](std::vector<Draft::Side> sides) {
            Draft draft;
            draft.line = lines[key];
            draft.prompt = key.first;
            draft.sides = std::move(sides);
            parsed.drafts.push_back(std::move(draft));
        };
        if (images.size() == 1) {
            add({images[0].second});
            continue;
        }
        if (!checkpoints) {
            for (size_t i = 0; i + 1 < images.size(); i += 2)
                add({images[i].second, images[i + 1].second});
            if (images.size() % 2)
                add({images.back().second});
            continue;
        }
        for (size_t i = 0; i < images.size(); ++i)
            for (size_t j = i + 1; j < images.size(); ++j)
                if (images[i].first != images[j].first)
                    add({images[i].second, images[j].second});
    }
    return parsed;
}

/// Layouts that people use, likeliest first where two fit alike.
constexpr const char* kLayouts[] = {"{checkpoint}/{prompt}_{seed}", "{checkpoint}/{prompt}/{seed}", "{prompt}/{checkpoint}_{seed}",
                                    "{checkpoint}/{prompt}-{seed}", "{checkpoint}/{seed}_{prompt}", "{prompt}_{seed}",
                                    "{prompt}-{seed}",              "{prompt}/{seed}",              "{seed}_{prompt}",
                                    "{checkpoint}/{prompt}",        "{prompt}/{checkpoint}",        "{prompt}/{any}"};

bool isImageName(const std::string& file) {
    std::string extension = fs::path(file).extension().string();
    std::transform(extension.begin(), extension.end(), extension.begin(), [](unsigned char c) { return std::tolower(c); });
    return extension == ".png" || extension == ".jpg" || extension == ".jpeg" || extension == ".webp";
}

} // namespace

Result<Parsed> drafts::parseFolder(const std::string& folder, const std::string& layout) {
    PL_TRY(const auto tokens, tokensOf(layout));
    PL_TRY(const auto files, filesOf(folder));
    return pairsOf(files, tokens, layout);
}

Result<FolderLayout> recogniseLayout(const std::string& folder) {
    PL_TRY(const auto all, filesOf(folder));
    std::vector<std::string> images;
    std::copy_if(all.begin(), all.end(), std::back_inserter(images), isImageName);
    FolderLayout best;
    best.images = static_cast<int64_t>(images.size());
    for (const char* layout : kLayouts) {
        PL_TRY(const auto tokens, tokensOf(layout));
        const Parsed parsed = pairsOf(images, tokens, layout);
        FolderLayout one{layout, best.images, parsed.read - parsed.rejectedCount, 0};
        one.pairs = std::count_if(parsed.drafts.begin(), parsed.drafts.end(),
                                  [](const Draft& draft) { return draft.sides.size() > 1; });
        // One that makes no pair has not understood the folder, however many names it fits.
        if (one.pairs > 0 && one.fitting > best.fitting)
            best = std::move(one);
    }
    return best;
}

} // namespace pl::desk
