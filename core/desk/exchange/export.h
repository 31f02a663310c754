// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/desk/store/project.h"

namespace pl::desk {

struct ExportReport {
    std::string file, dataset; ///< the dataset's hash
    int64_t rows = 0, ties = 0, unpaired = 0, rankings = 0, images = 0;
    std::vector<std::string> files; ///< everything written
    std::vector<std::string> notes; ///< what became of votes that the format cannot carry
    DatasetCounts counts;
    Json toJson() const;
};

/// Freezes the votes (spec) and writes OUT as TRL's explicit preference rows, with ties and thumbs, which that format cannot
/// carry, beside it in OUT.ties.jsonl and OUT.unpaired.jsonl, and OUT.manifest.json. Votes on images become TRL's vision form:
/// "images" beside messages with {"type": "image"} parts; k-way rankings lie in OUT.rankings.jsonl, the files in images/ beside OUT.
Result<ExportReport> exportTrl(Project& project, const DatasetSpec& spec, const std::string& out);
/// Votes on images in Pick-a-Pic's columns (caption, image_0/1, label_0/1, model_0/1, ...), with paths below images/ for the bytes;
/// ties are rows (0.5/0.5), strengths and thumbs are lost, rankings lie in OUT.rankings.jsonl.
Result<ExportReport> exportPickAPic(Project& project, const DatasetSpec& spec, const std::string& out);

} // namespace pl::desk
