// SPDX-License-Identifier: Apache-2.0
#include "plugins/sdk/image_rows.h"

#include <fmt/format.h>

namespace pl::sdk {

Result<std::optional<size_t>> ImageRows::add(const std::string& ref) {
    return m_store.addReadable(m_job.bundle().dataPath(""), ref);
}

Result<std::optional<std::pair<size_t, size_t>>> ImageRows::addBoth(const std::string& a, const std::string& b) {
    PL_TRY(const auto first, add(a));
    PL_TRY(const auto second, add(b));
    if (first && second)
        return std::pair(*first, *second);
    countLeftOut();
    return std::nullopt;
}

std::string ImageRows::words() const {
    const auto& all = m_store.unreadable();
    return fmt::format("{} image{} cannot be read; the first: {}", all.size(), all.size() == 1 ? "" : "s", all.front().why);
}

void ImageRows::alert() const {
    if (m_store.unreadable().empty())
        return;
    m_job.alert("warn", "unreadable_images",
                fmt::format("{}. {} row{} left out for want of them{}. Import whole copies to use them.", words(), m_leftOut,
                            m_leftOut == 1 ? " is" : "s are",
                            m_shortened == 0 ? ""
                                             : fmt::format(", and {} ranking{} shortened", m_shortened, m_shortened == 1 ? " is" : "s are")),
                0);
}

std::string ImageRows::because() const {
    return m_store.unreadable().empty() ? std::string() : ": " + words();
}

} // namespace pl::sdk
