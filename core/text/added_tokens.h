// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace pl::text {

struct AddedToken {
    int64_t id = -1;
    std::string content;
    bool special = false;
    bool lstrip = false; ///< takes the white space before it along
    bool rstrip = false;
    bool normalized = false;
};

/// Finds added tokens in a text: leftmost, then longest, as the `tokenizers` library does.
class AddedTokenFinder {
public:
    void add(const AddedToken& token);
    bool empty() const { return m_tokens.empty(); }
    /// Calls piece(text, -1) for what lies between tokens and piece(token text, id) for tokens, in order.
    /// Special tokens count only with parseSpecial; a special one that is passed over hides what lies inside
    /// it, as it does in `tokenizers`.
    void split(std::string_view text, bool parseSpecial,
               const std::function<void(std::string_view, int64_t)>& piece) const;

private:
    struct Node {
        int64_t token = -1; ///< index into m_tokens
    };
    std::vector<AddedToken> m_tokens;
    std::vector<Node> m_nodes{Node{}};
    std::unordered_map<uint64_t, uint32_t> m_edges; ///< (node << 8 | byte) -> node
    std::array<bool, 256> m_first{};
};

} // namespace pl::text
