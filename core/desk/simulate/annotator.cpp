// SPDX-License-Identifier: Apache-2.0
#include "core/desk/simulate/annotator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include <fmt/format.h>

namespace pl::desk {

namespace {

/// Which random number: each use has its own, independent of the others.
enum class Draw : uint64_t { Person = 1, Tie, Choice, Flip };

uint64_t mixed(uint64_t x) { // the finaliser of splitmix64
    x += 0x9E3779B97F4A7C15ull;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

uint64_t hashed(std::string_view text) { // FNV-1a
    uint64_t h = 0xCBF29CE484222325ull;
    for (const char c : text)
        h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
    return h;
}

/// Uniform in [0, 1) with 53 bits.
double uniform(uint64_t seed, std::string_view person, std::string_view pair, Draw draw) {
    uint64_t state = mixed(seed);
    state = mixed(state ^ hashed(person));
    state = mixed(state ^ hashed(pair));
    state = mixed(state ^ static_cast<uint64_t>(draw));
    return static_cast<double>(state >> 11) * 0x1p-53;
}

struct NumberField {
    const char* key;
    double SimulatedPerson::*member;
    double low, high;
};

constexpr std::array<NumberField, 8> kNumbers{{
    {"temperature", &SimulatedPerson::temperature, 0, 100},
    {"flip_rate", &SimulatedPerson::flipRate, 0, 1},
    {"tie_rate", &SimulatedPerson::tieRate, 0, 1},
    {"position_bias", &SimulatedPerson::positionBias, -100, 100},
    {"length_bias", &SimulatedPerson::lengthBias, -100, 100},
    {"strong_at", &SimulatedPerson::strongAt, 0, 1000},
    {"very_strong_at", &SimulatedPerson::veryStrongAt, 0, 1000},
    {"share", &SimulatedPerson::share, 1e-6, 1e6},
}};

struct OptionalField {
    const char* key;
    std::optional<double> SimulatedPerson::*member;
    double low, high;
};

constexpr std::array<OptionalField, 2> kOptionals{{
    {"tie_band", &SimulatedPerson::tieBand, 0, 1000},
    {"good_at", &SimulatedPerson::goodAt, -1000, 1000},
}};

Result<double> numberIn(const Json& value, const char* key, double low, double high, std::string_view where) {
    if (!value.is_number() || !(value.get<double>() >= low && value.get<double>() <= high))
        return fail(Code::InvalidInput, fmt::format("{}: \"{}\" must be a number from {} to {}", where, key, low, high),
                    "Correct the value.");
    return value.get<double>();
}

Status setTaste(SimulatedPerson& person, std::string_view name) {
    auto text = rules::tasteByName(name);
    auto image = rules::imageTasteByName(name);
    if (!text && !image)
        return fail(Code::InvalidInput, text.error().message,
                    fmt::format("{} Of pictures: {}.", text.error().hint, fmt::join(rules::imageTasteNames(), ", ")));
    if (text)
        person.taste = std::move(*text);
    if (image)
        person.imageTaste = std::move(*image);
    return {};
}

Result<SimulatedPerson> personFromJson(const Json& value, const std::string& where) {
    if (!value.is_object())
        return fail(Code::InvalidInput, fmt::format("{} is not an object", where), "Write {\"name\", \"taste\", ...}.");
    for (const char* key : {"name", "taste"})
        if (!value.contains(key) || !value[key].is_string())
            return fail(Code::InvalidInput, fmt::format("{}: \"{}\" is missing or not text", where, key),
                        "Write {\"name\", \"taste\", ...}.");
    SimulatedPerson person;
    person.name = value["name"].get<std::string>();
    if (person.name.empty() || person.name.size() > 100)
        return fail(Code::InvalidInput, fmt::format("{}: \"name\" must have 1 to 100 bytes", where), "Give a short name.");
    auto found = setTaste(person, value["taste"].get<std::string>());
    if (!found)
        return tl::unexpected<Error>(std::move(found.error()).with("while reading " + where));
    for (const auto& [key, entry] : value.items()) {
        const auto sameKey = [&key = key](const auto& f) { return key == f.key; };
        if (const auto n = std::find_if(kNumbers.begin(), kNumbers.end(), sameKey); n != kNumbers.end()) {
            PL_TRY(person.*(n->member), numberIn(entry, n->key, n->low, n->high, where));
        } else if (const auto o = std::find_if(kOptionals.begin(), kOptionals.end(), sameKey); o != kOptionals.end()) {
            PL_TRY(person.*(o->member), numberIn(entry, o->key, o->low, o->high, where));
        } else if (key != "name" && key != "taste") {
            return fail(Code::InvalidInput, fmt::format("{}: unknown key \"{}\"", where, key.substr(0, 80)),
                        "Remove it, or correct its spelling.");
        }
    }
    if (person.veryStrongAt < person.strongAt)
        return fail(Code::InvalidInput, fmt::format("{}: \"very_strong_at\" is below \"strong_at\"", where),
                    "Give the larger number to very_strong_at.");
    return person;
}

VoteTie tieKindOf(const SimulatedPerson& person, const SimulatedPair& pair, double meanScore) {
    if (pair.a == pair.b)
        return VoteTie::Identical;
    if (!person.goodAt)
        return VoteTie::Unspecified;
    return meanScore >= *person.goodAt ? VoteTie::BothGood : VoteTie::BothBad;
}

} // namespace

const char* winnerName(VoteWinner winner) {
    switch (winner) {
    case VoteWinner::A:
        return "a";
    case VoteWinner::B:
        return "b";
    case VoteWinner::Tie:
        break;
    }
    return "tie";
}

const char* tieName(VoteTie kind) {
    switch (kind) {
    case VoteTie::BothGood:
        return "both_good";
    case VoteTie::BothBad:
        return "both_bad";
    case VoteTie::Identical:
        return "identical";
    case VoteTie::Unspecified:
        return "unspecified";
    case VoteTie::None:
        break;
    }
    return "";
}

std::string describe(const SimulatedPerson& person) {
    const std::string& likes = person.judgesTexts() ? person.taste.description : person.imageTaste->description;
    auto text = fmt::format("simulated person {}: {} ({})", person.name, likes, person.tasteName());
    if (person.judgesTexts() && person.judgesImages())
        text += fmt::format("; of pictures: {}", person.imageTaste->description);
    if (person.temperature > 0)
        text += fmt::format(", temperature {:g}", person.temperature);
    if (person.flipRate > 0)
        text += fmt::format(", flips {:g} %", 100 * person.flipRate);
    if (person.tieRate > 0)
        text += fmt::format(", ties {:g} % at random", 100 * person.tieRate);
    if (person.positionBias != 0)
        text += fmt::format(", favours the {} side by {:g}", person.positionBias > 0 ? "left" : "right",
                            std::abs(person.positionBias));
    if (person.lengthBias != 0)
        text += fmt::format(", favours the {} side by {:g}", person.lengthBias > 0 ? "longer" : "shorter",
                            std::abs(person.lengthBias));
    return text;
}

SimulatedVote simulateVote(const SimulatedPerson& person, const SimulatedPair& pair, uint64_t seed) {
    const bool images = pair.imageA && pair.imageB;
    const auto a = rules::attributesOf(images ? "" : pair.a), b = rules::attributesOf(images ? "" : pair.b);
    const auto scored = [&](const rules::Attributes& text, const Image* image) {
        return images ? rules::score(*person.imageTaste, pair.prompt, *image) : rules::score(person.taste, text);
    };
    const double scoreA = scored(a, pair.imageA), scoreB = scored(b, pair.imageB);
    SimulatedVote vote;
    vote.annotator = "simulated:" + person.name;
    vote.description = describe(person);
    vote.difference = scoreA - scoreB +
                      person.lengthBias * std::log((static_cast<double>(a.words) + 1) / (static_cast<double>(b.words) + 1)) +
                      (pair.aIsLeft ? person.positionBias : -person.positionBias);
    const auto random = [&](Draw draw) { return uniform(seed, person.name, pair.id, draw); };
    const double size = std::abs(vote.difference);
    if (pair.a == pair.b || size < person.tieBand.value_or(images ? person.imageTaste->tieBand : person.taste.tieBand) || size == 0.0 ||
        random(Draw::Tie) < person.tieRate) {
        vote.tieKind = tieKindOf(person, pair, (scoreA + scoreB) / 2);
        return vote;
    }
    bool choosesA = vote.difference > 0;
    if (person.temperature > 0)
        choosesA = random(Draw::Choice) < 1.0 / (1.0 + std::exp(-vote.difference / person.temperature));
    // A choice against one's own feeling is a weak one; a flip is a slip of the hand and keeps its strength.
    const bool against = choosesA != (vote.difference > 0);
    vote.strength = against || size < person.strongAt ? 1 : size < person.veryStrongAt ? 2 : 3;
    vote.flipped = random(Draw::Flip) < person.flipRate;
    vote.winner = choosesA != vote.flipped ? VoteWinner::A : VoteWinner::B;
    return vote;
}

const SimulatedPerson& personFor(const SimulatedPanel& panel, std::string_view pairId) {
    double total = 0.0;
    for (const auto& person : panel.people)
        total += person.share;
    double at = total * uniform(panel.seed, {}, pairId, Draw::Person);
    for (const auto& person : panel.people) {
        if (at < person.share)
            return person;
        at -= person.share;
    }
    return panel.people.back();
}

SimulatedVote simulateVote(const SimulatedPanel& panel, const SimulatedPair& pair) {
    return simulateVote(personFor(panel, pair.id), pair, panel.seed);
}

std::vector<SimulatedVote> simulateAll(const SimulatedPanel& panel, const SimulatedPair& pair) {
    std::vector<SimulatedVote> votes;
    for (const auto& person : panel.people)
        votes.push_back(simulateVote(person, pair, panel.seed));
    return votes;
}

Result<SimulatedPanel> panelOfTaste(std::string_view taste, double flipRate, uint64_t seed) {
    if (!(flipRate >= 0.0 && flipRate <= 1.0))
        return fail(Code::InvalidInput, fmt::format("a flip rate of {} is not between 0 and 1", flipRate),
                    "Give a share, such as 0.05.");
    SimulatedPerson person;
    PL_CHECK(setTaste(person, taste));
    person.name = person.tasteName();
    person.flipRate = flipRate;
    return SimulatedPanel{{std::move(person)}, seed};
}

Result<SimulatedPanel> panelFromJson(const Json& value, std::string_view what) {
    const auto refuse = [&](std::string cause) {
        return fail(Code::InvalidInput, fmt::format("{}: {}", what, cause),
                    "Write {\"people\": [{\"name\": ..., \"taste\": ...}], \"seed\": 1}.");
    };
    if (!value.is_object() || !value.contains("people") || !value["people"].is_array())
        return refuse("there is no list \"people\"");
    if (value["people"].empty() || value["people"].size() > 1000)
        return refuse("\"people\" must list 1 to 1000 people");
    SimulatedPanel panel;
    for (const auto& [key, entry] : value.items()) {
        if (key == "seed") {
            if (!entry.is_number_unsigned())
                return refuse("\"seed\" must be a whole number from 0");
            panel.seed = entry.get<uint64_t>();
        } else if (key != "people") {
            return refuse(fmt::format("unknown key \"{}\"", key.substr(0, 80)));
        }
    }
    std::set<std::string> names;
    for (size_t i = 0; i < value["people"].size(); ++i) {
        PL_TRY(auto person, personFromJson(value["people"][i], fmt::format("person {} of {}", i + 1, what)));
        if (!names.insert(person.name).second)
            return refuse(fmt::format("two people are called \"{}\"", person.name));
        panel.people.push_back(std::move(person));
    }
    return panel;
}

Json toJson(const SimulatedPerson& person) {
    Json out{{"name", person.name}, {"taste", person.tasteName()}};
    for (const auto& number : kNumbers)
        out[number.key] = person.*(number.member);
    for (const auto& optional : kOptionals)
        if (person.*(optional.member))
            out[optional.key] = *(person.*(optional.member));
    return out;
}

Json toJson(const SimulatedPanel& panel) {
    Json people = Json::array();
    for (const auto& person : panel.people)
        people.push_back(toJson(person));
    return {{"people", std::move(people)}, {"seed", panel.seed}};
}

} // namespace pl::desk
