// SPDX-License-Identifier: GPL-3.0-or-later
// The form of the Generate page: one sentence with fields in it.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "core/desk/runs/actions.h"
#include "core/desk/runs/prompt_count.h"
#include "ui/shell/context.h"

class QCheckBox;
class QComboBox;
class QHBoxLayout;
class QLineEdit;

namespace pl::ui {

/// A field for a number inside a sentence; `name` is what a screen reader and a refusal call it.
QLineEdit* numberField(const QString& value, const QString& name, int width = 64);

/// What the sentence says, as numbers.
struct Sentence {
    bool image = false; ///< asked of an image model
    int64_t prompts = 0, n = 0, longest = 0;
    int64_t steps = 0;
    double temperature = 0, guidance = 0;
    int64_t bestOf = 1; ///< drawn for each prompt and model; 1: what is drawn is kept
    QString judge;      ///< who chooses then: a model's text or a taste's name
    uint64_t seed = 0;
    int64_t models = 1;
    QString problem;    ///< why it cannot be started; empty: it can

    int64_t kept() const { return prompts * n * models; }
    int64_t drawn() const { return prompts * std::max(n, bestOf) * models; }
};

class SentenceCard : public Card {
    Q_OBJECT
public:
    SentenceCard();
    /// What can be chosen; `wanted` ("run:42", "run:42@100") becomes the first model when it is among them.
    using Usable = std::array<desk::PromptCount, 2>; ///< by language models, by image models
    void setKnown(std::vector<desk::ModelChoice> models, const Usable& usable, const QString& wanted);
    /// setKnown() was called: before that nothing is refused for being absent.
    bool isKnown() const { return m_known; }
    /// The fields, and what stands in the way of a start.
    Sentence read() const;
    desk::GenerateRequest request(const Sentence& sentence) const;
    /// The first model; nullptr while there is none.
    const desk::ModelChoice* model() const;
    /// Within a model, across models, not at all.
    int pairing() const;
    /// Or the same answers would come again.
    void advanceSeed();

Q_SIGNALS:
    void changed();
    /// The first model is another one.
    void modelChanged();
    /// The person wants a judge and there is none.
    void judgeWanted();

private:
    void build();
    void buildBestOf(QHBoxLayout* row);
    void follow();
    void fillJudges();

    std::vector<desk::ModelChoice> m_models;
    Usable m_usable;
    bool m_known = false, m_haveJudge = false;
    QLineEdit *m_count, *m_n, *m_temperature, *m_longest, *m_steps, *m_guidance, *m_bestOf, *m_seed;
    QWidget *m_textPart = nullptr, *m_imagePart = nullptr, *m_bestPart = nullptr;
    QCheckBox* m_best;
    QComboBox *m_split, *m_first, *m_second, *m_judge;
    TextLabel *m_verb, *m_each;
    LinkButton* m_trainJudge;
    SegmentedControl* m_pairing;
};

} // namespace pl::ui
