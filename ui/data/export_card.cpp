// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/export_card.h"

#include <QCheckBox>
#include <QComboBox>
#include <QDesktopServices>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QPointer>
#include <QPushButton>
#include <QUrl>
#include <QVBoxLayout>

#include "core/base/os/files.h"
#include "ui/theme/theme.h"
#include "ui/widgets/basics.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

ExportCard::ExportCard(Context& context, std::shared_ptr<desk::ReaderThread> reader, QWidget* parent)
    : QWidget(parent), m_context(context), m_reader(std::move(reader)) {
    auto* column = new QVBoxLayout(this);
    setNoMargins(column, Size::GapM);
    const auto label = [&](const QString& text) { column->addWidget(new TextLabel(text, TextStyle::Caption, Tone::Second)); };
    label(u"Form"_s);
    m_format = new QComboBox;
    m_format->setObjectName(u"export_format"_s);
    m_format->setAccessibleName(u"Form of the export"_s);
    m_format->setToolTip(u"↑ and ↓ choose; each says below what it cannot carry"_s);
    for (const desk::ExportFormat& each : desk::exportFormats())
        m_format->addItem(qstr(each.name));
    column->addWidget(m_format);
    m_about = new TextLabel({}, TextStyle::Body, Tone::Second);
    m_about->setWordWrap(true);
    column->addWidget(m_about);
    auto* row = new QHBoxLayout;
    setNoMargins(row, Size::GapL);
    m_train = new QCheckBox(u"Train"_s);
    m_train->setObjectName(u"export_train"_s);
    m_dev = new QCheckBox(u"Dev"_s);
    m_dev->setObjectName(u"export_dev"_s);
    for (QCheckBox* split : {m_train, m_dev}) {
        split->setChecked(true);
        split->setToolTip(u"Votes on prompts of this split; test prompts are sealed and stay out (Space)"_s);
        row->addWidget(split);
        connect(split, &QCheckBox::toggled, this, &ExportCard::refresh);
    }
    m_kind = new QComboBox;
    m_kind->setObjectName(u"export_kind"_s);
    m_kind->setAccessibleName(u"Votes on texts or images"_s);
    m_kind->addItems({u"whichever votes there are"_s, u"votes on texts"_s, u"votes on images"_s});
    m_kind->setToolTip(u"Needed where a project has both"_s);
    row->addWidget(m_kind, 1);
    column->addLayout(row);
    label(u"File"_s);
    auto* file = new QHBoxLayout;
    setNoMargins(file, Size::GapS);
    m_path = new QLineEdit;
    m_path->setObjectName(u"export_path"_s);
    m_path->setAccessibleName(u"File to write"_s);
    m_path->setToolTip(u"Beside the project, not in it. Ties, images and the manifest lie next to it under its name. Enter writes."_s);
    auto* browse = new QuietButton(u"Browse"_s);
    browse->setToolTip(u"Choose the folder"_s);
    connect(browse, &QPushButton::clicked, this, [this] {
        auto* dialog = new QFileDialog(this, u"Folder to write into"_s);
        dialog->setAttribute(Qt::WA_DeleteOnClose);
        dialog->setFileMode(QFileDialog::Directory);
        connect(dialog, &QFileDialog::fileSelected, this, [this](const QString& folder) {
            m_ownPath = true;
            m_path->setText(QDir(folder).filePath(QFileInfo(m_path->text()).fileName()));
            refresh();
        });
        dialog->open();
    });
    file->addWidget(m_path, 1);
    file->addWidget(browse);
    column->addLayout(file);
    label(u"What goes in"_s);
    m_counts = new TextLabel;
    m_counts->setObjectName(u"export_counts"_s);
    m_counts->setWordWrap(true);
    column->addWidget(m_counts);
    auto* buttons = new QHBoxLayout;
    setNoMargins(buttons, Size::GapS);
    m_write = new FilledButton(u"Write the file"_s);
    m_write->setObjectName(u"export_write"_s);
    m_open = new QuietButton(u"Open folder"_s);
    m_open->setObjectName(u"export_open"_s);
    m_open->setToolTip(u"Shows what was written in the file manager"_s);
    m_open->hide();
    auto* close = new QuietButton(u"Close"_s);
    close->setToolTip(u"Closes the card; a file that is being written is written to its end (Space)"_s);
    for (QPushButton* each : {m_write, m_open, static_cast<QPushButton*>(close)})
        buttons->addWidget(each);
    buttons->addStretch(1);
    column->addLayout(buttons);
    m_message = new InlineMessage;
    m_message->setObjectName(u"export_message"_s);
    column->addWidget(m_message);
    label(u"What this form cannot carry"_s);
    m_losses = new TextLabel;
    m_losses->setObjectName(u"export_losses"_s);
    m_losses->setWordWrap(true);
    column->addWidget(m_losses);
    connect(m_format, &QComboBox::currentIndexChanged, this, &ExportCard::refresh);
    connect(m_kind, &QComboBox::currentIndexChanged, this, &ExportCard::refresh);
    connect(m_path, &QLineEdit::textEdited, this, [this] {
        m_ownPath = true;
        m_open->hide();
        if (!m_replaced.isEmpty()) {
            dropQuestion();
            m_message->clear();
        }
    });
    connect(m_path, &QLineEdit::returnPressed, this, [this] {
        if (m_write->isEnabled())
            write();
    });
    connect(m_write, &QPushButton::clicked, this, &ExportCard::write);
    connect(m_open, &QPushButton::clicked, this, [this] { QDesktopServices::openUrl(QUrl::fromLocalFile(m_folder)); });
    connect(close, &QPushButton::clicked, this, &ExportCard::closed);
    dropQuestion();
    refresh();
}

