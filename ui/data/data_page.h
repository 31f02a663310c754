// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/desk/exchange/import.h"
#include "ui/shell/context.h"
#include "ui/widgets/image_loader.h"

class QPlainTextEdit;
class QStackedWidget;
class QTabBar;

namespace pl::desk {
class ReaderThread;
}

namespace pl::ui {

class DetailPanel;
class ImageView;
class PagedTable;
class Preferences;
class QualityPanel;

/// Data: what the project holds. Argument: "import:PATH" (empty path: ask for a file), "prompt:ID", "export", or a tab's name.
/// Keys of verdicts are read from `preferences` (none: as the program comes).
PageFactory dataPage(const Preferences* preferences = nullptr);

class DataPage : public Page {
    Q_OBJECT
public:
    enum Tab { Prompts, Pairs, Votes, Quality, Datasets, Imports };
    explicit DataPage(Context& context, const Preferences* preferences = nullptr);
    ~DataPage() override;
    void activated() override;
    void openArgument(const QString& argument) override;

    Tab tab() const;
    void setTab(Tab tab);
    PagedTable* table(Tab tab) const;
    DetailPanel* detail(Tab tab) const;
    /// What the tab Quality shows, which has no table() and no detail() of this kind.
    QualityPanel* quality() const { return m_quality; }
    /// Parses the file off the GUI thread, asks the store what it would add, and shows that beside the Imports table.
    void previewFile(const QString& path);
    /// Says which column of the file is what, beside the Imports table.
    void showMapping(const QString& path);
    /// Two files of answers, joined by their prompts into pairs to judge.
    void showPairFiles();
    /// A form, splits and a file for the votes, beside the Votes table.
    void showExport();
    bool isEmptyShown() const;
    QString messageText() const;

Q_SIGNALS:
    /// A preview is on screen (or its refusal).
    void previewShown(bool usable);
    void imported(qint64 prompts);

private:
    struct Side;
    struct Parsed;
    void build(const Preferences* preferences);
    Side& add(Tab tab, const QString& title, PagedTable* table, const QString& emptyText);
    void reload(Tab tab);
    void refreshEmpty();
    void showPrompt(desk::Id id);
    void showPair(desk::Id id);
    void showVote(desk::Id id);
    void showDataset(desk::Id id);
    void showBatch(desk::Id id);
    void showPaste();
    void showFreeze();
    void addPasted(const QString& text, const QString& separator, std::optional<desk::Split> split);
    void offerAnswer(DetailPanel* detail, desk::Id prompt, int others);
    void addAnswer(desk::Id prompt, const QString& text, bool pairs);
    void chooseFile();
    void showPreview(std::shared_ptr<Parsed> parsed);
    void importNow(std::shared_ptr<Parsed> parsed);
    /// The two of a pair on one view, tagged a and b and with what the vote says of them. Of texts: null.
    ImageView* showTwo(DetailPanel* detail, const desk::LabelItem& item, std::optional<desk::Winner> winner, bool names);
    void say(State state, const QString& text);

    Context& m_context;
    QTabBar* m_tabs;
    QStackedWidget* m_root;
    QStackedWidget* m_stack;
    QWidget* m_empty;
    InlineMessage* m_message;
    QualityPanel* m_quality;
    std::vector<std::unique_ptr<Side>> m_sides;
    ImageLoader m_loader;
    std::shared_ptr<desk::ReaderThread> m_reader; ///< of exports; what it writes goes on when their card is closed
    bool m_started = false;
    int m_shown = 0; ///< what the Prompts panel shows: an answer that comes after it was asked for something else is dropped
    bool m_guidelines = false; ///< votes show the guideline they were given under
    desk::Id m_vote = 0;       ///< on screen
};

} // namespace pl::ui
