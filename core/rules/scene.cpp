// SPDX-License-Identifier: Apache-2.0
// The vocabulary: tables, captions to words and back.
#include "core/rules/scene.h"

#include <algorithm>
#include <unordered_map>

#include "core/rules/scene_random.h"

namespace pl::rules {

namespace {

/// What a known word can mean.
struct Meaning {
    enum class Kind { Filler, Article, On, Number, Size, Colour, Noun, Layout, Style, Background } kind = Kind::Filler;
    int id = 0;            ///< number, size, object colour, shape, layout, style
    int background = 0;    ///< of a colour word
    bool singular = false; ///< of a noun
};
using Kind = Meaning::Kind;

const std::unordered_map<std::string_view, Meaning>& vocabulary() {
    static const std::unordered_map<std::string_view, Meaning> words = [] {
        std::unordered_map<std::string_view, Meaning> out;
        const auto add = [&](Kind kind, int id, std::initializer_list<std::string_view> names) {
            for (const auto name : names)
                out[name] = {kind, id, 0, false};
        };
        for (const auto name : {"the", "of", "to", "at", "in", "with", "and", "some", "side", "there", "is", "are", "picture", "image",
                                "drawing", "coloured", "colored", "sized", "around", "about", "near", "by", "placed"})
            out[name] = {};
        add(Kind::Article, 0, {"a", "an"});
        add(Kind::On, 0, {"on", "against", "over", "before"});
        add(Kind::Number, 1, {"one", "1", "single"});
        add(Kind::Number, 2, {"two", "2", "pair", "couple"});
        add(Kind::Number, 3, {"three", "3"});
        add(Kind::Number, 4, {"four", "4"});
        add(Kind::Size, 1, {"small", "tiny", "little"});
        add(Kind::Size, 2, {"medium", "middling"});
        add(Kind::Size, 3, {"large", "big", "huge"});
        add(Kind::Layout, 1, {"left"});
        add(Kind::Layout, 2, {"right"});
        add(Kind::Layout, 3, {"top", "above", "upper"});
        add(Kind::Layout, 4, {"bottom", "below", "lower"});
        add(Kind::Layout, 5, {"centre", "center", "middle", "centred", "centered"});
        add(Kind::Layout, 6, {"row", "line"});
        add(Kind::Layout, 7, {"scattered", "spread"});
        add(Kind::Style, 1, {"plain", "solid"});
        add(Kind::Style, 2, {"gradient", "shaded", "fading"});
        add(Kind::Style, 3, {"striped", "stripes", "stripy"});
        add(Kind::Style, 4, {"checkered", "chequered", "checker", "checkerboard", "checked"});
        add(Kind::Background, 0, {"background", "backdrop", "ground"});
        const auto noun = [&](int id, std::initializer_list<std::string_view> one, std::initializer_list<std::string_view> many) {
            for (const auto name : one)
                out[name] = {Kind::Noun, id, 0, true};
            for (const auto name : many)
                out[name] = {Kind::Noun, id, 0, false};
        };
        noun(0, {"object", "shape", "thing"}, {"objects", "shapes", "things"});
        noun(1, {"circle", "disc", "disk", "dot", "ball"}, {"circles", "discs", "disks", "dots", "balls"});
        noun(2, {"square", "block", "box"}, {"squares", "blocks", "boxes"});
        noun(3, {"triangle"}, {"triangles"});
        noun(4, {"ring", "hoop"}, {"rings", "hoops"});
        noun(5, {"star"}, {"stars"});
        noun(6, {"cross", "plus"}, {"crosses", "pluses", "plusses"});
        const auto colour = [&](int object, int background, std::initializer_list<std::string_view> names) {
            for (const auto name : names)
                out[name] = {Kind::Colour, object, background, false};
        };
        colour(1, 0, {"red", "crimson", "scarlet"});
        colour(2, 0, {"orange"});
        colour(3, 0, {"yellow", "golden"});
        colour(4, 0, {"green"});
        colour(5, 0, {"cyan", "turquoise", "aqua"});
        colour(6, 0, {"blue"});
        colour(7, 0, {"purple", "violet"});
        colour(8, 3, {"pink"});
        colour(9, 1, {"white"});
        colour(10, 8, {"black"});
        colour(0, 2, {"cream", "beige", "ivory"});
        colour(0, 3, {"rose"});
        colour(0, 4, {"sky"});
        colour(0, 5, {"grey", "gray"});
        colour(0, 6, {"brown"});
        colour(0, 7, {"navy"});
        return out;
    }();
    return words;
}

constexpr size_t kMaxCaptionBytes = 1 << 16;
constexpr size_t kMaxIgnored = 1000;

bool isLetter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
}

/// Fills the slots word by word. Colours wait until the noun they stand before is known.
class CaptionReader {
public:
    explicit CaptionReader(ParsedCaption& out) : m_out(out) {}

