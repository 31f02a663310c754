// SPDX-License-Identifier: Apache-2.0
// Bytes as a JPEG, WebP or PNG file (fuzz_png mends a PNG's checksums): what is accepted is whole, within the limits, and the same
// each time; what is refused says why. Profiles and EXIF tags lie open in JPEG and WebP, so mutations get at them.
#include <filesystem>

#include "core/base/image_file.h"
#include "core/base/os/files.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace pl;

const ImageLimits kLimits{2048, int64_t{1} << 20, uint64_t{1} << 20};

} // namespace

const std::vector<std::string>& fuzz::seeds() {
    static const std::vector<std::string> all = [] {
        std::vector<std::string> out;
        const std::string folder = PAIRLAB_SOURCE_DIR "/tests/golden/images";
        const auto names = os::listDir(folder);
        for (const auto& name : names.value_or(std::vector<std::string>()))
            if (!name.ends_with(".json"))
                out.push_back(os::readFile(os::joinPath(folder, name)).value_or(""));
        return out;
    }();
    return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view bytes = fuzz::view(data, size);
    const auto info = checkImage(bytes, "fuzz", kLimits);
    const auto picture = decodePicture(bytes, "fuzz", kLimits);
    if (!picture) {
        fuzz::expect(picture.error().message.starts_with("fuzz ") && !picture.error().hint.empty());
        fuzz::expect(!decodeImage(bytes, "fuzz", kLimits));
        return 0;
    }
    fuzz::expect(info && info->width * info->height == int64_t{picture->width} * picture->height);
    fuzz::expect(picture->width > 0 && picture->height > 0 && info->width * info->height <= kLimits.maxPixels);
    fuzz::expect(picture->rgba.size() == size_t{4} * static_cast<size_t>(picture->width) * static_cast<size_t>(picture->height));
    const auto image = decodeImage(bytes, "fuzz", kLimits);
    fuzz::expect(image && image->width == picture->width && image->rgb.size() == picture->rgba.size() / 4 * 3);
    const auto small = decodePicture(bytes, "fuzz", kLimits, 4);
    fuzz::expect(small && (small->fileWidth == picture->width && small->width <= picture->width && small->width > 0));
    return 0;
}
