// SPDX-License-Identifier: Apache-2.0
#include "core/base/model_card.h"

#include <algorithm>

#include "core/base/json.h"
#include "core/base/os/files.h"

namespace pl {

std::string firstLine(const std::string& text) {
    for (size_t from = 0; from < text.size();) {
        const size_t end = std::min(text.find('\n', from), text.size());
        std::string line = text.substr(from, end - from);
        line.erase(0, line.find_first_not_of(" \t\r#>-"));
        while (!line.empty() && (line.back() == '\r' || line.back() == ' '))
            line.pop_back();
        if (!line.empty())
            return line.substr(0, 300);
        from = end + 1;
    }
    return {};
}

ModelCard readModelCard(const std::string& dir) {
    ModelCard out;
    if (auto card = os::readFrom(os::joinPath(dir, "README.md"), 0, 64 * 1024); card && !card->empty()) {
        std::string body = *card;
        if (body.rfind("---\n", 0) == 0) {
            const size_t end = body.find("\n---", 3);
            const std::string front = body.substr(0, end);
            const size_t at = front.find("\nlicense:");
            if (at != std::string::npos)
                out.licence = firstLine(front.substr(at + 9));
            body = end == std::string::npos ? std::string() : body.substr(std::min(end + 4, body.size()));
        }
        // The title is the folder's name again; what follows it says something.
        const size_t title = body.find("# ");
        const size_t after = title == std::string::npos ? 0 : body.find('\n', title);
        out.made = firstLine(after == std::string::npos ? body : body.substr(after));
    }
    if (out.licence.empty())
        for (const char* name : {"LICENSE", "LICENSE.txt", "LICENSE.md"})
            if (auto text = os::readFrom(os::joinPath(dir, name), 0, 4096); text && !text->empty()) {
                out.licence = firstLine(*text);
                break;
            }
    if (out.licence.empty())
        if (const auto card = readJsonFile(os::joinPath(dir, "card.json")); card && card->is_object())
            if (const auto licence = card->find("licence"); licence != card->end() && licence->is_string())
                out.licence = firstLine(licence->get<std::string>());
    return out;
}

} // namespace pl
