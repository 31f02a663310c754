// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/desk/store/project.h"

namespace pl::desk {

struct ColumnMap;

/// Trl: preference rows, explicit or implicit, plain or conversational. Hh: Anthropic HH transcripts. Prompts: one a line, or
/// JSON Lines with "prompt". Then texts as others write them (text_formats.h), and images (image_import.h).
enum class ImportFormat {
    Auto, Trl, Hh, Prompts,
    UltraFeedback, HelpSteer2, HelpSteer2Preference, HelpSteer3, LmArena, RewardBench, RewardBench2, LlamaFactory, Argilla, LabelStudio, Mapped,
    PickAPic, HpdV2, ImageRewardDb, TrlImages, Folder
};
/// auto trl hh prompts ultrafeedback helpsteer2 helpsteer2_preference helpsteer3 lmarena reward_bench reward_bench_2 llama_factory
/// argilla label_studio mapped (by ImportOptions::map) pick_a_pic hpd_v2 image_reward_db trl_images folder
const char* importFormatName(ImportFormat format);
/// "auto, trl, ... or folder": for help and messages.
std::string importFormatNames();
Result<ImportFormat> importFormatOf(std::string_view name);

struct ImportOptions {
    ImportFormat format = ImportFormat::Auto;
    bool implicit = false; ///< plain texts without "prompt": take their common beginning as the prompt
    bool dryRun = false;
    Id task = 0;
    std::optional<Split> split;            ///< of every prompt, instead of the row's or the drawn one
    uint64_t maxBytes = uint64_t{2} << 30; ///< after decompression
    double maxRejectedShare = 0.5;         ///< above it the file is refused: it is of another format
    std::string annotatorName = "imported";
    std::string images; ///< folder of the image files; empty: the one the file lies in
    std::string layout; ///< of a folder of images; empty: recognised (recogniseLayout)
    std::shared_ptr<const ColumnMap> map; ///< which column is what (column_map.h): the format is Mapped then
};

struct RejectedRow {
    size_t line = 0;
    std::string reason;
    bool other = false; ///< a file of a folder that is no image by its name
};

struct ParsedFile {
    ImportFormat format = ImportFormat::Prompts;
    std::vector<ImportRow> rows;
    int64_t read = 0, rejectedCount = 0;
    std::vector<RejectedRow> rejected; ///< the first 200
    std::string note; ///< what of the file is not as usual: "Cells parted by semicolons, ..."
};

struct ImportReport {
    std::string file, sha, format;
    bool dryRun = false;
    int64_t read = 0, rejectedCount = 0;
    ImportCounts counts;
    std::vector<RejectedRow> rejected;
    int64_t imagesLeftOut = 0; ///< of rankings that are kept without them
    std::string layout;        ///< how a folder's paths were read
    std::string note;          ///< why nothing of a folder makes a pair; of a file ParsedFile::note
    Json toJson() const;
};

/// Text of a file, .gz or plain; InvalidInput when it is larger than maxBytes, Corrupt when the compressed data is torn, Unsupported
/// with the command that converts it when it is Parquet.
Result<std::string> readMaybeGzip(const std::string& path, uint64_t maxBytes);
/// ParsedFile::note of a table by its separator; empty for anything but a table, and for commas.
std::string tableNote(std::string_view text);
/// Who judged, where a row says it: annotator, annotator_id, user_id (Pick-a-Pic) or user_hash (HPDv2); else empty.
std::string annotatorIn(const Json& row);
/// Parses text already in memory, JSON Lines, one JSON array or CSV with a header; `name` is for messages. Pure.
Result<ParsedFile> parseImport(const std::string& text, const std::string& name, const ImportOptions& options);
/// The whole way; a folder, or rows that name image files, go by importImages. The same file twice adds nothing the second time.
Result<ImportReport> importFile(Project& project, const std::string& path, const ImportOptions& options = {});

} // namespace pl::desk
