// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/desk/exchange/image_import.h"

/// What the readers of image rows and of image folders share; nobody else includes it.
namespace pl::desk::drafts {

inline constexpr size_t kMostReasons = 200;

inline tl::unexpected<Error> reject(std::string why) { return fail(Code::InvalidInput, std::move(why)); }

/// A row whose images are still paths.
struct Draft {
    size_t line = 0;
    std::string prompt;
    struct Side {
        std::string file, model;
        uint64_t seed = 0;
        size_t line = 0; ///< of its own, where a row or file is one image
    };
    std::vector<Side> sides;
    std::vector<int> ranks;
    std::optional<int> strength;
    std::optional<Split> split;
    std::optional<AnnotatorKind> by;
    std::string annotator;
};

struct Parsed {
    std::vector<Draft> drafts;
    int64_t read = 0, rejectedCount = 0;
    std::vector<RejectedRow> rejected;
    std::string sha;
    int64_t others = 0;        ///< of the rejected: files of a folder that are no images by their names
    int64_t imagesLeftOut = 0; ///< of rows that are kept without them
    std::string note;          ///< why nothing makes a pair
    void bad(size_t line, const std::string& why, bool other = false) {
        ++rejectedCount;
        others += other;
        tell(line, why, other);
    }
    void tell(size_t line, const std::string& why, bool other = false) {
        if (rejected.size() < kMostReasons)
            rejected.push_back({line, why, other});
    }
};

/// Image files of a folder as pairs, by what `layout` reads out of their paths; files of other names are left out. No file is
/// opened. Refused where it would make more than 200,000 pairs.
Result<Parsed> parseFolder(const std::string& folder, const std::string& layout);

} // namespace pl::desk::drafts
