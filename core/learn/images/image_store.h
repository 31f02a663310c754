// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <torch/types.h>

#include "core/base/image.h"
#include "core/base/result.h"

namespace pl::learn {

/// The images of a data set in memory, 8 bits a channel at one size: 3 KB each at 32 x 32, so ten thousand take 30 MB.
class ImageStore {
public:
    explicit ImageStore(int64_t side = 32) : m_side(side) {}

    /// Index of the image `ref` ("images/<sha256>.png", .jpg or .webp) below `folder`, decoded as core/base/image_file.h says and
    /// brought to the store's size by area. Fails when the file is missing or its bytes have not the hash in its name (Corrupt): the
    /// data are not what was frozen. Nothing when they have and are no picture that can be decoded: then unreadable() names it.
    Result<std::optional<size_t>> addReadable(const std::string& folder, const std::string& ref);
    /// The same, where that is an error too.
    Result<size_t> add(const std::string& folder, const std::string& ref);
    struct Unreadable {
        std::string ref, why; ///< `why` begins with the name
    };
    const std::vector<Unreadable>& unreadable() const { return m_unreadable; } ///< each once
    size_t size() const { return m_pixels.size(); }
    int64_t side() const { return m_side; }
    /// How many of them had another size.
    int64_t resizedCount() const { return m_resized; }
    /// The name an image was added by.
    const std::string& ref(size_t index) const { return m_refs.at(index); }
    /// [n, 3, side, side] fp32 in [-1, 1]
    torch::Tensor batch(const std::vector<size_t>& indices, const torch::Device& device) const;
    Image image(size_t index) const;

private:
    int64_t m_side, m_resized = 0;
    std::vector<torch::Tensor> m_pixels;
    std::vector<std::string> m_refs;
    std::map<std::string, std::optional<size_t>> m_byRef;
    std::vector<Unreadable> m_unreadable;
};

} // namespace pl::learn
