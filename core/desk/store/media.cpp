// SPDX-License-Identifier: Apache-2.0
// Image files by their SHA-256. The database only knows the hashes; a file that is missing or damaged is reported, and whatever
// needs it says so, but the project goes on.
#include <filesystem>

#include "core/base/image_file.h"
#include "core/base/records.h"
#include "core/desk/store/impl.h"

namespace pl::desk {

std::string Project::Impl::mediaPath(const std::string& sha) const {
    return os::joinPath(os::joinPath(os::joinPath(dir, "media"), sha.substr(0, 2)), sha);
}

std::string Project::mediaPath(const std::string& sha) const { return m->mediaPath(sha); }

Result<std::string> Project::addMedia(const std::string& path) { return m->storeMedia(path, {}, Impl::Take::Copy); }

Result<std::string> Project::Impl::storeMedia(const std::string& path, const std::string& expected, Take take,
                                              ImageInfo* info) {
    PL_CHECK(inspectImageFile(path)); // a link or another kind of file is not even copied
    // Aside, then looked at and renamed: what has a hash as its name is whole, whoever writes to the original meanwhile.
    const std::string aside = os::joinPath(os::joinPath(dir, "media"), kPartialMedia + newUuid());
    const auto stored = [&]() -> Result<std::string> {
        PL_CHECK(take == Take::Link ? os::linkOrCopy(path, aside) : os::copyFile(path, aside));
        PL_TRY(ImageInfo found, inspectImageFile(aside));
        PL_TRY(const std::string sha, sha256File(aside));
        if (!expected.empty() && sha != expected)
            return fail(Code::Corrupt, fmt::format("{} is not the file it was announced as: its SHA-256 is {}", path, sha),
                        "Make it again.");
        if (info)
            *info = std::move(found);
        const std::string target = mediaPath(sha);
        if (os::exists(target)) {
            const auto there = sha256File(target);
            if (there && *there == sha)
                return sha;
        }
        PL_CHECK(os::makeDirs(os::parentDir(target)));
        if (options.durable)
            PL_CHECK(os::fsyncPath(aside));
        PL_CHECK(os::renamePath(aside, target));
        return sha;
    }();
    if (os::exists(aside))
        (void)os::removeTree(aside);
    return stored;
}

Result<std::string> Project::Impl::mediaRef(const std::string& sha, bool thorough) const {
    const std::string path = mediaPath(sha);
    PL_TRY(const ImageInfo info, inspectImageFile(path));
    if (thorough) {
        PL_TRY(const std::string real, sha256File(path));
        if (real != sha)
            return fail(Code::Corrupt, fmt::format("{} is not the image it was saved as", path),
                        "Put a copy of it back, or leave its pairs out.");
    }
    return imageRef(sha, info.extension);
}

void Project::Impl::checkMedia(std::vector<std::string>& problems, size_t most) {
    auto rows = query("SELECT media_sha, min(id), count(*) FROM candidates WHERE media_sha IS NOT NULL AND withdrawn = 0 "
                      "GROUP BY media_sha");
    while (rows.step() && problems.size() < most) {
        const std::string sha = rows.text(0), path = mediaPath(sha);
        const auto bytes = os::readFile(path, ImageLimits().maxBytes);
        std::string why = !os::exists(path) ? "missing" : !bytes ? "not readable" : sha256Hex(*bytes) != sha ? "damaged" : "";
        if (why.empty()) {
            const auto whole = checkImage(*bytes, "the file"); // what was torn when it came in has the hash it had then
            if (whole)
                continue;
            why = "of no use: " + whole.error().message;
        }
        const int64_t others = rows.integer(2) - 1;
        problems.push_back(fmt::format("the image of answer {}{} is {}: {}", rows.integer(1),
                                       others ? fmt::format(" and {} more", others) : "", why, path));
    }
}

} // namespace pl::desk