    void word(size_t offset, std::string_view written) {
        std::string lower(written);
        std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
        const ParsedCaption::Word at{offset, written.size(), std::string(written), ParsedCaption::Why::Unknown};
        const auto found = vocabulary().find(lower);
        if (found == vocabulary().end()) {
            ignore(at, ParsedCaption::Why::Unknown);
        } else if (!(lower == "blue" && (m_previous == "sky" || m_previous == "navy"))) { // one colour in two words
            take(at, found->second);
        }
        m_previous = lower;
    }

    void end() {
        resolve(true);
        if (m_out.caption.count == 0 && m_one)
            m_out.caption.count = 1;
        std::stable_sort(m_out.ignored.begin(), m_out.ignored.end(), [](const auto& a, const auto& b) { return a.offset < b.offset; });
    }

private:
    struct Pending {
        ParsedCaption::Word at;
        Meaning meaning;
        bool on = false; ///< follows "on"
    };

    void ignore(ParsedCaption::Word at, ParsedCaption::Why why) {
        at.why = why;
        if (m_out.ignored.size() < kMaxIgnored)
            m_out.ignored.push_back(std::move(at));
    }
    void set(int& slot, int id, const ParsedCaption::Word& at) {
        if (id == 0 || (slot != 0 && slot != id))
            ignore(at, ParsedCaption::Why::Unused);
        else
            slot = id;
    }

    void take(const ParsedCaption::Word& at, const Meaning& meaning) {
        Caption& c = m_out.caption;
        switch (meaning.kind) {
        case Kind::Filler:
        case Kind::Article:
            break;
        case Kind::On:
            m_on = true;
            break;
        case Kind::Number:
            set(c.count, meaning.id, at);
            break;
        case Kind::Size:
            set(c.size, meaning.id, at);
            break;
        case Kind::Layout:
            set(c.layout, meaning.id, at);
            m_on = false; // "on the left": what follows is no background yet
            break;
        case Kind::Style:
            set(c.style, meaning.id, at);
            break;
        case Kind::Colour:
            if (m_pending.size() < kMaxIgnored)
                m_pending.push_back({at, meaning, m_on});
            break;
        case Kind::Noun:
            if (meaning.id != 0)
                set(c.shape, meaning.id, at);
            m_one = m_one || (meaning.singular && !m_noun);
            m_noun = true;
            if (!m_pending.empty()) {
                const Pending own = m_pending.back();
                m_pending.pop_back();
                set(c.colour, own.meaning.id, own.at);
            }
            resolve(false);
            break;
        case Kind::Background:
            if (!m_pending.empty()) {
                const Pending own = m_pending.back();
                m_pending.pop_back();
                set(c.background, own.meaning.background, own.at);
            }
            resolve(false);
            break;
        }
    }

    /// Colours without a noun of their own: after "on" the background, else the objects; at the end what is still free.
    void resolve(bool atEnd) {
        Caption& c = m_out.caption;
        for (const Pending& p : m_pending) {
            if (p.on || (atEnd && c.colour != 0))
                set(c.background, p.meaning.background, p.at);
            else
                set(c.colour, p.meaning.id, p.at);
        }
        m_pending.clear();
        m_on = false;
    }

    ParsedCaption& m_out;
    std::vector<Pending> m_pending;
    std::string m_previous;
    bool m_on = false, m_noun = false, m_one = false;
};

int clampedId(Slot slot, int id) { return id >= 0 && id < slotSize(slot) ? id : 0; }

/// Whether some arrangement has room for the size.
bool hasRoom(int count, int layout, int size) {
    const auto& places = arrangementsFor(count, layout);
    const int32_t least = size == 0 ? 0 : sizeRange(size).low;
    return std::any_of(places.begin(), places.end(), [&](const Arrangement& a) { return a.most >= least; });
}

/// Further from each other than this, two colours are told apart at a glance.
constexpr int kStandsOut = 130;

} // namespace

