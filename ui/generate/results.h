// SPDX-License-Identifier: GPL-3.0-or-later
// What a generating run brings: its first two answers while they come, or what best-of-N kept.
#pragma once

#include <vector>

#include "ui/shell/context.h"
#include "ui/widgets/image_loader.h"

class QLabel;

namespace pl::ui {

class DetailTable;
class ProgressLine;
class TextPane;

/// What best-of-N kept for one prompt with one model.
struct KeptRow {
    QString prompt, model;
    int64_t drawn = 0;           ///< of so many
    std::vector<double> scores;  ///< of those kept, best first
};

class ResultsCard : public Card {
    Q_OBJECT
public:
    ResultsCard();
    /// Says what will be here: pictures or answers.
    void setImages(bool images);
    /// From now on this run is followed.
    void begin(const std::string& run);
    const std::string& run() const { return m_run; }
    void onRun(const desk::RunInfo& info, const std::vector<Event>& events);
    /// By prompt, in the order drawn. No picture is shown of what has scores: it is still to be judged.
    const std::vector<KeptRow>& kept() const { return m_kept; }

Q_SIGNALS:
    void ended(const pl::desk::RunInfo& info);

private:
    void take(const desk::RunInfo& info, const Event& event);
    bool takeKept(const Event& event); ///< false: it was not chosen among more
    void showKept(const desk::RunInfo& info);
    QVariant keptCell(int row, int column, int role) const;
    void showPicture(int at, const QString& model, const std::string& dir, const std::string& file);
    void onPicture(const QString& path, const LoadedImage& loaded);

    std::string m_run;
    int m_seen = 0;
    StatusChip* m_chip;
    ProgressLine* m_progress;
    TextLabel *m_nothing, *m_prompt, *m_summary;
    ElidedLabel* m_from[2];
    TextPane* m_pane[2];
    QLabel* m_picture[2];
    QString m_picturePath[2], m_pictureModel[2];
    QWidget* m_first; ///< the first two answers or pictures
    bool m_images = false;
    DetailTable* m_table;
    std::vector<KeptRow> m_kept;
    ImageLoader m_loader{this};
};

} // namespace pl::ui
