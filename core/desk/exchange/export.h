// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/desk/store/project.h"

namespace pl::desk {

struct ExportReport {
    std::string file, dataset; ///< the dataset's hash
    int64_t rows = 0;          ///< preferences
    int64_t ties = 0, unpaired = 0, rankings = 0, images = 0;
    int64_t lines = 0;         ///< rows of the file itself: preferences, and ties and rankings where its form has room for them
    bool tiesInside = false, rankingsInside = false, unpairedLost = false; ///< lost: the form has none
    std::vector<std::string> files; ///< everything written
    std::vector<std::string> notes; ///< what became of votes that the format cannot carry
    DatasetCounts counts;
    Json toJson() const;
    /// "42 rows (23 preferences, 19 ties); beside it 40 images".
    std::string toString() const;
};

/// Freezes the votes (spec) and writes OUT as TRL's explicit preference rows, with ties and thumbs, which that format cannot
/// carry, beside it in OUT.ties.jsonl and OUT.unpaired.jsonl, and OUT.manifest.json. What an earlier export to the same path left
/// beside it and this one does not write is removed. Votes on images become TRL's vision form:
/// "images" beside messages with {"type": "image"} parts; k-way rankings lie in OUT.rankings.jsonl, the files in images/ beside OUT.
Result<ExportReport> exportTrl(Project& project, const DatasetSpec& spec, const std::string& out);
/// The forms votes on images are written in, with paths below images/ (beside OUT) for the bytes. What a form has no place for is
/// left out and said in the report; id, split, annotator and provenance are columns beside its own.
///   trl              see exportTrl
///   pick_a_pic       JSON Lines: caption, image_0/1, label_0/1, model_0/1, seed_0/1; ties are rows (0.5/0.5); rankings lie in
///                    OUT.rankings.jsonl
///   hpd_v2           one JSON array: prompt, file_path[2], human_preference[2] (its training form); ties and rankings, as prompt,
///                    image_path[], rank[] (its test form), in OUT.rankings.json
///   image_reward_db  one JSON array: id, prompt, generations[], ranking[]; pairs, ties (equal ranks) and rankings
enum class ImageForm { Trl, PickAPic, HpdV2, ImageRewardDb };
const char* imageFormName(ImageForm form);
Result<ImageForm> imageFormOf(std::string_view name);
/// Freezes the votes on images (spec) and writes them, with OUT.manifest.json. The same votes give the same bytes. InvalidInput where a link
/// stands in place of images/ or of one of its files.
Result<ExportReport> exportImages(Project& project, const DatasetSpec& spec, const std::string& out, ImageForm form);
/// What exportTrl() (ImageForm::Trl) or exportImages() would report, but for its files and hashes, without writing anything.
Result<ExportReport> countRows(Project& project, const DatasetSpec& spec, ImageForm form);

} // namespace pl::desk
