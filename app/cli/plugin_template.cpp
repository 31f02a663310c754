// SPDX-License-Identifier: Apache-2.0
#include "app/cli/plugin_template.h"

#include <regex>
#include <utility>

#include <fmt/format.h>

#include "core/base/os/files.h"
#include "core/desk/runs/actions.h"

namespace pl::cli {

namespace {

std::string filled(std::string text, const std::string& name) {
    const std::string mark = "@NAME@";
    for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + name.size()))
        text.replace(at, mark.size(), name);
    return text;
}

} // namespace

Status writePluginTemplate(const std::string& dir, const std::string& name) {
    static const std::regex allowed("[a-z][a-z0-9_]{1,40}");
    if (!std::regex_match(name, allowed))
        return fail(Code::InvalidInput, fmt::format("'{}' cannot be a plugin's name", name),
                    "Use lower-case letters, digits and underscores, beginning with a letter.");
    if (os::exists(dir))
        return fail(Code::InvalidInput, fmt::format("{} exists already", dir), "Choose another name or remove it.");
    const std::string from = os::joinPath(desk::resourcesDir(), "plugin_template");
    std::vector<std::pair<std::string, std::string>> files;
    for (const char* file : {"manifest.json", "plugin.cpp", "CMakeLists.txt", "README.md"}) {
        auto text = os::readFile(os::joinPath(from, std::string(file) + ".in"));
        if (!text) {
            if (text.error().hint.empty())
                text.error().hint = "Set PAIRLAB_RESOURCES to the resources folder of PairLab.";
            return tl::unexpected<Error>(std::move(text).error());
        }
        files.emplace_back(file == std::string("plugin.cpp") ? name + ".cpp" : file, filled(std::move(*text), name));
    }
    PL_CHECK(os::makeDirs(dir));
    for (const auto& [file, text] : files)
        PL_CHECK(os::writeFileAtomic(os::joinPath(dir, file), text));
    return {};
}

} // namespace pl::cli
