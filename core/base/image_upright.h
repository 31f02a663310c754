// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/base/image.h"
#include "core/base/image_info.h"

namespace pl {

/// checkImageFile(), with the size of the picture as it is shown: EXIF may lay it on its side.
Result<ImageInfo> uprightImageFile(const std::string& path, const ImageLimits& limits = {});

} // namespace pl
