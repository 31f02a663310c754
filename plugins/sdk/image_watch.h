// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/records.h"
#include "core/learn/host/job.h"
#include "core/learn/images/draw.h"
#include "core/learn/images/image_measures.h"
#include "core/learn/images/image_model.h"
#include "core/rules/image_taste.h"

/// What trainers of image generators and the evaluation draw, measure and show.
namespace pl::sdk {

/// Sets threads, then loads the generator given for `role`.
Result<learn::LoadedImageModel> setUpImageModel(learn::Job& job, const std::string& role);
/// A frozen copy for `role` or, without one, of the model the policy starts from.
Result<learn::ImageModel> frozenReference(learn::Job& job);

/// Writes the image to samples/<sha256>.png; gives the path relative to the bundle.
Result<std::string> storeSample(learn::Job& job, const Image& image);

/// Dev prompts that are drawn again and again with the same seeds while a generator trains.
class ImageWatch {
public:
    /// Reads eval_prompts, watch_taste, sampling_steps and guidance. Prompts: dev_prompts.jsonl, then the dev (then any) ones of
    /// prompts.jsonl, then `more`, each once.
    static Result<ImageWatch> make(learn::Job& job, const std::vector<std::string>& more);

    bool empty() const { return m_prompts.empty(); }
    /// "<prefix>obedience/colour" ..., "<prefix>gold/<taste>", "<prefix>diversity" (two images each of the first prompts). With
    /// `show` the first images become sample events.
    Result<std::map<std::string, double>> measure(learn::Job& job, learn::ImageModel& model, const std::string& prefix,
                                                  int64_t step, bool show);
    /// measure() with the prefix "eval_" as a trainer's look at its model. Nothing when the run is to be left while drawing: `extra`, a
    /// trainer's state, then says that the look is due when the run goes on.
    Result<std::optional<std::map<std::string, double>>> look(learn::Job& job, learn::ImageModel& model, int64_t step, bool show,
                                                              Json& extra);
    static bool due(const Json& extra);
    /// The images of the last measure(), one a prompt.
    const std::vector<Image>& images() const { return m_images; }
    const std::vector<std::string>& prompts() const { return m_texts; }
    const std::optional<rules::ImageTaste>& taste() const { return m_taste; }
    /// The metric's name without prefix; empty without a taste.
    std::string goldName() const { return m_taste ? "gold/" + m_taste->name : std::string(); }

private:
    std::vector<PromptRow> m_prompts;
    std::vector<std::string> m_texts;
    std::optional<rules::ImageTaste> m_taste;
    learn::DrawOptions m_draw;
    std::vector<Image> m_images;
};

/// The figures of a run's first look, kept in a trainer's extra state: `now` becomes them at step 0.
std::map<std::string, double> figuresAtStart(Json& extra, int64_t step, const std::map<std::string, double>& now);

/// How far colour and background obedience lie below where the run began: the larger fall in points of [0, 1], 0 when neither
/// fell. `first` are the values of step 0.
double obedienceFall(const std::map<std::string, double>& first, const std::map<std::string, double>& now,
                     const std::string& prefix);
/// What a checkpoint pays for a fall of obedience: nothing within 2 points, beyond them 10 and 1 more a point, so that one that lost
/// less is preferred as long as the deciding metric moves by less than that.
double obediencePrice(double fall);

} // namespace pl::sdk
