// SPDX-License-Identifier: Apache-2.0
// Bytes as UTF-8, as a text to tokenise and as the content of a chat message.
#include <algorithm>

#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"
#include "core/text/utf8.h"
#include "tests/fuzz/fuzz.h"

const std::vector<std::string>& fuzz::seeds() {
    static const std::vector<std::string> all = {"Hello, world! It's 12345 o'clock.", "\xf0\x9f\x99\x82 \xc3\xa9\xcc\x81 \xe4\xb8\xad\xe6\x96\x87\t\r\n  x",
                                                 "<|im_start|>user\nhi<|im_end|>\n", "\xff\xfe\x80\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80", std::string(3, '\0') + "a",
                                                 pl::text::ChatTemplate::builtinText()};
    return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pl::text;
    static const std::string model = std::string(PAIRLAB_SOURCE_DIR) + "/resources/starter/model";
    static const auto tokenizer = Tokenizer::load(model);
    fuzz::expect(tokenizer.has_value());
    static const auto chat = ChatTemplate::load(model, *tokenizer);
    fuzz::expect(chat.has_value());
    const std::string_view text = fuzz::view(data, size);
    const std::string good = repairUtf8(text);
    fuzz::expect(isValidUtf8(good) && (!isValidUtf8(text) || good == text));
    fuzz::expect(completePrefix(text) <= text.size());
    size_t points = 0;
    for (size_t at = 0; at < text.size(); ++points) {
        const size_t before = at;
        (void)columnWidth(nextCodePoint(text, at));
        fuzz::expect(at > before && at <= text.size());
    }
    fuzz::expect(byteOffset(good, codePointCount(good)) == good.size());
    const std::string shorter = truncateText(good, 10);
    fuzz::expect(isValidUtf8(shorter));
    (void)columnWidth(good);
    if (text.size() > 20000)
        return 0;
    // What a person wrote comes back as it was and holds no special token.
    const auto ids = tokenizer->encode(text);
    for (const int64_t id : ids)
        fuzz::expect(id >= 0 && id < tokenizer->vocabSize() && !tokenizer->isSpecial(id));
    fuzz::expect(tokenizer->decode(ids) == good);
    const auto whole = chat->renderIds(*tokenizer, {{"user", std::string(text)}}, true);
    fuzz::expect(whole && std::count(whole->begin(), whole->end(), chat->endId()) == 1);
    const auto answer = chat->completionIds(*tokenizer, {{"user", "hi"}}, std::string(text));
    fuzz::expect(answer && std::count(answer->begin(), answer->end(), chat->endId()) == 1 && answer->back() == chat->endId());
    (void)tokenizer->decode(tokenizer->encode(text, true), false);
    return 0;
}
