// SPDX-License-Identifier: Apache-2.0
#include "core/rules/verifier.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/format.h>

namespace pl::rules {

namespace {

constexpr std::array<std::string_view, 3> kNames{"arithmetic", "sort", "copy"};
constexpr size_t kMaxBytes = size_t{64} << 10;

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string lowered(std::string_view text) {
    std::string out(text);
    for (auto& c : out)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return out;
}

/// Behind the last "answer is" or "answer:" of a lower-case text.
std::optional<size_t> behindAnswer(std::string_view text) {
    std::optional<size_t> best;
    for (const std::string_view words : {"answer is", "answer:"})
        if (const size_t at = text.rfind(words); at != std::string_view::npos)
            best = std::max(best.value_or(0), at + words.size());
    return best;
}

struct Number {
    double value = 0.0;
    std::string_view text;
};

/// All numbers of a text, in order. A minus is a sign when it touches the digits and nothing but a blank, a bracket or
/// the start is before it: "12 - 3" and "12-3" hold no negative number.
std::vector<Number> numbersOf(std::string_view text) {
    std::vector<Number> out;
    for (size_t i = 0; i < text.size();) {
        if (!isDigit(text[i])) {
            ++i;
            continue;
        }
        size_t start = i;
        std::string digits;
        while (i < text.size() && (isDigit(text[i]) || (text[i] == ',' && i + 3 < text.size() && isDigit(text[i + 1]) &&
                                                        isDigit(text[i + 2]) && isDigit(text[i + 3]) &&
                                                        !(i + 4 < text.size() && isDigit(text[i + 4])))))
            if (text[i++] != ',')
                digits.push_back(text[i - 1]);
        if (i + 1 < text.size() && text[i] == '.' && isDigit(text[i + 1])) {
            digits.push_back('.');
            for (++i; i < text.size() && isDigit(text[i]); ++i)
                digits.push_back(text[i]);
        }
        const bool negative = start > 0 && text[start - 1] == '-' &&
                              (start == 1 || isBlank(text[start - 2]) || text[start - 2] == '(' || text[start - 2] == '=');
        start -= negative;
        double value = 0.0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error == std::errc() && end == digits.data() + digits.size())
            out.push_back({negative ? -value : value, text.substr(start, i - start)});
    }
    return out;
}

/// Up to the end of the first line that says something, or a full stop that ends a sentence.
std::string_view firstSentence(std::string_view text) {
    while (!text.empty() && isBlank(text.front()))
        text.remove_prefix(1);
    text = text.substr(0, text.find('\n'));
    for (size_t i = 0; i < text.size(); ++i)
        if (text[i] == '.' && (i + 1 == text.size() || isBlank(text[i + 1])))
            return text.substr(0, i);
    return text;
}

std::vector<std::string> itemsOf(std::string_view text) {
    constexpr std::string_view kAround = ".,;:!?\"'()[]*`";
    std::vector<std::string> out;
    std::string item;
    const auto end = [&] {
        const size_t first = item.find_first_not_of(kAround);
        if (first != std::string::npos) {
            item = item.substr(first, item.find_last_not_of(kAround) - first + 1);
            if (item != "and")
                out.push_back(item);
        }
        item.clear();
    };
    for (const char c : text) {
        if (isBlank(c) || c == ',')
            end();
        else
            item.push_back(c);
    }
    end();
    return out;
}

Verdict verifyArithmetic(std::string_view answer, std::string_view response) {
    const auto wanted = numbersOf(answer);
    const auto behind = behindAnswer(response);
    auto numbers = numbersOf(behind ? firstSentence(response.substr(*behind)) : response);
    if (wanted.size() != 1 || numbers.empty())
        return {};
    const auto& found = behind ? numbers.front() : numbers.back();
    const double tolerance = 1e-9 * std::max(1.0, std::abs(wanted[0].value));
    const bool correct = std::abs(found.value - wanted[0].value) <= tolerance;
    return {correct, correct ? 1.0 : 0.0, std::string(found.text)};
}

Verdict verifyItems(std::string_view answer, std::string_view response) {
    const auto wanted = itemsOf(answer);
    const auto behind = behindAnswer(response);
    const size_t colon = response.rfind(':');
    const auto text = behind                              ? firstSentence(response.substr(*behind))
                      : colon != std::string_view::npos ? firstSentence(response.substr(colon + 1))
                                                        : response;
    const auto found = itemsOf(text);
    if (wanted.empty() || found.empty())
        return {};
    size_t right = 0;
    while (right < std::min(wanted.size(), found.size()) && wanted[right] == found[right])
        ++right;
    const bool correct = wanted == found;
    return {correct, static_cast<double>(right) / static_cast<double>(std::max(wanted.size(), found.size())),
            fmt::format("{}", fmt::join(found, " "))};
}

} // namespace

std::vector<std::string> verifierNames() { return {kNames.begin(), kNames.end()}; }

Result<VerifierKind> verifierByName(std::string_view name) {
    for (size_t i = 0; i < kNames.size(); ++i)
        if (kNames[i] == name)
            return static_cast<VerifierKind>(i);
    return fail(Code::InvalidInput, fmt::format("no verifier is called \"{}\"", name.substr(0, 80)),
                fmt::format("Verifiers: {}.", fmt::join(kNames, ", ")));
}

Verdict verify(VerifierKind kind, std::string_view answer, std::string_view response) {
    if (response.size() > kMaxBytes)
        response.remove_prefix(response.size() - kMaxBytes);
    const auto wanted = lowered(answer.substr(0, kMaxBytes));
    const auto text = lowered(response);
    return kind == VerifierKind::Arithmetic ? verifyArithmetic(wanted, text) : verifyItems(wanted, text);
}

} // namespace pl::rules
