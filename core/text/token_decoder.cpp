// SPDX-License-Identifier: Apache-2.0
#include "core/text/token_decoder.h"

#include "core/text/bpe.h"
#include "core/text/utf8.h"

namespace pl::text {
namespace {

void replaceAll(std::string& text, const std::string& pattern, std::string_view content) {
    size_t at = text.find(pattern);
    if (at == std::string::npos)
        return;
    std::string out;
    size_t done = 0;
    for (; at != std::string::npos; at = text.find(pattern, done)) {
        out.append(text, done, at - done).append(content);
        done = at + pattern.size();
    }
    text = out.append(text, done);
}

void strip(std::string& token, const TokenDecoder::Step& step) {
    size_t begin = 0;
    const size_t length = step.pattern.size();
    for (size_t i = 0; i < step.start && token.compare(begin, length, step.pattern) == 0; ++i)
        begin += length;
    size_t end = token.size();
    for (size_t i = 0; i < step.stop && end - begin >= length && token.compare(end - length, length, step.pattern) == 0; ++i)
        end -= length;
    token = token.substr(begin, end - begin);
}

std::vector<std::string> byteFallback(std::vector<std::string>& tokens, bool rawBytes) {
    std::vector<std::string> out;
    std::string bytes;
    const auto flush = [&] {
        if (bytes.empty())
            return;
        if (rawBytes || isValidUtf8(bytes))
            out.push_back(bytes);
        else
            out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD"); // one for each byte, those of whole characters too
        bytes.clear();
    };
    for (std::string& token : tokens) {
        if (const int byte = byteOfToken(token); byte >= 0) {
            bytes.push_back(static_cast<char>(byte));
        } else {
            flush();
            out.push_back(std::move(token));
        }
    }
    flush();
    return out;
}

} // namespace

std::string TokenDecoder::decode(std::vector<std::string> tokens, bool rawBytes) const {
    const auto join = [](const std::vector<std::string>& parts) {
        std::string out;
        for (const std::string& part : parts)
            out += part;
        return out;
    };
    for (const Step& step : steps) {
        switch (step.kind) {
        case Step::ByteLevel: {
            std::string bytes;
            for (const std::string& token : tokens)
                bytes += bytesOfSpelling(token);
            tokens = {rawBytes ? bytes : repairUtf8(bytes)};
            break;
        }
        case Step::ByteFallback:
            tokens = byteFallback(tokens, rawBytes);
            break;
        case Step::Fuse:
            tokens = {join(tokens)};
            break;
        case Step::Strip:
            for (std::string& token : tokens)
                strip(token, step);
            break;
        case Step::Replace:
            for (std::string& token : tokens)
                replaceAll(token, step.pattern, step.content);
            break;
        case Step::Metaspace:
            for (size_t i = 0; i < tokens.size(); ++i)
                replaceAll(tokens[i], step.pattern, i == 0 && step.dropsFirst ? "" : " ");
            break;
        }
    }
    return join(tokens);
}

} // namespace pl::text
