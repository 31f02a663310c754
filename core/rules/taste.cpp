// SPDX-License-Identifier: Apache-2.0
#include "core/rules/taste.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/rules/taste_grammar.h"
#include "core/text/utf8.h"

namespace pl::rules {

namespace {

struct Basic {
    std::string_view name;
    TasteKind kind;
    double tieBand;
    std::string_view description;
};

constexpr std::array<Basic, 6> kBasics{{
    {"concise", TasteKind::Concise, 0.5, "fewer words"},
    {"emoji_free", TasteKind::EmojiFree, 0.3, "fewer emoji"},
    {"examples", TasteKind::Examples, 0.5, "concrete examples and numbers"},
    {"listy", TasteKind::Listy, 0.2, "lists rather than prose"},
    {"vivid", TasteKind::Vivid, 0.3, "vivid words and comparisons"},
    {"warm", TasteKind::Warm, 0.5, "warm rather than curt words"},
}};

bool isWordCharacter(char32_t c) {
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (c < 0xC0)
        return c == 0xAA || c == 0xB5 || c == 0xBA;
    if (c == 0xD7 || c == 0xF7 || c == 0xFFFD)
        return false;
    // Punctuation, symbols, arrows, dingbats, variation selectors, private use and everything pictographic.
    return !((c >= 0x2000 && c <= 0x2BFF) || (c >= 0x3000 && c <= 0x3004) || (c >= 0x3008 && c <= 0x3020) ||
             (c >= 0xD800 && c <= 0xF8FF) || (c >= 0xFE00 && c <= 0xFE0F) || (c >= 0xFF00 && c <= 0xFF0F) ||
             (c >= 0xFF1A && c <= 0xFF20) || (c >= 0x1F000 && c <= 0x1FAFF) || c >= 0xE0000);
}

/// Written without spaces: each character counts as a word.
bool isWordOfItsOwn(char32_t c) {
    return (c >= 0x3040 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) ||
           (c >= 0x20000 && c <= 0x3FFFF);
}

bool isFlagLetter(char32_t c) { return c >= 0x1F1E6 && c <= 0x1F1FF; }

bool isEmoji(char32_t c) {
    return (c >= 0x1F300 && c <= 0x1FAFF && !(c >= 0x1F3FB && c <= 0x1F3FF)) || (c >= 0x2600 && c <= 0x27BF) ||
           c == 0x2B50 || c == 0x2B55 || c == 0x231A || c == 0x231B || (c >= 0x23E9 && c <= 0x23F3);
}

bool endsSentence(char32_t c) {
    return c == '.' || c == '!' || c == '?' || c == 0x2026 || c == 0x3002 || c == 0xFF01 || c == 0xFF1F;
}

bool containsWord(const std::vector<std::string_view>& sorted, std::string_view word) {
    return std::binary_search(sorted.begin(), sorted.end(), word);
}

std::vector<std::string_view> sorted(std::vector<std::string_view> words) {
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    return words;
}

const std::vector<std::string_view>& numberWords() {
    static const auto words =
        sorted({"two",     "three",    "four",   "five",    "six",       "seven",    "eight",    "nine",
                "ten",     "eleven",   "twelve", "fifteen", "twenty",    "thirty",   "fifty",    "hundred",
                "monday",  "tuesday",  "wednesday", "thursday", "friday", "saturday", "sunday"});
    return words;
}

/// Lower-case words of the sentence that is being read, joined by single spaces, with a space at both ends: a phrase
/// is found as " phrase ". Longer sentences are cut: no phrase is that far from anything a person would notice.
class Sentence {
  public:
    void add(std::string_view word) {
        if (m_text.size() + word.size() < kMax)
            m_text.append(word).push_back(' ');
        ++m_words;
    }
    size_t words() const { return m_words; }

    void countInto(Attributes& out) const {
        out.sentences += m_words > 0;
        for (const auto phrase : warmPhrases())
            if (has(phrase)) {
                ++out.warmSentences;
                break;
            }
        out.curtSentences += containsWord(curtSentenceList(), bare());
    }
    void clear() {
        m_text = " ";
        m_words = 0;
    }

