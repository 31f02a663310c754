// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>

#include "core/desk/exchange/rows.h"
#include "core/desk/exchange/text_formats.h"

/// What the readers of texts share; nobody else includes it.
namespace pl::desk::texts {

using Rows = std::vector<ImportRow>;

inline tl::unexpected<Error> reject(std::string why) { return fail(Code::InvalidInput, std::move(why)); }

inline bool has(const Json& row, std::initializer_list<const char*> keys) {
    return row.is_object() && std::all_of(keys.begin(), keys.end(), [&](const char* key) { return row.contains(key); });
}

/// Plain text of a message: a string, or the text parts of a list.
Result<std::string> textOf(const Json& content);
/// [{role, content}] or [{from, value}] with plain texts, roles as the field names them.
Result<Json> turnsOf(const Json& list);
/// Texts that are equal are one answer, with its best rank; fails when fewer than two are left.
Status merge(ImportRow& row);

std::unique_ptr<TextRows> argillaRows();
std::unique_ptr<TextRows> labelStudioRows();

} // namespace pl::desk::texts
