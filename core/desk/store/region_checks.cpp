// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/region_checks.h"

#include <fmt/format.h>

#include "core/base/image_upright.h"
#include "core/desk/store/impl.h"

namespace pl::desk {

Result<std::array<ImageMarks, 2>> regionsIn(Project::Impl& impl, const Json& payload, const LabelItem& item, size_t members) {
    const std::array<const Candidate*, 2> sides{&item.a, &item.b};
    const auto sha = [&](size_t i) { return members == 2 && sides[i]->kind == CandidateKind::Image ? sides[i]->sha : std::string(); };
    PL_TRY(auto marks, regionsOf(payload, sha(0), sha(1), item.prompt.content));
    for (size_t i = 0; i < 2; ++i) {
        if (marks[i].regions.empty())
            continue;
        const std::string path = impl.mediaPath(sides[i]->content);
        auto file = inspectImageFile(path);
        if (file && file->width != file->height)
            file = uprightImageFile(path);
        if (!file)
            continue; // missing or damaged: what is said of it stays, `check` reports the file
        const int64_t w = marks[i].width, h = marks[i].height;
        if (w != file->width || h != file->height)
            return fail(Code::InvalidInput,
                        fmt::format("the marks on image {} are of a picture of {} x {} pixels, and it has {} x {}", i ? "b" : "a", w, h,
                                    file->width, file->height),
                        "Coordinates are pixels of the picture in the file, whatever the scale it is shown at.");
    }
    return marks;
}

Result<std::array<ImageMarks, 2>> regionsIn(Project& project, const Json& payload, const LabelItem& item) {
    return regionsIn(project.impl(), payload, item);
}

} // namespace pl::desk
