// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <QTimer>
#include <QWidget>

#include "core/desk/exchange/column_map.h"
#include "ui/shell/context.h"

class QComboBox;
class QGridLayout;
class QLineEdit;
class QPlainTextEdit;
class QPushButton;
class QVBoxLayout;

namespace pl::ui {

class TextLabel;

/// Says which column of a file is what: a guess to begin with, the first rows beside it, and after each change a dry run with its counts and
/// reasons. The file is read and parsed off the GUI thread; nothing is written before Import.
class MapCard : public QWidget {
    Q_OBJECT
public:
    MapCard(Context& context, const QString& path, QWidget* parent = nullptr);
    ~MapCard() override;

    const desk::ColumnMap& map() const { return m_map; }
    /// As if every choice had been made by hand.
    void setMap(const desk::ColumnMap& map);
    /// What the dry run said, or why there was none.
    QString summary() const;

Q_SIGNALS:
    /// The columns can be chosen.
    void ready();
    /// A dry run is on screen.
    void dryRunShown(bool usable);
    void imported(qint64 prompts, const QString& what);
    void closed();

private:
    struct File;
    struct Trial;
    enum class Answers { Nothing, AB, ChosenRejected };
    enum class Verdict { Nobody, Winner, Points, Scores };

    void build(const desk::ColumnPreview& preview);
    void showMap();
    void refreshRows();
    void refreshValues();
    void refreshPreview();
    void collect();
    void changed();
    void tryOut();
    void tried(const std::shared_ptr<Trial>& trial);
    void showTrial(const std::shared_ptr<Trial>& trial);
    void importNow();
    void loadSaved();
    void addRow(const QString& key, const QString& label, std::string desk::ColumnMap::*path, const QString& tip);
    QString sampleOf(const std::string& path) const;

    struct Row {
        QString key;
        std::string desk::ColumnMap::*path = nullptr;
        TextLabel* label = nullptr;
        QComboBox* columns = nullptr;
        class ElidedLabel* sample = nullptr;
    };

    Context& m_context;
    QString m_path;
    std::shared_ptr<File> m_file;
    desk::ColumnPreview m_preview;
    desk::ColumnMap m_map;
    std::map<std::string, desk::ColumnMap> m_saved;
    QVBoxLayout* m_column = nullptr;
    QGridLayout* m_grid = nullptr;
    QWidget* m_values = nullptr;
    QComboBox *m_answers = nullptr, *m_verdict = nullptr, *m_keptMaps = nullptr, *m_negative = nullptr;
    QLineEdit* m_name = nullptr;
    QPlainTextEdit* m_json = nullptr;
    QPushButton *m_import = nullptr, *m_save = nullptr, *m_useJson = nullptr;
    TextLabel *m_summary = nullptr, *m_rowsShown = nullptr;
    std::vector<Row> m_rows;
    QTimer m_wait;
    int m_turn = 0;
    bool m_filling = false, m_busy = false;
    std::shared_ptr<Trial> m_trial;
};

} // namespace pl::ui
