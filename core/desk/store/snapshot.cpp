// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/snapshot.h"

#include <cstring>
#include <type_traits>

#include "core/base/hash.h"
#include "core/base/os/files.h"

namespace pl::desk {

namespace {

struct PairRow {
    Id id;
    PairInfo info;
};
// Bytes as they lie in memory: only this program on this machine reads them back.
static_assert(std::is_trivially_copyable_v<CurrentVote> && std::is_trivially_copyable_v<PairRow>);

struct Header {
    char magic[8] = {'P', 'L', 'v', 'o', 't', 'e', 's', '1'};
    uint32_t voteSize = sizeof(CurrentVote), pairSize = sizeof(PairRow);
    uint64_t votes = 0, pairs = 0;
    uint64_t hasPairs = 0, checksum = 0;
    char token[64] = {};
};
static_assert(std::is_trivially_copyable_v<Header>);

uint64_t checksumOf(std::string_view bytes, uint64_t start) {
    uint64_t sum = mix64(start ^ bytes.size()), word = 0;
    size_t at = 0;
    for (; at + sizeof word <= bytes.size(); at += sizeof word) {
        std::memcpy(&word, bytes.data() + at, sizeof word);
        sum = mix64(sum ^ word);
    }
    word = 0;
    std::memcpy(&word, bytes.data() + at, bytes.size() - at);
    return mix64(sum ^ word);
}
/// Of the header, its checksum apart, and what follows.
uint64_t checksumOf(Header header, std::string_view rest) {
    header.checksum = 0;
    return checksumOf(rest, checksumOf(std::string_view(reinterpret_cast<const char*>(&header), sizeof header), 0));
}

} // namespace

Status writeSnapshot(const std::string& path, const std::string& token, const std::vector<CurrentVote>& votes,
                     const std::unordered_map<Id, PairInfo>* pairs) {
    Header header;
    header.votes = votes.size();
    header.pairs = pairs ? pairs->size() : 0;
    header.hasPairs = pairs != nullptr;
    std::memcpy(header.token, token.data(), std::min(token.size(), sizeof header.token));
    std::string bytes(sizeof header + votes.size() * sizeof(CurrentVote) + header.pairs * sizeof(PairRow), '\0');
    char* at = bytes.data() + sizeof header;
    if (!votes.empty())
        std::memcpy(at, votes.data(), votes.size() * sizeof(CurrentVote));
    at += votes.size() * sizeof(CurrentVote);
    if (pairs)
        for (const auto& [id, info] : *pairs) {
            const PairRow row{id, info};
            std::memcpy(at, &row, sizeof row);
            at += sizeof row;
        }
    header.checksum = checksumOf(header, std::string_view(bytes).substr(sizeof header));
    std::memcpy(bytes.data(), &header, sizeof header);
    return os::writeFileAtomic(path, bytes);
}

std::optional<Snapshot> readSnapshot(const std::string& path, const std::string& token) {
    if (token.empty())
        return std::nullopt;
    const auto bytes = os::readFile(path);
    Header header, expected;
    if (!bytes || bytes->size() < sizeof header)
        return std::nullopt;
    std::memcpy(&header, bytes->data(), sizeof header);
    std::memcpy(expected.token, token.data(), std::min(token.size(), sizeof expected.token));
    const uint64_t rest = bytes->size() - sizeof header;
    if (std::memcmp(header.magic, expected.magic, sizeof header.magic) != 0 || header.voteSize != expected.voteSize ||
        header.pairSize != expected.pairSize || std::memcmp(header.token, expected.token, sizeof header.token) != 0 ||
        header.votes > rest / sizeof(CurrentVote) || header.pairs > rest / sizeof(PairRow) ||
        header.votes * sizeof(CurrentVote) + header.pairs * sizeof(PairRow) != rest ||
        checksumOf(header, std::string_view(*bytes).substr(sizeof header)) != header.checksum)
        return std::nullopt;
    Snapshot out;
    out.hasPairs = header.hasPairs != 0;
    out.votes.resize(header.votes);
    const char* at = bytes->data() + sizeof header;
    if (header.votes)
        std::memcpy(out.votes.data(), at, header.votes * sizeof(CurrentVote));
    at += header.votes * sizeof(CurrentVote);
    out.pairs.reserve(header.pairs);
    for (uint64_t i = 0; i < header.pairs; ++i, at += sizeof(PairRow)) {
        PairRow row;
        std::memcpy(&row, at, sizeof row);
        out.pairs.emplace_back(row.id, row.info);
    }
    return out;
}

} // namespace pl::desk
