// SPDX-License-Identifier: Apache-2.0
#include "core/learn/images/pixels.h"

#include <cstring>

#include <torch/torch.h>

namespace pl::learn {

torch::Tensor tensorOf(const std::vector<Image>& images) {
    TORCH_CHECK(!images.empty(), "no image to make a tensor of");
    const int64_t height = images[0].height, width = images[0].width;
    const auto bytes = torch::empty({static_cast<int64_t>(images.size()), height, width, 3}, torch::kUInt8);
    auto* to = bytes.data_ptr<uint8_t>();
    for (const auto& image : images) {
        TORCH_CHECK(image.width == width && image.height == height && !image.rgb.empty(), "images of one batch differ in size");
        std::memcpy(to, image.rgb.data(), image.rgb.size());
        to += image.rgb.size();
    }
    return bytes.permute({0, 3, 1, 2}).to(torch::kFloat32).div_(127.5).sub_(1).contiguous();
}

Image imageOf(const torch::Tensor& chw) {
    const auto bytes = chw.detach().to(torch::kCPU, torch::kFloat32).clamp(-1, 1).add(1).mul(127.5).round().permute({1, 2, 0})
                           .to(torch::kUInt8)
                           .contiguous();
    Image out;
    out.height = static_cast<int32_t>(bytes.size(0));
    out.width = static_cast<int32_t>(bytes.size(1));
    const auto* from = bytes.data_ptr<uint8_t>();
    out.rgb.assign(from, from + bytes.numel());
    return out;
}

std::vector<Image> imagesOf(const torch::Tensor& nchw) {
    std::vector<Image> out;
    for (int64_t i = 0; i < nchw.size(0); ++i)
        out.push_back(imageOf(nchw[i]));
    return out;
}

} // namespace pl::learn