const std::vector<std::string_view>& slotWords(Slot slot) {
    static const std::array<std::vector<std::string_view>, kSlots> words{{
        {"", "one", "two", "three", "four"},
        {"", "small", "medium", "large"},
        {"", "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "white", "black"},
        {"", "circle", "square", "triangle", "ring", "star", "cross"},
        {"", "left", "right", "top", "bottom", "centre", "row", "scattered"},
        {"", "plain", "gradient", "stripes", "checker"},
        {"", "white", "cream", "rose", "sky", "grey", "brown", "navy", "black"},
    }};
    return words[static_cast<size_t>(slot)];
}

const char* slotName(Slot slot) {
    static constexpr std::array<const char*, kSlots> names{"count", "size", "colour", "shape", "layout", "style", "background"};
    return names[static_cast<size_t>(slot)];
}

int slotSize(Slot slot) { return static_cast<int>(slotWords(slot).size()); }

Caption Caption::of(const std::array<int, kSlots>& s) {
    const auto id = [&](Slot slot) { return clampedId(slot, s[static_cast<size_t>(slot)]); };
    return {id(Slot::Count),  id(Slot::Size),  id(Slot::Colour),    id(Slot::Shape),
            id(Slot::Layout), id(Slot::Style), id(Slot::Background)};
}

Rgb objectColour(int id) {
    static constexpr std::array<Rgb, 11> colours{{{0, 0, 0},
                                                  {220, 40, 40},
                                                  {245, 140, 30},
                                                  {245, 222, 50},
                                                  {50, 160, 70},
                                                  {60, 205, 215},
                                                  {50, 90, 222},
                                                  {132, 60, 182},
                                                  {250, 100, 170},
                                                  {246, 246, 246},
                                                  {18, 18, 20}}};
    return colours[id >= 0 && id < 11 ? static_cast<size_t>(id) : 0];
}

Rgb backgroundColour(int id) {
    static constexpr std::array<Rgb, 9> colours{{{0, 0, 0},
                                                 {240, 240, 238},
                                                 {243, 224, 176},
                                                 {232, 172, 176},
                                                 {168, 208, 240},
                                                 {140, 142, 145},
                                                 {112, 74, 46},
                                                 {28, 38, 92},
                                                 {16, 16, 20}}};
    return colours[id >= 0 && id < 9 ? static_cast<size_t>(id) : 0];
}

bool standsOut(int colour, int background) {
    const Rgb a = objectColour(colour), b = backgroundColour(background);
    const int r = a.r - b.r, g = a.g - b.g, d = a.b - b.b;
    return r * r + g * g + d * d >= kStandsOut * kStandsOut;
}

ParsedCaption parseCaption(std::string_view text) {
    text = text.substr(0, kMaxCaptionBytes);
    ParsedCaption out;
    CaptionReader reader(out);
    for (size_t at = 0; at < text.size();) {
        if (!isLetter(text[at])) {
            ++at;
            continue;
        }
        const size_t begin = at;
        while (at < text.size() && isLetter(text[at]))
            ++at;
        reader.word(begin, text.substr(begin, at - begin));
    }
    reader.end();
    return out;
}

std::string captionText(const Caption& caption, uint64_t seed) {
    const Caption c = Caption::of(caption.slots());
    SceneRandom random(seed, 0x77);
    // Draws in any case, so that a word's choice does not depend on the words before it.
    const auto pick = [&](std::string_view plain, std::initializer_list<std::string_view> others) {
        const int draw = random.below(5 * std::max(1, static_cast<int>(others.size())));
        return seed != 0 && static_cast<size_t>(draw) < others.size() ? *(others.begin() + draw) : plain;
    };
    std::vector<std::string_view> words;
    const bool one = c.count == 1;
    const auto number = pick(slotWords(Slot::Count)[static_cast<size_t>(c.count)], {});
    const auto small = pick("small", {"tiny", "little"}), large = pick("large", {"big", "huge"});
    const auto violet = pick("purple", {"violet"}), turquoise = pick("cyan", {"turquoise"});
    const auto disc = pick(one ? "circle" : "circles", {one ? "disc" : "discs"});
    const auto middle = pick("in the centre", {"in the middle"});
    const auto some = pick("", {"some"});
    const bool shortGround = pick("", {"on"}) == "on", saysOne = pick("", {"one"}) == "one";
    const auto gray = pick("grey", {"gray"});
    if (c.count > 1)
        words.push_back(number);
    else if (c.count == 0 && !some.empty())
        words.push_back(some);
    if (c.size)
        words.push_back(c.size == 1 ? small : c.size == 2 ? "medium" : large);
    if (c.colour)
        words.push_back(c.colour == 7 ? violet : c.colour == 5 ? turquoise : slotWords(Slot::Colour)[static_cast<size_t>(c.colour)]);
    static constexpr std::array<std::string_view, 7> kOne{"object", "circle", "square", "triangle", "ring", "star", "cross"};
    static constexpr std::array<std::string_view, 7> kMany{"objects", "circles", "squares", "triangles", "rings", "stars", "crosses"};
    words.push_back(c.shape == 1 ? disc : (one ? kOne : kMany)[static_cast<size_t>(c.shape)]);
    if (one) {
        const char first = words.front().front();
        words.insert(words.begin(), saysOne ? "one" : first == 'o' ? "an" : "a");
    }
    static constexpr std::array<std::string_view, 8> kLayouts{"",           "on the left", "on the right", "at the top", "at the bottom",
                                                              "in the centre", "in a row",    "scattered"};
    if (c.layout)
        words.push_back(c.layout == 5 ? middle : kLayouts[static_cast<size_t>(c.layout)]);
    static constexpr std::array<std::string_view, 5> kStyles{"", "plain", "gradient", "striped", "checkered"};
    const auto ground = c.background == 5 ? gray : slotWords(Slot::Background)[static_cast<size_t>(c.background)];
    if (c.background && !c.style && shortGround) {
        words.push_back("on");
        words.push_back(ground);
    } else if (c.background || c.style) {
        words.push_back("on a");
        if (c.style)
            words.push_back(kStyles[static_cast<size_t>(c.style)]);
        if (c.background)
            words.push_back(ground);
        words.push_back("background");
    }
    std::string text;
    for (const auto word : words)
        text.append(text.empty() ? "" : " ").append(word);
    return text;
}

bool isDrawable(const Caption& caption) {
    const Caption c = Caption::of(caption.slots());
    if (c.colour && c.background && !standsOut(c.colour, c.background))
        return false;
    for (int count = 1; count < slotSize(Slot::Count); ++count)
        if ((c.count == 0 ? count > 1 : count == c.count) && hasRoom(count, c.layout, c.size))
            return true;
    return false;
}

Caption drawCaption(uint64_t seed) {
    SceneRandom random(seed, 0xCA);
    for (;;) {
        Caption c;
        c.colour = 1 + random.below(slotSize(Slot::Colour) - 1);
        c.shape = 1 + random.below(slotSize(Slot::Shape) - 1);
        if (random.chance(75))
            c.count = 1 + random.below(slotSize(Slot::Count) - 1);
        if (random.chance(40))
            c.size = 1 + random.below(slotSize(Slot::Size) - 1);
        if (random.chance(30))
            c.layout = 1 + random.below(slotSize(Slot::Layout) - 1);
        if (random.chance(25))
            c.style = 1 + random.below(slotSize(Slot::Style) - 1);
        if (random.chance(50))
            c.background = 1 + random.below(slotSize(Slot::Background) - 1);
        if (isDrawable(c))
            return c;
        // Otherwise what is rare would be said less often than promised: only the clash is drawn anew.
        for (int i = 0; i < 20 && c.background && !standsOut(c.colour, c.background); ++i)
            c.background = 1 + random.below(slotSize(Slot::Background) - 1);
        for (int i = 0; i < 20 && !isDrawable(c); ++i) {
            c.size = c.size ? 1 + random.below(slotSize(Slot::Size) - 1) : 0;
            c.layout = c.layout ? 1 + random.below(slotSize(Slot::Layout) - 1) : 0;
        }
        if (isDrawable(c))
            return c;
    }
}

Obedience obedienceOf(const Caption& caption, const SceneMeasure& measure) {
    const Caption c = Caption::of(caption.slots());
    Obedience out;
    if (c.count)
        out.count = measure.count == c.count;
    if (c.colour)
        out.colour = measure.colour == c.colour;
    if (c.shape)
        out.shape = measure.shape == c.shape;
    if (c.background)
        out.background = measure.background == c.background;
    return out;
}

} // namespace pl::rules