ExportCard::~ExportCard() {
    ++*m_turn; // nobody waits for a count
    m_reader->letGo();
}

void ExportCard::takeFocus() {
    m_format->setFocus();
}

desk::ExportChoice ExportCard::choice() const {
    desk::ExportChoice out;
    out.format = sstr(m_format->currentText());
    out.splits.clear();
    if (m_train->isChecked())
        out.splits.push_back(desk::Split::Train);
    if (m_dev->isChecked())
        out.splits.push_back(desk::Split::Dev);
    if (m_kind->currentIndex() > 0)
        out.kind = m_kind->currentIndex() == 1 ? desk::CandidateKind::Text : desk::CandidateKind::Image;
    out.out = sstr(m_path->text().trimmed());
    return out;
}

void ExportCard::show(State state, const QString& text) {
    m_message->setMessage(state, text);
}

void ExportCard::refresh() {
    const desk::ExportFormat* format = desk::exportFormatOf(sstr(m_format->currentText()));
    if (!format)
        return;
    m_about->setText(qstr(format->about));
    m_train->setEnabled(format->splits);
    m_dev->setEnabled(format->splits);
    m_kind->setEnabled(format->splits && format->texts && format->images && format->name == "trl");
    QStringList losses;
    for (const std::string& loss : format->losses)
        losses.append(u"• "_s + qstr(loss));
    m_losses->setText(losses.isEmpty() ? u"Nothing is lost without a word: what has no place in the rows lies beside them"_s : losses.join(u'\n'));
    m_open->hide();
    m_message->clear();
    dropQuestion();
    m_write->setEnabled(false);
    m_counts->setTone(Tone::Second);
    m_counts->setText(u"Counting"_s);
    const int turn = ++*m_turn;
    if (!m_ownPath) // beside the project: what is erased in it must not live on in a file there
        m_path->setText(m_context.projectDir + u"-"_s + qstr(format->name) + u"."_s + qstr(format->ending));
    desk::previewBeside(
        *m_reader, choice(),
        [card = QPointer(this), bus = &m_context.signals, turn](Result<desk::ExportPreview> found) {
            onGui(card, bus, [turn, found = std::move(found)](ExportCard& self) { self.showPreview(turn, found); });
        },
        [latest = m_turn, turn] { return *latest == turn; });
}

void ExportCard::showPreview(int turn, const Result<desk::ExportPreview>& found) {
    if (turn != *m_turn)
        return;
    m_counts->setTone(found ? Tone::Text : Tone::Error);
    m_counts->setText(found ? qstr(found->toString()) : errorText(found.error()));
    m_write->setEnabled(found.has_value() && !m_busy);
    Q_EMIT previewed(found.has_value());
}

void ExportCard::dropQuestion() {
    m_replaced.clear();
    m_write->setText(u"Write the file"_s);
    m_write->setToolTip(u"Enter in the file's name does the same"_s);
}

void ExportCard::write() {
    const desk::ExportChoice what = choice();
    if (what.out.empty())
        return show(State::Warning, u"Say which file is to be written"_s);
    if (os::isRegularFile(what.out) && m_replaced != qstr(what.out)) {
        m_replaced = qstr(what.out);
        m_open->hide();
        m_write->setText(u"Replace the file"_s);
        m_write->setToolTip(u"What is in it now is lost (Space)"_s);
        m_write->setFocus(); // away from the name: a second Enter, or one held down, replaces nothing
        show(State::Warning, u"%1 is there already. Space replaces it, with what lies beside it under its name; another name keeps it"_s.arg(QFileInfo(m_replaced).fileName()));
        return;
    }
    dropQuestion();
    m_busy = true;
    m_write->setEnabled(false);
    m_open->hide();
    show(State::Running, u"Reading"_s);
    const QPointer card(this);
    Signals* bus = &m_context.signals;
    desk::exportBeside(
        *m_reader, what,
        [card, bus, out = what.out](Result<desk::ExportDone> done) {
            QMetaObject::invokeMethod(bus, [card, bus, out, done = std::move(done)] {
                if (card)
                    return card->showDone(out, done);
                const QString name = QFileInfo(qstr(out)).fileName(); // nobody looks at the card any more
                Q_EMIT bus->message(done ? State::Done : State::Failed, done ? u"%1: %2"_s.arg(name, qstr(done->summary)) : u"%1 was not written. %2"_s.arg(name, errorText(done.error())));
            }, Qt::QueuedConnection);
        },
        [card, bus] {
            onGui(card, bus, [](ExportCard& self) { self.show(State::Running, u"Writing; votes given from now on are not in it"_s); });
        });
}

void ExportCard::showDone(const std::string& out, const Result<desk::ExportDone>& done) {
    m_busy = false;
    m_write->setEnabled(true);
    if (!done) {
        show(State::Failed, u"Nothing was written. %1"_s.arg(errorText(done.error())));
        Q_EMIT finished(false);
        return;
    }
    m_folder = QFileInfo(qstr(os::absolutePath(out))).absolutePath();
    QStringList lines{u"%1: %2"_s.arg(QFileInfo(qstr(out)).fileName(), qstr(done->summary))};
    for (const std::string& note : done->notes)
        lines.append(qstr(note));
    show(State::Done, lines.join(u"; "_s));
    m_open->show();
    Q_EMIT finished(true);
}

} // namespace pl::ui