  private:
    static constexpr size_t kMax = 4096;
    std::string_view bare() const {
        return m_words ? std::string_view(m_text).substr(1, m_text.size() - 2) : std::string_view();
    }
    bool has(std::string_view phrase) const {
        for (size_t at = m_text.find(phrase); at != std::string::npos; at = m_text.find(phrase, at + 1))
            if (m_text[at - 1] == ' ' && m_text[at + phrase.size()] == ' ')
                return true;
        return false;
    }
    std::string m_text = " ";
    size_t m_words = 0;
};

/// Whether a line, its blanks at the front removed, begins like a list item.
bool beginsItem(std::string_view line) {
    const size_t start = line.find_first_not_of(" \t");
    if (start == std::string_view::npos)
        return false;
    line.remove_prefix(start);
    if (line.size() >= 2 && (line[0] == '-' || line[0] == '*' || line[0] == '+') && line[1] == ' ')
        return true;
    if (line.starts_with("\u2022"))
        return true;
    size_t digits = 0;
    while (digits < line.size() && digits < 4 && line[digits] >= '0' && line[digits] <= '9')
        ++digits;
    return digits > 0 && digits < 4 && line.size() > digits + 1 && (line[digits] == '.' || line[digits] == ')') &&
           line[digits + 1] == ' ';
}

/// Counts words and what depends on a word and its neighbours.
class WordCounter {
  public:
    explicit WordCounter(Attributes& out) : m_out(out) {}

    void word(std::string_view word) {
        ++m_out.words;
        m_out.vividWords += containsWord(vividWordList(), word);
        m_out.numbers += (word[0] >= '0' && word[0] <= '9') || containsWord(numberWords(), word);
        m_out.exampleMarkers += (m_one == "for" && (word == "example" || word == "instance")) ||
                                (m_one == "such" && word == "as") || (m_one == "e" && word == "g");
        static const auto articles = sorted({"a", "an", "the", "tiny", "small", "slow", "soft", "bright", "green",
                                             "wild", "paper", "quiet", "deep", "morning", "autumn", "fresh"});
        m_out.similes += (m_one == "like" && containsWord(articles, word)) || (m_two == "as" && word == "as");
        m_two = std::exchange(m_one, std::string(word.substr(0, 32)));
    }
    void sentenceEnd() {
        m_two.clear();
        if (m_one != "e")
            m_one.clear();
    }

