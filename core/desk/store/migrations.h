// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace pl::desk {

/// One step of the schema, run whole in one transaction. Version N is the position in the list, from 1.
struct Migration {
    std::string name; ///< file name without extension: "001_initial"
    std::string sql;
};

/// Every migration this program knows, in order: the files of resources/migrations, compiled in.
const std::vector<Migration>& migrations();

} // namespace pl::desk
