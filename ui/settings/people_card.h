// SPDX-License-Identifier: GPL-3.0-or-later
// Work packages and erasing, on the Settings page.
#pragma once

#include "core/desk/store/erase.h"
#include "core/desk/store/packages.h"
#include "ui/shell/context.h"
#include "ui/widgets/basics.h"

class QLineEdit;
class QSpinBox;

namespace pl::ui {

class DetailTable;

/// The manager's side: packages that are out and what came back, dealing out, merging.
class PeopleCard : public Card {
    Q_OBJECT
public:
    explicit PeopleCard(Context& context);
    void refresh();
    /// Deals to the names in the field into a folder.
    void dealTo(const QString& folder);
    void merge(const QStringList& files);
    QString messageText() const { return m_message->text(); }
    int packagesShown() const { return static_cast<int>(m_rows.size()); }

Q_SIGNALS:
    /// Dealing, merging or reading has ended, well or not.
    void finished();

private:
    QVariant cell(int row, int column, int role) const;
    Context& m_context;
    QLineEdit* m_names;
    QSpinBox *m_pairs, *m_shared, *m_sets, *m_sharedSets;
    QPushButton *m_deal, *m_merge;
    DetailTable* m_table;
    InlineMessage* m_message;
    std::vector<desk::PackageRow> m_rows;
};

/// The annotator's side: how far the package is, and giving back.
class PackageCard : public Card {
    Q_OBJECT
public:
    explicit PackageCard(Context& context);
    void refresh();
    void giveBack(const QString& file);
    QString messageText() const { return m_message->text(); }

Q_SIGNALS:
    void finished();

private:
    Context& m_context;
    TextLabel* m_state;
    QPushButton* m_return;
    InlineMessage* m_message;
};

/// Erasing a person or a prompt: first what would go, then (with a reason) the deed.
class EraseCard : public Card {
    Q_OBJECT
public:
    explicit EraseCard(Context& context);
    QString messageText() const { return m_message->text(); }
    QString previewText() const { return m_preview->text(); }

Q_SIGNALS:
    void finished();

private:
    void run(bool dryRun);
    void refresh();
    desk::EraseOptions options(bool dryRun) const;
    Context& m_context;
    class SegmentedControl* m_kind;
    QLineEdit *m_what, *m_why;
    QPushButton *m_look, *m_erase;
    TextLabel* m_preview;
    InlineMessage* m_message;
    QString m_seen; ///< what the preview is of
};

} // namespace pl::ui
