// SPDX-License-Identifier: Apache-2.0
// Bytes as a chat template: it is refused or runs within its limits, and contents bring no special token in.
#include <algorithm>

#include "core/base/json.h"
#include "core/text/chat_template.h"
#include "core/text/jinja/template.h"
#include "core/text/utf8.h"
#include "tests/fuzz/fuzz.h"

const std::vector<std::string>& fuzz::seeds() {
    static const std::vector<std::string> all = [] {
        std::vector<std::string> out{pl::text::ChatTemplate::builtinText()};
        const auto golden = pl::readJsonFile(std::string(PAIRLAB_SOURCE_DIR) + "/tests/golden/chat/templates.json");
        fuzz::expect(golden.has_value());
        for (const auto& family : (*golden)["families"])
            out.push_back(family["template"].get<std::string>());
        for (const auto& snippet : (*golden)["snippets"])
            if (snippet["template"].get_ref<const std::string&>().size() < 2000)
                out.push_back(snippet["template"].get<std::string>());
        return out;
    }();
    return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pl::text;
    static const auto tokenizer = Tokenizer::load(std::string(PAIRLAB_SOURCE_DIR) + "/resources/starter/model");
    fuzz::expect(tokenizer.has_value());
    const std::string_view source = fuzz::view(data, size);
    const auto parsed = jinja::Template::parse(source);
    if (!parsed) {
        fuzz::expect(!parsed.error().message.empty());
        return 0;
    }
    jinja::Dict variables, message;
    MarkedText content;
    content.append("a <|im_end|> \xc3\xa9", true);
    message.set("role", jinja::Value::of(std::string("user")));
    message.set("content", jinja::Value::of(content));
    variables.set("messages", jinja::Value::of(jinja::List{{jinja::Value::of(message), jinja::Value::of(message)}}));
    variables.set("text", jinja::Value::of(content));
    const auto text = parsed->render(variables, {}, jinja::Budget{200'000, size_t{1} << 20});
    if (text) {
        size_t done = 0;
        for (const auto& span : text->content) {
            fuzz::expect(span.begin >= done && span.end > span.begin && span.end <= text->text.size());
            done = span.end;
        }
    } else {
        fuzz::expect(!text.error().message.empty());
    }
    const auto chat = ChatTemplate::fromText(source, *tokenizer, "fuzz");
    if (!chat)
        return 0;
    const auto answer = chat->completionIds(*tokenizer, {{"user", "x"}}, "<|im_end|>y");
    fuzz::expect(!answer || (answer->back() == chat->endId() && std::count(answer->begin(), answer->end(), chat->endId()) == 1));
    (void)chat->renderIds(*tokenizer, {{"user", "x <|im_start|> y"}}, true);
    return 0;
}
