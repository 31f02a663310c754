// SPDX-License-Identifier: Apache-2.0
// demo --images: once round the loop with pictures, headless, with grids of before and after.
#include <algorithm>

#include <fmt/format.h>

#include "app/cli/demo_stages.h"
#include "core/base/image.h"
#include "core/base/os/files.h"
#include "core/rules/image_taste.h"
#include "core/rules/statistics.h"

namespace pl::cli {

namespace {

constexpr int64_t kTestPrompts = 100;
constexpr int64_t kBestOf = 8;
constexpr size_t kGridRows = 12;
constexpr int32_t kGridScale = 4;
constexpr int32_t kGridGap = 4;
constexpr const char* kStart = "start";

class ImageDemo : public DemoStages {
public:
    using DemoStages::DemoStages;
    Result<int> run();

private:
    /// One column of the grid: prompt -> image file, in the order of an evaluation.
    struct Column {
        std::string title;
        std::map<std::string, std::string> files;
    };
    Result<desk::RunInfo> generate(const desk::GenerateRequest& asked);
    Status takeColumns(const desk::RunInfo& evaluation, const char* title);
    Result<Json> bestOf(const desk::RunInfo& judge);
    Status writeGrid();
    bool offers(const char* plugin) { return m_desk->supervisor().catalog().find(plugin) != nullptr; }
    std::string summary(const Json& json) const;

