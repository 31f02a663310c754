// SPDX-License-Identifier: Apache-2.0
#include "core/learn/images/image_store.h"

#include <algorithm>

#include <fmt/format.h>
#include <torch/torch.h>

#include "core/base/hash.h"
#include "core/base/image_file.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/learn/images/pixels.h"

namespace pl::learn {

Result<std::optional<size_t>> ImageStore::addReadable(const std::string& folder, const std::string& ref) {
    if (const auto at = m_byRef.find(ref); at != m_byRef.end())
        return at->second;
    if (!isImageRef(ref))
        return fail(Code::InvalidInput, fmt::format("'{}' is not the name of an image of a data set", ref));
    PL_TRY(const std::string bytes, os::readFile(os::joinPath(folder, ref)));
    if (sha256Hex(bytes) != imageRefSha(ref))
        return fail(Code::Corrupt, fmt::format("the bytes of {} are not those its name was made from", ref),
                    "Freeze the data set again.");
    auto decoded = decodeImage(bytes, ref);
    if (!decoded && decoded.error().code == Code::OutOfMemory)
        return tl::unexpected<Error>(std::move(decoded).error());
    if (!decoded) {
        m_unreadable.push_back({ref, decoded.error().message});
        return m_byRef[ref] = std::nullopt;
    }
    Image image = std::move(*decoded);
    const auto side = static_cast<int32_t>(m_side);
    if (image.width != side || image.height != side) {
        image = resized(image, side, side);
        ++m_resized;
    }
    auto pixels = torch::empty({side, side, 3}, torch::kUInt8);
    std::copy(image.rgb.begin(), image.rgb.end(), pixels.data_ptr<uint8_t>());
    m_pixels.push_back(pixels.permute({2, 0, 1}).contiguous());
    m_refs.push_back(ref);
    return m_byRef[ref] = m_pixels.size() - 1;
}

Result<size_t> ImageStore::add(const std::string& folder, const std::string& ref) {
    PL_TRY(const auto index, addReadable(folder, ref));
    if (index)
        return *index;
    const auto why = std::find_if(m_unreadable.begin(), m_unreadable.end(), [&](const Unreadable& each) { return each.ref == ref; });
    return fail(Code::Corrupt, why->why, "Leave it out, or import a whole copy.");
}

torch::Tensor ImageStore::batch(const std::vector<size_t>& indices, const torch::Device& device) const {
    std::vector<torch::Tensor> rows;
    rows.reserve(indices.size());
    for (const size_t i : indices)
        rows.push_back(m_pixels.at(i));
    return torch::stack(rows).to(device).to(torch::kFloat32).div(127.5).sub(1);
}

Image ImageStore::image(size_t index) const {
    return imageOf(m_pixels.at(index).to(torch::kFloat32).div(127.5).sub(1));
}

} // namespace pl::learn
