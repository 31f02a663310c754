// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "core/desk/store/project.h"

namespace pl::desk {

/// What freezing a dataset would write.
struct DatasetRows {
    DatasetCounts counts;
    std::map<std::string, int64_t> rows; ///< by the file's name, "train.jsonl"
    int64_t images = 0;                  ///< files that the rows name
    bool ofImages = false;
    int64_t of(const std::string& file) const {
        const auto at = rows.find(file);
        return at == rows.end() ? 0 : at->second;
    }
};
/// Without writing. Fails as freezeDataset() does; that an image which is there is damaged is found only when it is frozen.
Result<DatasetRows> datasetRows(Project& project, const DatasetSpec& spec);

} // namespace pl::desk