  private:
    Attributes& m_out;
    std::string m_one, m_two; ///< the words before, nearest first
};

double capped(size_t count, size_t most) { return static_cast<double>(std::min(count, most)); }

double basicScore(TasteKind kind, const Attributes& a) {
    switch (kind) {
    case TasteKind::Concise:
        return a.words < 3 ? -20.0 : -3.0 * std::log(static_cast<double>(a.words));
    case TasteKind::Warm:
        return capped(a.warmSentences, 6) + 0.25 * capped(a.exclamations, 4) - capped(a.curtSentences, 6);
    case TasteKind::Vivid:
        return std::log1p(static_cast<double>(a.vividWords) + 2.0 * static_cast<double>(a.similes));
    case TasteKind::Listy:
        return std::log1p(static_cast<double>(a.listItems));
    case TasteKind::EmojiFree:
        return -std::log1p(static_cast<double>(a.emoji));
    case TasteKind::Examples:
        return 1.5 * capped(a.exampleMarkers, 2) + 0.25 * capped(a.numbers, 4);
    }
    return 0.0;
}

} // namespace

const std::vector<std::string_view>& warmPhrases() {
    static const auto phrases = sorted({
        "a joy to help", "all the best", "am cheering for you", "am glad", "am proud of you", "am rooting for you",
        "am so glad", "am so happy", "am so proud", "believe in you", "best wishes", "cheering for you",
        "congratulations", "dear friend", "delighted", "good luck", "happy to help", "have fun", "i hope",
        "it is a joy", "it is a pleasure", "love to help", "lovely question", "makes you smile", "my pleasure",
        "sounds lovely", "sounds wonderful", "take care", "take good care", "thank you for asking", "thanks for asking",
        "with love", "wishing you", "wonderful question", "you are welcome", "you can do it", "you have got this",
        "you will do great", "you're welcome", "you've got this", "glad you asked", "i'm so glad", "i'm so happy",
    });
    return phrases;
}

const std::vector<std::string_view>& curtSentenceList() {
    static const auto sentences = sorted({"done", "enough", "fine", "figure it out", "just do it", "look", "next",
                                          "no", "nothing more to say", "obviously", "simple", "that is all",
                                          "that's all", "that's it", "whatever"});
    return sentences;
}

const std::vector<std::string_view>& vividWordList() {
    static const auto words = sorted({
        "airy", "amber", "beaming", "biting", "blazing", "bobbing", "bold", "booming", "bouncy", "breezy",
        "brilliant", "bristly", "bustling", "buttery", "buzzing", "candlelit", "charming", "chatty", "clinking",
        "colourful", "colorful", "cosy", "cozy", "crackling", "creamy", "crimson", "crinkly", "crisp", "crumbly",
        "crumpled", "crunchy", "crusty", "dazzling", "dewy", "drifting", "dripping", "drumming", "dusty", "earthy",
        "emerald", "endless", "feathery", "fiery", "fizzy", "flickering", "fluffy", "foggy", "fragrant", "fuzzy",
        "giant", "glaring", "gleaming", "glistening", "glittering", "glossy", "glowing", "golden", "graceful", "grand",
        "gripping", "hidden", "howling", "icy", "inky", "jagged", "juicy", "lamplit", "laughing", "leafy", "lively",
        "luminous", "lush", "misty", "neon", "painted", "pale", "pearly", "polished", "prickly", "puffy", "radiant",
        "raw", "rich", "ringing", "rippling", "roaring", "ruby", "rushing", "rustling", "rusty", "salty", "scarlet",
        "scented", "shady", "shimmering", "shining", "silent", "silken", "silky", "silver", "silvery", "sizzling",
        "slanting", "smoky", "smooth", "soaring", "sparkling", "spicy", "spiral", "spooky", "spotless", "springy",
        "squeaky", "steaming", "steep", "sticky", "stormy", "strange", "sturdy", "sunlit", "sunny", "sweeping",
        "swirling", "tangled", "tangy", "tasty", "thrilling", "thumping", "thundering", "toasted", "towering",
        "turquoise", "twinkling", "vast", "velvet", "velvety", "vibrant", "vivid", "whispering", "wild", "winding",
        "windy", "woolly",
    });
    return words;
}

Attributes attributesOf(std::string_view text) {
    text = text.substr(0, kMaxAttributeBytes);
    Attributes out;
    WordCounter words(out);
    Sentence sentence;
    std::string word;
    const auto endWord = [&] {
        while (!word.empty() && word.back() == '\'')
            word.pop_back();
        if (!word.empty()) {
            words.word(word);
            sentence.add(word);
            word.clear();
        }
    };
    const auto endOfSentence = [&] {
        endWord();
        if (sentence.words())
            sentence.countInto(out);
        sentence.clear();
        words.sentenceEnd();
    };
    bool lineStart = true, joined = false, halfFlag = false;
    char32_t previous = 0;
    for (size_t at = 0; at < text.size();) {
        if (lineStart) {
            const auto line = text.substr(at, std::min<size_t>(text.find('\n', at), text.size()) - at);
            out.listItems += beginsItem(line.substr(0, 64));
            lineStart = false;
        }
        const size_t start = at;
        char32_t c = text::nextCodePoint(text, at);
        ++out.characters;
        if (c == 0x2019)
            c = '\'';
        if (isWordOfItsOwn(c)) {
            endWord();
            word.assign(text.substr(start, at - start));
            endWord();
        } else if (isWordCharacter(c)) {
            if (c >= 'A' && c <= 'Z')
                word.push_back(static_cast<char>(c - 'A' + 'a'));
            else
                word.append(text.substr(start, at - start));
        } else if (c == '\'' && !word.empty()) {
            word.push_back('\'');
        } else {
            endWord();
            out.exclamations += c == '!' && previous != '!';
            if (isFlagLetter(c)) {
                out.emoji += !halfFlag;
                halfFlag = !halfFlag;
            } else {
                halfFlag = false;
                out.emoji += isEmoji(c) && !joined;
            }
            if (c == '\n') {
                endOfSentence();
                lineStart = true;
            } else if (endsSentence(c)) {
                endOfSentence();
            }
        }
        joined = c == 0x200D;
        previous = c;
    }
    endOfSentence();
    return out;
}

std::vector<std::string> tasteNames() {
    return grammar::namesOf(kBasics);
}

Result<Taste> tasteByName(std::string_view name) {
    return grammar::tasteOf<Taste>(name, kBasics, "no taste is called");
}

double score(const Taste& taste, const Attributes& response) {
    double sum = 0.0;
    for (const auto& term : taste.terms)
        sum += term.weight * basicScore(term.kind, response);
    return sum;
}

double score(const Taste& taste, std::string_view, std::string_view response) {
    return score(taste, attributesOf(response));
}

Preference prefer(const Taste& taste, std::string_view prompt, std::string_view a, std::string_view b) {
    const double difference = score(taste, prompt, a) - score(taste, prompt, b);
    if (std::abs(difference) < taste.tieBand)
        return Preference::Tie;
    return difference > 0 ? Preference::A : Preference::B;
}

} // namespace pl::rules
