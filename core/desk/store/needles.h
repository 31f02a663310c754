// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace pl::desk {

/// A text as it stands inside a JSON string, without the quotation marks.
std::string insideJson(const std::string& text);

/// Looks for many texts at once, each as it is and as it stands inside JSON. The time goes with what is looked through, not with how many
/// texts there are: the hash of a window that moves over it (Karp and Rabin 1987) says where one may begin. Private to store/.
class Needles {
public:
    /// Forms of fewer bytes are not looked for. `window` >= 1.
    explicit Needles(size_t window);
    void add(const std::string& text);
    bool in(std::string_view haystack) const;
    /// Where they stand, [begin, end) in order; places that overlap are one.
    std::vector<std::pair<size_t, size_t>> placesIn(std::string_view haystack) const;

private:
    /// `found(begin, length)` of the longest form at each place, until it says false.
    template<class F> void each(std::string_view haystack, F found) const;

    static constexpr size_t kBits = 16;
    size_t m_window;
    uint64_t m_leaving = 1; ///< what a byte weighs when the window leaves it
    std::vector<std::string> m_forms;
    std::unordered_map<uint64_t, std::vector<size_t>> m_byHash; ///< of the first window of a form
    std::bitset<size_t{1} << kBits> m_maybe;
};

} // namespace pl::desk
