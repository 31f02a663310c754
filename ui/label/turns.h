// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/json.h"
#include "ui/shell/context.h"
#include "ui/widgets/pair_view.h"

namespace pl::ui {

/// A prompt is plain text or the JSON of several turns.
inline QList<Turn> turnsOf(const std::string& content) {
    if (!content.empty() && content.front() == '[') {
        if (auto json = parseJson(content, "prompt"); json && json->is_array() && !json->empty()) {
            QList<Turn> turns;
            for (const Json& turn : *json) {
                if (!turn.is_object() || !turn.contains("role") || !turn["role"].is_string() ||
                    !turn.contains("content") || !turn["content"].is_string())
                    return {{QStringLiteral("user"), qstr(content)}};
                turns.append({qstr(turn["role"].get<std::string>()), qstr(turn["content"].get<std::string>())});
            }
            return turns;
        }
    }
    return {{QStringLiteral("user"), qstr(content)}};
}

} // namespace pl::ui
