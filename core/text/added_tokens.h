// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/text/marked_text.h"

namespace pl::text {

struct AddedToken {
    int64_t id = -1;
    std::string content;
    bool special = false;
    bool lstrip = false; ///< takes the white space before it along
    bool rstrip = false;
    bool singleWord = false; ///< only where no word character touches it
    bool normalized = false; ///< looked for in the normalized text
};

/// Finds added tokens in a text: leftmost, then longest, as the `tokenizers` library does.
class AddedTokenFinder {
public:
    /// `spelling`: what is looked for, not empty: the content, normalized where the token is. Of two tokens with
    /// one spelling the first counts.
    void add(const AddedToken& token, std::string_view spelling);
    bool empty() const { return m_tokens.empty(); }
    bool hasSpecial() const { return m_hasSpecial; }
    /// Calls piece(text, -1) for what lies between tokens and piece(token text, id) for tokens, in order. Special
    /// tokens count only where they touch no byte of `plain`; one that lies in it as a whole hides what lies inside
    /// it, as it does in `tokenizers`.
    void split(std::string_view text, const std::vector<MarkedText::Span>& plain,
               const std::function<void(std::string_view, int64_t)>& piece) const;

private:
    struct Node {
        int64_t token = -1; ///< index into m_tokens
    };
    std::vector<AddedToken> m_tokens;
    std::vector<Node> m_nodes{Node{}};
    std::unordered_map<uint64_t, uint32_t> m_edges; ///< (node << 8 | byte) -> node
    std::array<bool, 256> m_first{};
    bool m_hasSpecial = false;
};

} // namespace pl::text
