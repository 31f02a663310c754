// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "core/desk/domain/image_marks.h"
#include "core/desk/store/project.h"

namespace pl::desk {

/// The marks on the images of this pair (Judgement::regions), a and b: regionsOf(), and the size that they name is that of the file in
/// media/ as far as it is there, upright as it is shown (EXIF may turn it). Of sets nothing can be marked. For store/ and whoever shows
/// marks.
Result<std::array<ImageMarks, 2>> regionsIn(Project::Impl& impl, const Json& payload, const LabelItem& item, size_t members = 2);
/// The same outside of store/.
Result<std::array<ImageMarks, 2>> regionsIn(Project& project, const Json& payload, const LabelItem& item);

} // namespace pl::desk