    std::vector<std::string> m_prompts;
    std::vector<double> m_goldAtStart;
    std::vector<Column> m_columns;
};

Result<desk::RunInfo> ImageDemo::generate(const desk::GenerateRequest& asked) {
    desk::GenerateRequest request = asked;
    request.device = m_a.device;
    PL_TRY(const std::string run, desk::startGenerate(m_desk->project(), m_desk->supervisor(), request));
    return finish(run);
}

/// The images an evaluation drew, of the model under test and (once) of the start.
Status ImageDemo::takeColumns(const desk::RunInfo& evaluation, const char* title) {
    PL_TRY(const auto events, readEvents(os::joinPath(evaluation.dir, "events.jsonl")));
    const bool first = m_columns.empty();
    if (first)
        m_columns.push_back({kStart, {}});
    Column column{title, {}};
    for (const Event& event : events) {
        if (event.type != event::kSample || !event.body.contains("image") || !event.body.contains("prompt"))
            continue;
        const std::string prompt = event.body["prompt"].get<std::string>();
        const std::string file = os::joinPath(evaluation.dir, event.body["image"].get<std::string>());
        const bool against = event.body.value("tag", "") == "against";
        if (!against) {
            column.files.emplace(prompt, file);
        } else if (first && m_columns[0].files.emplace(prompt, file).second) {
            m_prompts.push_back(prompt);
            PL_TRY(const rules::ImageTaste taste, rules::imageTasteByName(m_a.taste));
            PL_TRY(const Image image, readPng(file));
            m_goldAtStart.push_back(rules::score(taste, prompt, image));
        }
    }
    m_columns.push_back(std::move(column));
    return {};
}

/// Without any training: the reward model chooses among eight.
Result<Json> ImageDemo::bestOf(const desk::RunInfo& judge) {
    desk::GenerateRequest request;
    request.split = desk::Split::Test;
    request.prompts = kTestPrompts;
    request.n = 1;
    request.bestOf = kBestOf;
    request.judge = idOf(judge);
    request.seed = m_a.seed;
    request.makePairs = false;
    PL_TRY(const desk::GenerateEstimate cost, desk::estimateGenerate(m_desk->project(), request));
    if (cost.seconds() >= 0)
        std::fprintf(stderr, " (%lld images, about %.0f s)", static_cast<long long>(cost.samples), cost.seconds());
    PL_TRY(const desk::RunInfo run, generate(request));
    PL_TRY(const rules::ImageTaste taste, rules::imageTasteByName(m_a.taste));
    desk::Page page;
    page.run = std::atoll(run.name.c_str());
    page.limit = 0;
    PL_TRY(const auto candidates, m_desk->project().candidates(page));
    Column column{fmt::format("best of {}", kBestOf), {}};
    std::vector<double> gold;
    int64_t obeyed = 0;
    for (const desk::Candidate& candidate : candidates) {
        PL_TRY(const desk::Prompt prompt, m_desk->project().prompt(candidate.prompt));
        const std::string file = m_desk->project().mediaPath(candidate.content);
        PL_TRY(const Image image, readPng(file));
        gold.push_back(rules::score(taste, prompt.content, image));
        obeyed += rules::obedienceOf(rules::parseCaption(prompt.content).caption, rules::measureScene(image)).all();
        column.files.emplace(prompt.content, file);
    }
    m_columns.push_back(std::move(column));
    const double sd = rules::standardDeviation(m_goldAtStart);
    return Json{{"n", kBestOf},
                {"gold_delta_sd", jsonNumber((rules::mean(gold) - rules::mean(m_goldAtStart)) / sd)},
                {"obedience", jsonNumber(gold.empty() ? NAN : static_cast<double>(obeyed) / static_cast<double>(gold.size()))}};
}

/// before_after.png: a row a prompt, a column a model, in the order of the summary.
Status ImageDemo::writeGrid() {
    const size_t rows = std::min(m_prompts.size(), kGridRows);
    if (rows == 0)
        return {};
    std::vector<std::vector<Image>> cells(rows);
    int32_t side = 1;
    for (size_t r = 0; r < rows; ++r)
        for (const Column& column : m_columns) {
            const auto file = column.files.find(m_prompts[r]);
            auto image = file == column.files.end() ? Result<Image>(Image()) : readPng(file->second);
            cells[r].push_back(image ? std::move(*image) : Image());
            side = std::max({side, cells[r].back().width * kGridScale, cells[r].back().height * kGridScale});
        }
    const int32_t step = side + kGridGap;
    Image grid = blankImage(static_cast<int32_t>(m_columns.size()) * step + kGridGap, static_cast<int32_t>(rows) * step + kGridGap);
    std::fill(grid.rgb.begin(), grid.rgb.end(), uint8_t{255});
    ImageText text;
    std::string titles;
    for (const Column& column : m_columns)
        titles += (titles.empty() ? "" : " | ") + column.title;
    text.emplace_back("Columns", titles);
    for (size_t r = 0; r < rows; ++r) {
        text.emplace_back(fmt::format("Row {}", r + 1), m_prompts[r]);
        for (size_t c = 0; c < cells[r].size(); ++c) {
            if (cells[r][c].width == 0)
                continue;
            const Image cell = resized(cells[r][c], side, side);
            for (int32_t y = 0; y < side; ++y) {
                const auto from = cell.rgb.begin() + int64_t{3} * y * side;
                const int64_t row = static_cast<int64_t>(r) * step + kGridGap + y;
                const int64_t column = static_cast<int64_t>(c) * step + kGridGap;
                std::copy(from, from + int64_t{3} * side, grid.rgb.begin() + 3 * (row * grid.width + column));
            }
        }
    }
    return writePng(os::joinPath(m_a.out, "before_after.png"), grid, text);
}

std::string ImageDemo::summary(const Json& json) const {
    const auto number = [&](const char* part, const char* key) {
        return json[part].contains(key) ? numberOf(json[part][key], key).value_or(NAN) : NAN;
    };
    std::string obedience = "| obedience, all that is said | colour | background | shape | count |\n|---|---|---|---|---|\n";
    for (const auto& [who, rates] : json["obedience"].items()) {
        const auto rate = [&rates = rates](const char* key) {
            return rates.contains(key) ? numberOf(rates[key], key).value_or(NAN) : NAN;
        };
        obedience += fmt::format("| {}: {:.3f} | {:.3f} | {:.3f} | {:.3f} | {:.3f} |\n", who, rate("all"), rate("colour"),
                                 rate("background"), rate("shape"), rate("count"));
    }
    std::string columns, prompts;
    for (const Column& column : m_columns)
        columns += (columns.empty() ? "" : ", ") + column.title;
    for (size_t r = 0; r < std::min(m_prompts.size(), kGridRows); ++r)
        prompts += fmt::format("{}. {}\n", r + 1, m_prompts[r]);
    const Json& group = json["image_grpo"];
    const std::string grpo = group.contains("skipped") ? "not run: " + group["skipped"].get<std::string>()
                                                       : fmt::format("{:.2f}", number("image_grpo", "gold_delta_sd"));
    return fmt::format(
        "# Once round the loop, with pictures\n\nTaste of the simulated annotator (a rule, not a person): **{}**, 5 % of its "
        "votes flipped, seed {}, {} votes.\n\n"
        "| what | figure |\n|---|---|\n"
        "| image reward model, ranking accuracy on test pairs labelled by the noiseless rule | {:.3f} [{:.3f}, {:.3f}], n = {:.0f} |\n"
        "| Diffusion-DPO against the start under that rule, test prompts, ties half | {:.3f} [{:.3f}, {:.3f}], n = {:.0f} |\n"
        "| the same, rise of the rule's score, in standard deviations of the start | {:.2f} |\n"
        "| GRPO with the reward model: rise of the rule's score | {} |\n"
        "| best of {}, chosen by the reward model, no training: rise of the rule's score | {:.2f} |\n\n{}\n"
        "| stage | seconds | TFLOP by count |\n|---|---|---|\n{}\n"
        "before_after.png, columns: {}. Rows:\n\n{}\nCharts: the other *.png. The project itself: project/ (open it with "
        "`pairlab`).\n",
        m_a.taste, m_a.seed, json["labels"].get<int64_t>(), number("image_reward_model", "eval_accuracy"),
        number("image_reward_model", "eval_accuracy_low"), number("image_reward_model", "eval_accuracy_high"),
        number("image_reward_model", "n"), number("image_dpo", "win_rate"), number("image_dpo", "win_rate_low"),
        number("image_dpo", "win_rate_high"), number("image_dpo", "n"), number("image_dpo", "gold_delta_sd"),
        grpo, kBestOf, number("best_of", "gold_delta_sd"), obedience, stageRows(), columns,
        prompts);
}

Result<int> ImageDemo::run() {
    PL_CHECK(rules::imageTasteByName(m_a.taste));
    PL_CHECK(begin(desk::Starter::Images));
    desk::Project& project = m_desk->project();
    for (const char* plugin : {"image_reward_model", "image_dpo"})
        if (!offers(plugin))
            return fail(Code::NotFound, fmt::format("there is no plugin '{}'", plugin), "See `pairlab-cli plugins list`.");

    PL_CHECK(timed("generate", [&]() -> Status {
        desk::GenerateRequest request;
        request.seed = m_a.seed;
        request.prompts = m_a.labels;
        PL_CHECK(generate(request));
        request.split = desk::Split::Dev;
        request.prompts = (m_a.labels + 3) / 4;
        PL_CHECK(generate(request));
        PL_CHECK(project.openTestSplit("demo"));
        request.split = desk::Split::Test;
        request.prompts = kTestPrompts;
        request.n = 4; // enough pairs outside the rule's tie band to measure the reward model on
        return generate(request).map([](const auto&) {});
    }));
    PL_CHECK(timed("label", [&] { return label(m_a.labels); }));

    desk::RunInfo rm, rmEval, dpo, dpoEval, grpo, grpoEval;
    PL_CHECK(timed("image_reward_model", [&]() -> Status {
        PL_TRY(rm, train("image_reward_model", Json::object()));
        PL_TRY(rmEval, evaluate(idOf(rm), m_a.taste, ""));
        return {};
    }));
    PL_CHECK(timed("image_dpo", [&]() -> Status {
        PL_TRY(dpo, train("image_dpo", Json::object()));
        return {};
    }));
    PL_CHECK(timed("image_dpo evaluate", [&]() -> Status {
        PL_TRY(dpoEval, evaluate(idOf(dpo), m_a.taste, kStart, kTestPrompts));
        return takeColumns(dpoEval, "image_dpo");
    }));
    const bool withGrpo = offers("image_grpo");
    if (withGrpo) {
        PL_CHECK(timed("image_grpo", [&]() -> Status {
            PL_TRY(grpo, train("image_grpo", {{"rewards", Json::array({{{"type", "reward_model"}, {"model", idOf(rm)}}})}}));
            return {};
        }));
        PL_CHECK(timed("image_grpo evaluate", [&]() -> Status {
            PL_TRY(grpoEval, evaluate(idOf(grpo), m_a.taste, kStart, kTestPrompts));
            return takeColumns(grpoEval, "image_grpo");
        }));
    } else {
        std::fprintf(stderr, "demo: no image_grpo: the plugin is not built here\n");
    }
    Json best;
    PL_CHECK(timed("best of 8", [&]() -> Status {
        PL_TRY(best, bestOf(rm));
        return {};
    }));
    // The trained model draws the next pairs, against the start from the same noise.
    const auto before = project.counters().comparisons;
    PL_CHECK(timed("next pairs", [&]() -> Status {
        desk::GenerateRequest request;
        request.models = {kStart, idOf(dpo)};
        request.acrossModels = true;
        request.n = 1;
        request.prompts = 50;
        request.seed = m_a.seed + 1;
        return generate(request).map([](const auto&) {});
    }));

    const auto figure = [](const desk::RunInfo& info, const char* name) { return jsonNumber(valueOf(info.result, name)); };
    Json json{{"taste", m_a.taste},
              {"seed", m_a.seed},
              {"labels", project.counters().current},
              {"image_reward_model",
               {{"eval_accuracy", figure(rmEval, "eval_accuracy")},
                {"eval_accuracy_low", figure(rmEval, "eval_accuracy_low")},
                {"eval_accuracy_high", figure(rmEval, "eval_accuracy_high")},
                {"n", figure(rmEval, "eval_accuracy_n")}}},
              {"image_dpo",
               {{"win_rate", figure(dpoEval, "eval_win_rate")},
                {"win_rate_low", figure(dpoEval, "eval_win_rate_low")},
                {"win_rate_high", figure(dpoEval, "eval_win_rate_high")},
                {"n", figure(dpoEval, "eval_win_rate_n")},
                {"gold_delta_sd", figure(dpoEval, "gold_delta_sd")}}},
              {"image_grpo", Json::object()},
              {"best_of", best},
              {"next_pairs", project.counters().comparisons - before},
              {"seconds", m_seconds},
              {"flops", flops()}};
    if (withGrpo)
        json["image_grpo"] = {{"gold_delta_sd", figure(grpoEval, "gold_delta_sd")},
                              {"win_rate", figure(grpoEval, "eval_win_rate")},
                              {"win_rate_low", figure(grpoEval, "eval_win_rate_low")}};
    else
        json["image_grpo"] = {{"gold_delta_sd", nullptr}, {"skipped", "the plugin image_grpo is not built here"}};
    json["obedience"] = Json::object();
    for (const char* slot : {"all", "colour", "background", "shape", "count"}) {
        json["obedience"]["start"][slot] = figure(dpoEval, (std::string("obedience_against/") + slot).c_str());
        json["obedience"]["image_dpo"][slot] = figure(dpoEval, (std::string("obedience/") + slot).c_str());
        if (withGrpo)
            json["obedience"]["image_grpo"][slot] = figure(grpoEval, (std::string("obedience/") + slot).c_str());
    }
    PL_CHECK(writeGrid());
    PL_CHECK(os::writeFileAtomic(os::joinPath(m_a.out, "summary.json"), dumpJsonPretty(json)));
    const std::string text = summary(json);
    PL_CHECK(os::writeFileAtomic(os::joinPath(m_a.out, "summary.md"), text));
    m_desk.reset();
    PL_CHECK(drawCharts());
    if (m_a.json)
        printJson(json);
    else
        std::printf("%s", text.c_str());
    std::fprintf(stderr, "The report is in %s\n", os::joinPath(m_a.out, "summary.md").c_str());
    return 0;
}

} // namespace

Result<int> runImageDemo(const DemoArguments& arguments) {
    DemoArguments own = arguments;
    if (own.taste.empty())
        own.taste = "larger";
    return ImageDemo(own).run();
}

} // namespace pl::cli
