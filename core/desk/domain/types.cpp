// SPDX-License-Identifier: Apache-2.0
#include "core/desk/domain/types.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/base/hash.h"

namespace pl::desk {

namespace {

template<class E>
struct Name {
    E value;
    const char* name;
};

constexpr Name<Split> kSplits[] = {{Split::Train, "train"}, {Split::Dev, "dev"}, {Split::Test, "test"}};
constexpr Name<Winner> kWinners[] = {{Winner::A, "a"}, {Winner::B, "b"}, {Winner::Tie, "tie"}};
constexpr Name<TieKind> kTieKinds[] = {{TieKind::None, ""},
                                       {TieKind::BothGood, "both_good"},
                                       {TieKind::BothBad, "both_bad"},
                                       {TieKind::Identical, "identical"},
                                       {TieKind::Unspecified, "unspecified"}};
constexpr Name<AnnotatorKind> kAnnotators[] = {{AnnotatorKind::Human, "human"},
                                               {AnnotatorKind::Rule, "rule"},
                                               {AnnotatorKind::Judge, "judge"},
                                               {AnnotatorKind::Model, "model"}};
constexpr Name<Provenance> kProvenances[] = {
    {Provenance::Human, "human"}, {Provenance::Rule, "rule"},
    {Provenance::Judge, "judge"}, {Provenance::Model, "model"},
    {Provenance::Transferred, "transferred"}, {Provenance::Imported, "imported"}};
constexpr Name<Scale> kScales[] = {{Scale::Simple, "simple"}, {Scale::SevenPoint, "seven_point"}};
constexpr Name<EventKind> kEvents[] = {{EventKind::Vote, "vote"}, {EventKind::Skip, "skip"},
                                       {EventKind::Flag, "flag"}, {EventKind::Undo, "undo"},
                                       {EventKind::Redo, "redo"}, {EventKind::Revert, "revert"}};
constexpr Name<CandidateKind> kKinds[] = {{CandidateKind::Text, "text"}, {CandidateKind::Image, "image"}};
constexpr Name<QueueRule> kRules[] = {{QueueRule::Fifo, "fifo"}, {QueueRule::Random, "random"}, {QueueRule::Mixed, "mixed"}};

template<class E, size_t N>
const char* nameIn(const Name<E> (&table)[N], E value) {
    for (const auto& entry : table)
        if (entry.value == value)
            return entry.name;
    return "?";
}

template<class E, size_t N>
Result<E> valueIn(const Name<E> (&table)[N], std::string_view name, const char* what) {
    std::string known;
    for (const auto& entry : table) {
        if (name == entry.name)
            return entry.value;
        known += known.empty() ? "" : ", ";
        known += *entry.name ? entry.name : "\"\"";
    }
    return fail(Code::InvalidInput, fmt::format("\"{}\" is not a {}", name, what), "Known are: " + known + ".");
}

} // namespace

const char* splitName(Split value) { return nameIn(kSplits, value); }
const char* winnerName(Winner value) { return nameIn(kWinners, value); }
const char* tieKindName(TieKind value) { return nameIn(kTieKinds, value); }
const char* annotatorKindName(AnnotatorKind value) { return nameIn(kAnnotators, value); }
const char* provenanceName(Provenance value) { return nameIn(kProvenances, value); }
const char* scaleName(Scale value) { return nameIn(kScales, value); }
const char* eventKindName(EventKind value) { return nameIn(kEvents, value); }
const char* queueRuleName(QueueRule value) { return nameIn(kRules, value); }
const char* candidateKindName(CandidateKind value) { return nameIn(kKinds, value); }

Result<Split> splitOf(std::string_view name) { return valueIn(kSplits, name, "split"); }
Result<Winner> winnerOf(std::string_view name) { return valueIn(kWinners, name, "winner"); }
Result<TieKind> tieKindOf(std::string_view name) { return valueIn(kTieKinds, name, "kind of tie"); }
Result<AnnotatorKind> annotatorKindOf(std::string_view name) {
    return valueIn(kAnnotators, name, "kind of annotator");
}
Result<Provenance> provenanceOf(std::string_view name) { return valueIn(kProvenances, name, "provenance"); }
Result<Scale> scaleOf(std::string_view name) { return valueIn(kScales, name, "scale"); }
Result<EventKind> eventKindOf(std::string_view name) { return valueIn(kEvents, name, "kind of judgement"); }
Result<CandidateKind> candidateKindOf(std::string_view name) { return valueIn(kKinds, name, "kind of answer"); }
Result<QueueRule> queueRuleOf(std::string_view name) { return valueIn(kRules, name, "queue rule"); }

Provenance provenanceOf(AnnotatorKind kind) {
    switch (kind) {
    case AnnotatorKind::Human:
        return Provenance::Human;
    case AnnotatorKind::Rule:
        return Provenance::Rule;
    case AnnotatorKind::Judge:
        return Provenance::Judge;
    case AnnotatorKind::Model:
        return Provenance::Model;
    }
    return Provenance::Model;
}

Result<std::string> canonicalPrompt(const Json& value) {
    if (value.is_string())
        return value.get<std::string>();
    if (!value.is_array() || value.empty())
        return fail(Code::InvalidInput, "a prompt is a text or a list of {role, content}");
    Json turns = Json::array();
    for (const auto& turn : value) {
        if (!turn.is_object() || !turn.contains("role") || !turn["role"].is_string() ||
            !turn.contains("content") || !turn["content"].is_string())
            return fail(Code::InvalidInput, "a turn of the prompt lacks a role or a text content");
        turns.push_back({{"role", turn["role"]}, {"content", turn["content"]}});
    }
    if (turns.size() == 1 && turns[0]["role"] == "user")
        return turns[0]["content"].get<std::string>();
    return dumpJson(turns);
}

std::string promptSha(std::string_view content) { return sha256Hex("prompt\n" + std::string(content)); }
std::string candidateSha(std::string_view content) { return sha256Hex("text\n" + std::string(content)); }

std::string pairSha(const std::string& promptSha, const std::string& shaA, const std::string& shaB) {
    return sha256Hex("pair\n" + promptSha + "\n" + std::min(shaA, shaB) + "\n" + std::max(shaA, shaB));
}

Split drawSplit(const std::string& promptSha) {
    const double u = unitUniform(hashSeed(0, promptSha));
    return u < 0.8 ? Split::Train : u < 0.9 ? Split::Dev : Split::Test;
}

std::string uuidFromText(std::string_view text) {
    std::string hex = sha256Hex(text).substr(0, 32);
    hex[12] = '8'; // RFC 9562 version 8: made by the program's own rule
    const char nibble = hex[16];
    const int value = nibble <= '9' ? nibble - '0' : nibble - 'a' + 10;
    hex[16] = "89ab"[value & 3];
    for (const size_t at : {20u, 16u, 12u, 8u})
        hex.insert(at, "-");
    return hex;
}

Json DatasetCounts::toJson() const {
    return {{"votes", votes},       {"train", train},
            {"dev", dev},           {"ties", ties},
            {"both_bad", bothBad},  {"identical", identical},
            {"unpaired", unpaired}, {"skips", skips},
            {"disagreements", disagreements}, {"sealed_test", sealedTest},
            {"flagged", flagged},   {"prompts", prompts},
            {"rankings", rankings}, {"unusable", unusable},
            {"train_rankings", trainRankings}, {"dev_rankings", devRankings},
            {"ranked_train", rankedTrain}, {"ranked_dev", rankedDev}};
}

std::string DatasetCounts::toString() const {
    const auto some = [](int64_t n, const char* one) { return fmt::format("{} {}{}", n, one, n == 1 ? "" : "s"); };
    const auto split = [&](int64_t pairs, int64_t ranked, int64_t made) {
        const std::string rankings = fmt::format("{} ({})", some(ranked, "ranking"), some(made, "pair"));
        return ranked == 0 ? some(pairs, "pair") : pairs == 0 ? rankings : some(pairs, "pair") + " and " + rankings;
    };
    return fmt::format("{} to train on, {} held out{}{}", split(train, trainRankings, rankedTrain),
                       devRankings == 0 ? fmt::format("{}", dev) : split(dev, devRankings, rankedDev),
                       sealedTest == 0 ? "" : fmt::format(", {} on test prompts, which are sealed", some(sealedTest, "vote")),
                       unusable == 0 ? "" : fmt::format(", {} left out: an image is missing or damaged, or a ranking does not fit",
                                                        some(unusable, "vote")));
}

} // namespace pl::desk
