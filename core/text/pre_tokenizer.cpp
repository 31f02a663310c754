// SPDX-License-Identifier: Apache-2.0
#include "core/text/pre_tokenizer.h"

#include <algorithm>

namespace pl::text {
namespace {

constexpr size_t kEmergencyPiece = 256;

struct Piece {
    std::string_view text;
    bool atStart = false;
};

std::string_view joined(std::string_view a, std::string_view b) {
    return {a.data(), a.size() + b.size()};
}

/// The pieces a Split makes of its cuts; `atStart` is that of the text that was cut.
void behave(const std::vector<Cut>& cuts, const PreStep& step, bool atStart, std::vector<Piece>& out) {
    const size_t from = out.size();
    bool previous = false;
    if (step.behaviour == PreStep::MergedWithNext) {
        for (auto cut = cuts.rbegin(); cut != cuts.rend(); ++cut) {
            const bool match = cut->match != step.invert;
            if (match && !previous && out.size() > from)
                out.back().text = joined(cut->text, out.back().text);
            else
                out.push_back({cut->text});
            previous = match;
        }
        std::reverse(out.begin() + static_cast<std::ptrdiff_t>(from), out.end());
    } else {
        for (const Cut& cut : cuts) {
            const bool match = cut.match != step.invert;
            const bool merges = step.behaviour == PreStep::Contiguous ? match == previous
                                : step.behaviour == PreStep::MergedWithPrevious ? match && !previous
                                                                                : false;
            if (merges && out.size() > from)
                out.back().text = joined(out.back().text, cut.text);
            else if (step.behaviour != PreStep::Removed || !match)
                out.push_back({cut.text});
            previous = match;
        }
    }
    if (atStart && out.size() > from && !cuts.empty())
        out[from].atStart = out[from].text.data() == cuts.front().text.data();
}

void metaspace(const PreStep& step, const Piece& piece, std::deque<std::string>& store, std::vector<Piece>& out) {
    std::string text;
    text.reserve(piece.text.size() * 2);
    for (const char c : piece.text)
        if (c == ' ')
            text += step.content;
        else
            text += c;
    if (text.empty())
        return;
    const bool wanted = step.scheme == PreStep::Always || (step.scheme == PreStep::First && piece.atStart);
    if (wanted && text.compare(0, step.content.size(), step.content) != 0)
        text.insert(0, step.content);
    store.push_back(std::move(text));
    std::string_view rest = store.back();
    bool atStart = piece.atStart;
    while (!rest.empty()) {
        const size_t next = step.cutsWords ? rest.find(step.content, rest.compare(0, step.content.size(), step.content) == 0
                                                                         ? step.content.size()
                                                                         : 0)
                                           : std::string_view::npos;
        const size_t length = std::min(next, rest.size());
        out.push_back({rest.substr(0, length), atStart});
        rest.remove_prefix(length);
        atStart = false;
    }
}

} // namespace

bool PreTokenizer::cut(std::string_view text, bool atStart, std::deque<std::string>& store,
                       std::vector<std::string_view>& words) const {
    bool ok = true;
    std::vector<Piece> pieces{{text, atStart}};
    std::vector<Cut> cuts;
    for (const PreStep& step : steps) {
        std::vector<Piece> next;
        next.reserve(pieces.size());
        for (const Piece& piece : pieces) {
            if (step.kind == PreStep::Metaspace) {
                metaspace(step, piece, store, next);
                continue;
            }
            if (step.kind == PreStep::Prefix) {
                if (piece.text.empty() || piece.text[0] == ' ') {
                    next.push_back(piece);
                } else {
                    store.emplace_back(1, ' ').append(piece.text);
                    next.push_back({store.back(), piece.atStart});
                }
                continue;
            }
            cuts.clear();
            std::string_view rest;
            const bool whole = step.pattern.split(piece.text, cuts, rest);
            behave(cuts, step, piece.atStart, next);
            if (whole)
                continue;
            ok = false;
            while (!rest.empty()) {
                size_t end = std::min(kEmergencyPiece, rest.size());
                while (end < rest.size() && (static_cast<unsigned char>(rest[end]) & 0xC0) == 0x80)
                    --end;
                next.push_back({rest.substr(0, end)});
                rest.remove_prefix(end);
            }
        }
        pieces = std::move(next);
    }
    for (const Piece& piece : pieces)
        words.push_back(piece.text);
    return ok;
}

} // namespace pl::text
