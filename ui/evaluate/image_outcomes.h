// SPDX-License-Identifier: GPL-3.0-or-later
// An evaluation of image models, picture by picture, and what was read off all of them.
#pragma once

#include <vector>

#include <QWidget>

#include "ui/runs/run_series.h"
#include "ui/widgets/image_loader.h"
#include "ui/widgets/picture_browser.h"

class QGridLayout;
class QScrollArea;

namespace pl::ui {

class SegmentedControl;
class TextLabel;

/// A line of figures: the model's, the other's, and the most there is.
struct ImageFigure {
    QString name;                      ///< "Colour as asked"
    QString model, against, ceiling;   ///< "93 % [88, 96]"; "–" where it was not measured
    int64_t n = 0;                     ///< prompts that say something of this
};
/// Obedience by part with its interval (Wilson, over the prompts that say it: images of one prompt are no more evidence than one), and diversity. Pure.
std::vector<ImageFigure> imageFigures(const RunSeries& series);

/// Both pictures a prompt with the judge's verdict, as a list that scrolls; two of them on one view.
class ImageOutcomes : public QWidget {
    Q_OBJECT
public:
    explicit ImageOutcomes(QWidget* parent = nullptr);
    /// `judge`: in words. Of a series without verdicts the figures are shown alone.
    void setOutcomes(const QString& run, const RunSeries& series, const QString& model, const QString& against, const QString& judge);
    PictureBrowser* browser() const { return m_browser; }
    /// How many pass the choice (all, model better, other better, ties).
    int shown() const { return static_cast<int>(m_shown.size()); }
    void setChoice(int choice);
    /// Which verdicts are listed; it stands where the page puts it.
    QWidget* choice() const;

private:
    const ImageOutcome& at(int row) const { return m_all[m_shown[static_cast<size_t>(row)]]; }
    QString verdict(int row) const;
    void filter();
    void fillFigures(const std::vector<ImageFigure>& figures);

    QString m_run, m_model, m_against;
    std::vector<ImageOutcome> m_all;
    std::vector<size_t> m_shown;
    size_t m_values = 0; ///< how many the result had
    ImageLoader m_loader;
    PictureBrowser* m_browser;
    SegmentedControl* m_choice;
    TextLabel* m_judge;
    QScrollArea* m_area;
    QGridLayout* m_grid;
};

} // namespace pl::ui
