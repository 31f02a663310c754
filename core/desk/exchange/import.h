// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/desk/store/project.h"

namespace pl::desk {

/// Trl: preference rows, explicit or implicit, plain or conversational. Hh: Anthropic HH transcripts. Prompts: one a line, or
/// JSON Lines with "prompt". The others: images (image_import.h).
enum class ImportFormat { Auto, Trl, Hh, Prompts, PickAPic, HpdV2, ImageRewardDb, TrlImages, Folder };
/// auto trl hh prompts pick_a_pic hpd_v2 image_reward_db trl_images folder
const char* importFormatName(ImportFormat format);
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
    std::string layout = "{checkpoint}/{prompt}_{seed}"; ///< of a folder of images
};

struct RejectedRow {
    size_t line = 0;
    std::string reason;
};

struct ParsedFile {
    ImportFormat format = ImportFormat::Prompts;
    std::vector<ImportRow> rows;
    int64_t read = 0, rejectedCount = 0;
    std::vector<RejectedRow> rejected; ///< the first 200
};

struct ImportReport {
    std::string file, sha, format;
    bool dryRun = false;
    int64_t read = 0, rejectedCount = 0;
    ImportCounts counts;
    std::vector<RejectedRow> rejected;
    Json toJson() const;
};

/// Text of a file, .gz or plain; InvalidInput when it is larger than maxBytes, Corrupt when the compressed data is torn.
Result<std::string> readMaybeGzip(const std::string& path, uint64_t maxBytes);
/// Parses text already in memory; `name` is for messages. Pure.
Result<ParsedFile> parseImport(const std::string& text, const std::string& name, const ImportOptions& options);
/// The whole way; a folder, or rows that name image files, go by importImages. The same file twice adds nothing the second time.
Result<ImportReport> importFile(Project& project, const std::string& path, const ImportOptions& options = {});

} // namespace pl::desk
