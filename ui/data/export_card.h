// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <memory>

#include <QPointer>
#include <QWidget>

#include "core/desk/exchange/export_any.h"
#include "core/desk/store/reader_thread.h"
#include "ui/shell/context.h"

class QCheckBox;
class QComboBox;
class QLineEdit;
class QPushButton;

namespace pl::ui {

/// Chooses a form, the splits and a file, shows what would go in and what that form cannot carry before anything is written, and writes it
/// with what `pairlab-cli export` writes it with. Counting and writing go on beside the votes, which wait for neither.
class ExportCard : public QWidget {
    Q_OBJECT
public:
    /// `reader`: shared with whoever lives longer, so that closing the card does not wait for what is being written.
    ExportCard(Context& context, std::shared_ptr<desk::ReaderThread> reader, QWidget* parent = nullptr);
    ~ExportCard() override;
    /// What is chosen now.
    desk::ExportChoice choice() const;
    void takeFocus();
    /// What counts and writes: in the order in which it was asked.
    desk::ReaderThread& reader() { return *m_reader; }

Q_SIGNALS:
    /// What would go in is on screen, or why nothing would.
    void previewed(bool usable);
    /// It is written (or was not); the words stand in the card.
    void finished(bool written);
    void closed();

private:
    void refresh();
    /// Asks first, in the card, where a file is there already.
    void write();
    void dropQuestion();
    void show(State state, const QString& text);
    void showPreview(int turn, const Result<desk::ExportPreview>& found);
    void showDone(const std::string& out, const Result<desk::ExportDone>& done);
    /// Calls f(card) on the GUI thread, from whichever thread, unless the card is gone by then.
    template<class F>
    static void onGui(const QPointer<ExportCard>& card, Signals* bus, F f) {
        QMetaObject::invokeMethod(
            bus, [card, f = std::move(f)]() mutable { if (card) f(*card); }, Qt::QueuedConnection);
    }

    Context& m_context;
    std::shared_ptr<desk::ReaderThread> m_reader;
    QComboBox *m_format, *m_kind;
    QCheckBox *m_train, *m_dev;
    QLineEdit* m_path;
    TextLabel *m_about, *m_counts, *m_losses;
    InlineMessage* m_message;
    QPushButton *m_write, *m_open;
    QString m_folder; ///< of what was written
    QString m_replaced; ///< the file that is there already and would be replaced; the write button asks
    std::shared_ptr<std::atomic<int>> m_turn = std::make_shared<std::atomic<int>>(0); ///< of the last count that was asked for
    bool m_busy = false, m_ownPath = false;
};

} // namespace pl::ui
