// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/hash.h"
#include "tests/ui/bundles.h"
#include "tests/ui/image_fixture.h"

/// Runs that drew pictures, as their jobs would have left them.
namespace pictures {

/// A scene whose shapes grow with t (0..1): what training for larger objects looks like.
inline QImage grown(int side, int seed, double t) {
    QImage image(side, side, QImage::Format_RGB32);
    image.fill(seed % 2 ? QColor(52, 62, 92) : QColor(236, 230, 214));
    QPainter p(&image);
    p.setPen(Qt::NoPen);
    p.setBrush(QColor::fromHsv(seed * 67 % 360, 200, seed % 2 ? 235 : 180));
    const int n = 1 + seed % 3;
    for (int i = 0; i < n; ++i) {
        const double r = side * (0.08 + 0.14 * t), x = side * (i + 0.7) / (n + 0.4), y = side * (0.4 + 0.1 * ((seed + i) % 3));
        if (seed % 3 == 0)
            p.drawRect(QRectF(x - r, y - r, 2 * r, 2 * r));
        else
            p.drawEllipse(QPointF(x, y), r, r);
    }
    return image;
}

/// Writes samples/<sha256>.png into the bundle; the name as events have it.
inline std::string store(const std::string& bundle, const QByteArray& bytes) {
    const std::string name = fmt::format("samples/{}.png", pl::sha256Hex(bytes.toStdString()));
    bundles::check(pl::os::makeDirs(bundle + "/samples"));
    bundles::check(pl::os::writeFileAtomic(bundle + "/" + name, bytes.toStdString()));
    return name;
}
inline std::string store(const std::string& bundle, const QImage& image) {
    return store(bundle, bytesOf(image));
}

/// models/start: a folder that says it is an image model.
inline void writeImageModel(const std::string& dir) {
    bundles::writeModel(dir);
    bundles::check(pl::os::writeFileAtomic(dir + "/config.json", R"({"model_type":"pairlab_image_flow","size":32})"));
}

/// A training run that drew `prompts` captions at these steps. One file is missing and one is cut short where asked.
inline void addTraining(bundles::Runs& runs, const std::string& name, const std::vector<int>& steps, int prompts, double speed,
                        bool broken = false, int side = 32) {
    using pl::Json;
    runs.addRun(
        name, {{"steps", steps.back()}, {"beta", 500 * speed}},
        [&](pl::EventWriter& w) {
            for (const int step : steps)
                for (int p = 0; p < prompts; ++p) {
                    const double t = speed * step / std::max(1, steps.back());
                    std::string image = store(runs.runDir(name), grown(side, p, t));
                    if (broken && step == steps.back() && p == 0)
                        image = fmt::format("samples/{}.png", std::string(64, 'a'));
                    if (broken && step == steps.back() && p == 1)
                        image = store(runs.runDir(name), bytesOf(grown(side, p, t)).left(70));
                    bundles::check(w.write(pl::event::kSample, {{"step", step},
                                                                {"prompt_id", fmt::format("p{}", p)},
                                                                {"prompt", fmt::format("{}{}", caption(p), p < 5 ? "" : ", once more")},
                                                                {"kind", "image"},
                                                                {"image", image},
                                                                {"seed", 7},
                                                                {"stream", p},
                                                                {"gold", 0.1 * p + t},
                                                                {"tag", "dev"}}));
                }
            bundles::check(w.write(pl::event::kProgress, {{"step", steps.back()}, {"of", steps.back()}}));
            bundles::Runs::end(w, "finished");
        },
        {{"policy", runs.dir + "/models/start", std::string(64, '0'), "start"}});
}

/// An evaluation by the taste "larger": of four prompts the model wins two, loses one and ties one.
inline void addEvaluation(bundles::Runs& runs, const std::string& name, int prompts) {
    using pl::Json;
    runs.addRun(
        name, {{"mode", "win_rate"}, {"taste", "larger"}},
        [&](pl::EventWriter& w) {
            const Json judge{{"name", "larger"}, {"kind", "rule"}, {"saw_same_labels", "no"}};
            for (int i = 0; i < prompts; ++i) {
                const bool tie = i % 4 == 3, lost = i % 4 == 2;
                const auto a = store(runs.runDir(name), grown(32, i, lost ? 0.1 : 0.9));
                const auto b = store(runs.runDir(name), grown(32, i, tie ? 0.9 : 0.4));
                const std::string prompt = i % 2 ? "two blue circles" : "a red square on a grey background";
                bundles::check(w.write(pl::event::kOutcome, {{"prompt_id", fmt::format("p{}", i)},
                                                             {"prompt", prompt},
                                                             {"kind", "image"},
                                                             {"a", {{"model", "0002-image_dpo step 60"}, {"image", a}}},
                                                             {"b", {{"model", "start"}, {"image", b}}},
                                                             {"winner", tie ? "tie" : lost ? "b" : "a"},
                                                             {"score_a", lost ? -0.4 : 1.25},
                                                             {"score_b", tie ? 1.25 : 0.2},
                                                             {"judge", judge}}));
            }
            bundles::check(w.write(pl::event::kResult,
                                   {{"values",
                                     {{"eval_win_rate", 0.625},
                                      {"eval_win_rate_low", 0.466},
                                      {"eval_win_rate_high", 0.761},
                                      {"eval_win_rate_n", prompts},
                                      {"obedience/all", 0.8},
                                      {"obedience/colour", 0.975},
                                      {"obedience/background", 0.95},
                                      {"obedience/shape", 0.9},
                                      {"obedience/count", 0.85},
                                      {"obedience_against/all", 0.825},
                                      {"obedience_against/colour", 1.0},
                                      {"obedience_against/background", 0.95},
                                      {"obedience_against/shape", 0.9},
                                      {"obedience_against/count", 0.875},
                                      {"obedience_ceiling/all", 0.9},
                                      {"obedience_ceiling/colour", 1.0},
                                      {"obedience_ceiling/background", 1.0},
                                      {"obedience_ceiling/shape", 0.95},
                                      {"obedience_ceiling/count", 0.925},
                                      {"diversity", 0.184},
                                      {"diversity_against", 0.213}}},
                                    {"judge", judge}}));
            bundles::check(w.write(pl::event::kProgress, {{"step", prompts}, {"of", prompts}}));
            bundles::Runs::end(w, "finished");
        },
        {{"policy", runs.runDir("0002-image_dpo") + "/checkpoints/step-000060", std::string(64, '1'), "0002-image_dpo step 60"},
         {"against", runs.dir + "/models/start", std::string(64, '0'), "start"}});
}

/// Two trainings and an evaluation, over a start model that draws.
inline void addUsual(bundles::Runs& runs) {
    writeImageModel(runs.dir + "/models/start");
    addTraining(runs, "0001-image_sft", {0, 100, 200, 300}, 8, 0.4);
    addTraining(runs, "0002-image_dpo", {0, 20, 40, 60}, 8, 1, true);
    addEvaluation(runs, "0003-evaluate", 40);
}

} // namespace pictures
