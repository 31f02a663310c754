// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

/// What a person marks on the images of a pair: points and boxes with a tag, and the words of the prompt that an image does not show.
/// Coordinates are whole pixels of the picture in the file, upright as it is shown (EXIF), counted from 0 at the top left, x to the
/// right and y down. A point is a pixel; a box begins at a pixel and covers width x height of them. Offsets of words count Unicode
/// code points, as those of text_marks.h do.
namespace pl::desk {

/// The tags every task has; a rubric's reasons or attributes may be tags as well.
inline constexpr std::array<const char*, 3> kRegionTags{"artifact", "misaligned", "good"};

struct ImageRegion {
    int64_t x = 0, y = 0;
    int64_t width = 0, height = 0; ///< 0: a point
    std::string tag;
    bool isPoint() const { return width == 0; }
    /// Does it cover this pixel?
    bool covers(int64_t atX, int64_t atY) const;
    bool sameArea(const ImageRegion& other) const {
        return x == other.x && y == other.y && width == other.width && height == other.height;
    }
    bool operator==(const ImageRegion&) const = default;
};

/// What is marked on one image. Regions stand in the order in which they were put.
struct ImageMarks {
    int64_t width = 0, height = 0; ///< of the picture; only with regions
    std::vector<ImageRegion> regions;
    std::vector<std::array<int64_t, 2>> struck; ///< [begin, end) of the words asked for, sorted, apart
    bool empty() const { return regions.empty() && struck.empty(); }
    bool operator==(const ImageMarks&) const = default;
};

/// A region on the same pixels as one that is there gives it its tag, else it comes after the others.
void putRegion(std::vector<ImageRegion>& regions, ImageRegion region);
/// Strikes [begin, end), or takes it back when exactly that is struck. What overlaps gives way.
void toggleStruck(std::vector<std::array<int64_t, 2>>& struck, int64_t begin, int64_t end);

/// The words that an image was asked for: a plain prompt, or the last turn of a conversation. Struck words are of this text.
std::string wordsAskedFor(const std::string& prompt);

/// The payload kept with a judgement (Judgement::regions), null when nothing is marked:
/// {"v": 1, "unit": "pixel", "a": {"sha256": of the image, "size": [width, height],
///  "regions": [{"x", "y", "tag"}, {"x", "y", "width", "height", "tag"}, ...],
///  "struck": {"unit": "code_point", "sha256": of the UTF-8 of the words asked for, "ranges": [[start, end], ...]}}, "b": ...};
/// sides in content space. "sha256" is Candidate::sha, that of the image's file in the project that it was added to: the same in a
/// package, whose file holds the pixels written anew, so that a return is read where it came from. "size" and "regions" only where there
/// are regions, "struck" only where words are.
Json regionsPayload(const ImageMarks& a, const std::string& shaA, const ImageMarks& b, const std::string& shaB,
                    const std::string& prompt);
/// And back, held to the images ("": that side is no image) and the prompt. Fails when it is of another version or unit, of another image
/// or prompt, when a region lies outside of the size it names or is no whole number of pixels, on more than 1000 regions or words, and
/// on tags that are empty, longer than 40 bytes or hold control characters, and on whatever regionsPayload()
/// would not write. Null, and a payload of "v" and "unit" alone, give no marks. Whether
/// the size is that of the file is for the store to say, which has it.
Result<std::array<ImageMarks, 2>> regionsOf(const Json& payload, const std::string& shaA, const std::string& shaB,
                                            const std::string& prompt);

} // namespace pl::desk
