// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/shell/image_import_sheet.h"

#include <cmath>
#include <optional>

#include <QFileDialog>
#include <QFileInfo>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QScrollArea>
#include <QThreadPool>
#include <QTimer>
#include <QVBoxLayout>

#include "core/base/os/files.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kReadAfterMs = 400, kReasonsShown = 8, kRowsShown = 4, kSheetWidth = 760;
constexpr size_t kFilesAtATime = 16; ///< so that a vote never waits long for the store
constexpr const char* kAnnotator = "imported";

/// Takes everything out; the widgets go with the next turn of the event loop.
void empty(QLayout* layout) {
    while (QLayoutItem* item = layout->takeAt(0)) {
        if (item->widget()) {
            item->widget()->hide();
            item->widget()->deleteLater();
        }
        delete item;
    }
}
QString formatWord(desk::ImportFormat format) {
    switch (format) {
    case desk::ImportFormat::PickAPic: return u"Pick-a-Pic"_s;
    case desk::ImportFormat::HpdV2: return u"HPDv2"_s;
    case desk::ImportFormat::ImageRewardDb: return u"ImageRewardDB"_s;
    case desk::ImportFormat::TrlImages: return u"TRL with images"_s;
    default: return u"a folder of images"_s;
    }
}
} // namespace

/// Read off the GUI thread.
struct ImageImportSheet::Read {
    desk::ImageImport import;
    std::optional<Error> error;
    std::vector<std::pair<std::string, std::string>> files; ///< of import, in order
};

ImageImportSheet::ImageImportSheet(Context& context, const QString& path) : m_context(context), m_path(path) {
    m_later = new QTimer(this);
    m_later->setSingleShot(true);
    m_later->setInterval(kReadAfterMs);
    connect(m_later, &QTimer::timeout, this, &ImageImportSheet::read);
    build();
    const bool folder = QFileInfo(path).isDir();
    m_layoutPart->setVisible(folder);
    m_format = folder ? desk::ImportFormat::Folder : desk::ImportFormat::Auto;
    if (folder)
        recognise();
    else
        read();
}

void ImageImportSheet::build() {
    auto* outer = new QVBoxLayout(this);
    setGaps(outer, Size::GapL, Size::GapM);
    auto* card = new Card(u"Import images"_s);
    card->setMaximumWidth(kSheetWidth);
    auto* path = new ElidedLabel(m_path, TextStyle::MonoCaption, Tone::Second);
    path->setElideMode(Qt::ElideMiddle);
    card->body()->addWidget(path);
    m_layoutPart = new QWidget;
    auto* layout = new QVBoxLayout(m_layoutPart);
    setNoMargins(layout, Size::Grid);
    layout->addWidget(new TextLabel(u"How the paths are made up"_s, TextStyle::Body, Tone::Second));
    m_layout = new QLineEdit;
    m_layout->setFont(textFont(TextStyle::Mono));
    m_layout->setPlaceholderText(u"{checkpoint}/{prompt}_{seed}"_s);
    m_layout->setAccessibleName(u"How the paths are made up"_s);
    layout->addWidget(m_layout);
    m_found = new TextLabel(u"{prompt} is needed, an underscore in it is a space; {checkpoint} and {seed} say what differs; {any} "
                            u"is left unread."_s,
                            TextStyle::Caption, Tone::Second);
    m_found->setWordWrap(true);
    layout->addWidget(m_found);
    card->body()->addWidget(m_layoutPart);
    m_progress = new ProgressLine;
    card->body()->addWidget(m_progress);
    auto* facts = new QHBoxLayout;
    setNoMargins(facts, Size::GapS);
    m_facts = new QGridLayout;
    m_facts->setHorizontalSpacing(px(Size::GapXl));
    m_facts->setVerticalSpacing(px(Size::Grid));
    facts->addLayout(m_facts);
    facts->addStretch(1);
    card->body()->addLayout(facts);
    m_lists = new QVBoxLayout;
    setNoMargins(m_lists, Size::Grid);
    card->body()->addLayout(m_lists);
    m_message = new InlineMessage;
    m_message->clear();
    card->body()->addWidget(m_message);
    auto* buttons = new QHBoxLayout;
    setNoMargins(buttons, Size::GapS);
    m_import = new FilledButton(u"import"_s, u"Import"_s);
    m_import->setEnabled(false);
    m_folder = new QuietButton(u"folder"_s, u"Choose the folder of the images"_s);
    m_folder->hide();
    m_cancel = new QuietButton(u"Cancel"_s);
    for (QWidget* w : std::initializer_list<QWidget*>{m_import, m_folder, m_cancel})
        buttons->addWidget(w);
    buttons->addStretch(1);
    card->body()->addLayout(buttons);
    auto* area = new QScrollArea;
    area->setWidgetResizable(true);
    area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    auto* inner = new QWidget;
    auto* column = new QVBoxLayout(inner);
    setNoMargins(column, Size::GapM);
    column->addWidget(card);
    column->addStretch(1);
    area->setWidget(inner);
    outer->addWidget(area);
    connect(m_layout, &QLineEdit::textEdited, this, [this] {
        ++m_asked; // what is being read is of another layout
        m_ready = false;
        m_import->setEnabled(false);
        m_later->start();
    });
    connect(m_import, &QPushButton::clicked, this, &ImageImportSheet::confirm);
    connect(m_cancel, &QPushButton::clicked, this, &ImageImportSheet::left);
    connect(m_folder, &QPushButton::clicked, this, [this] {
        const QString folder = QFileDialog::getExistingDirectory(this, u"Folder of the images"_s, QFileInfo(m_path).path());
        if (folder.isEmpty())
            return;
        m_images = folder;
        read();
    });
}

QString ImageImportSheet::layoutText() const {
    return m_layout->text();
}
QString ImageImportSheet::messageText() const {
    return m_message->text();
}

void ImageImportSheet::setBusy(const QString& words) {
    m_ready = false;
    m_import->setEnabled(false);
    m_progress->setValue(std::nan(""));
    m_progress->show();
    m_message->setMessage(State::Running, words);
}

void ImageImportSheet::recognise() {
    setBusy(u"Looking at the names"_s);
    QThreadPool::globalInstance()->start([self = QPointer<ImageImportSheet>(this), app = QCoreApplication::instance(), path = sstr(m_path),
                                          asked = ++m_asked] {
        auto layout = std::make_shared<Result<desk::FolderLayout>>(desk::recogniseLayout(path));
        QMetaObject::invokeMethod(
            app,
            [self, layout, asked] {
                if (!self || asked != self->m_asked)
                    return;
                if (!*layout)
                    return self->refuse(errorText(layout->error()));
                const desk::FolderLayout& found = **layout;
                if (found.images == 0)
                    return self->refuse(u"There are no PNG, JPEG or WebP files in this folder."_s);
                if (found.layout.empty())
                    return self->refuse(u"%1 image files, but no known way of naming them makes pairs: say above how their paths "
                                        u"are made up."_s.arg(formatCount(found.images)));
                self->m_layout->setText(qstr(found.layout));
                self->read();
            },
            Qt::QueuedConnection);
    });
}

void ImageImportSheet::read() {
    setBusy(u"Reading the images"_s);
    desk::ImportOptions options;
    options.images = sstr(m_images);
    if (m_format == desk::ImportFormat::Folder)
        options.layout = sstr(m_layout->text().trimmed());
    QThreadPool::globalInstance()->start([self = QPointer<ImageImportSheet>(this), app = QCoreApplication::instance(), options,
                                          path = sstr(m_path), format = m_format, asked = ++m_asked] {
        auto read = std::make_shared<Read>();
        desk::ImportFormat which = format;
        Result<desk::ImageImport> found = fail(Code::InvalidInput, "no rows of images");
        if (which == desk::ImportFormat::Auto) {
            auto text = desk::readMaybeGzip(path, options.maxBytes);
            which = text ? desk::detectImages(*text) : which;
            if (!text)
                found = tl::unexpected<Error>(text.error());
        }
        if (desk::isImageFormat(which))
            found = desk::readImages(path, which, options);
        if (found)
            read->import = std::move(*found);
        else
            read->error = found.error();
        read->files.assign(read->import.files.begin(), read->import.files.end());
        QMetaObject::invokeMethod(
            app,
            [self, read, asked] {
                if (!self || asked != self->m_asked)
                    return;
                if (read->error)
                    return self->refuse(errorText(*read->error));
                // What is new is only known to the store.
                self->m_context.ask(
                    self,
                    [read, task = self->m_context.task.id](desk::Project& p) {
                        return p.importRows(desk::importMeta(read->import, task, kAnnotator), read->import.rows, true);
                    },
                    [self, read, asked](Result<desk::ImportCounts> counts) {
                        if (asked != self->m_asked)
                            return;
                        if (!counts)
                            return self->refuse(errorText(counts.error()));
                        self->m_counts = *counts;
                        self->show(read);
                    });
            },
            Qt::QueuedConnection);
    });
}

void ImageImportSheet::refuse(const QString& why) {
    m_ready = false;
    m_import->setEnabled(false);
    m_progress->hide();
    m_read.reset();
    empty(m_facts);
    empty(m_lists);
    m_message->setMessage(State::Warning, why);
    Q_EMIT shown();
}

void ImageImportSheet::show(std::shared_ptr<Read> read) {
    m_read = std::move(read);
    const desk::ImageImport& import = m_read->import;
    m_progress->hide();
    empty(m_facts);
    empty(m_lists);
    int at = 0;
    const auto fact = [&](const QString& what, const QString& value) {
        m_facts->addWidget(new TextLabel(what, TextStyle::Body, Tone::Second), at, 0);
        m_facts->addWidget(new TextLabel(value, TextStyle::Mono), at++, 1);
    };
    const bool folder = import.format == desk::ImportFormat::Folder;
    fact(u"Read as"_s, formatWord(import.format));
    fact(folder ? u"Files"_s : u"Rows"_s, formatCount(import.read));
    fact(u"Images in use"_s, formatCount(static_cast<int64_t>(import.files.size())));
    fact(u"New prompts"_s, formatCount(m_counts.prompts));
    fact(u"New images"_s, formatCount(m_counts.candidates));
    fact(u"New pairs"_s, formatCount(m_counts.pairs));
    fact(u"New votes"_s, formatCount(m_counts.votes) + (m_counts.votes ? u", marked imported"_s : QString()));
    fact(u"Already here"_s, m_counts.duplicates == 1 ? u"1 pair or row"_s : u"%1 pairs or rows"_s.arg(formatCount(m_counts.duplicates)));
    if (m_counts.differing)
        fact(u"Differ from a vote here"_s, formatCount(m_counts.differing) + u", the earlier is kept"_s);
    if (m_counts.keptSplit)
        fact(u"In another split here"_s, m_counts.keptSplit == 1 ? u"1 prompt, which stays there"_s
                                                                : u"%1 prompts, which stay there"_s.arg(formatCount(m_counts.keptSplit)));
    fact(u"Left out"_s, formatCount(import.rejectedCount));
    if (import.imagesLeftOut)
        fact(u"Left out of rankings"_s, import.imagesLeftOut == 1 ? u"1 image"_s
                                                                  : u"%1 images"_s.arg(formatCount(import.imagesLeftOut)));
    const auto list = [this](const QString& title, const QStringList& lines) {
        m_lists->addWidget(new TextLabel(title, TextStyle::Body, Tone::Second));
        for (const QString& line : lines) {
            auto* label = new ElidedLabel(line, TextStyle::MonoCaption);
            m_lists->addWidget(label);
        }
    };
    QStringList reasons, rows;
    for (const desk::RejectedRow& row : import.rejected) {
        if (reasons.size() == kReasonsShown)
            break;
        QString why = qstr(row.reason);
        if (folder)
            why.remove(m_path + u'/');
        reasons.append(folder ? why : u"row %1: %2"_s.arg(row.line).arg(why));
    }
    for (const desk::ImportRow& row : import.rows) {
        if (rows.size() == kRowsShown)
            break;
        QStringList names;
        for (const auto& image : row.images)
            names.append(qstr(image.params.value("file", std::string())));
        rows.append(u"“%1”: %2"_s.arg(qstr(row.prompt.content), names.join(u", "_s)));
    }
    if (!rows.isEmpty())
        list(rows.size() < static_cast<qsizetype>(import.rows.size()) ? u"The first of them"_s : u"All of them"_s, rows);
    if (!reasons.isEmpty())
        list(import.rejectedCount + import.imagesLeftOut > reasons.size() ? u"Left out, the first %1"_s.arg(reasons.size()) : u"Left out"_s, reasons);
    m_folder->setVisible(!folder && import.rejectedCount + import.imagesLeftOut > 0);
    m_ready = m_counts.prompts + m_counts.candidates + m_counts.pairs + m_counts.votes > 0;
    m_import->setEnabled(m_ready);
    m_import->setText(m_counts.pairs == 1 ? u"Import 1 pair"_s
                      : m_counts.pairs > 0 ? u"Import %1 pairs"_s.arg(formatCount(m_counts.pairs))
                                           : u"Import"_s);
    if (import.rows.empty())
        m_message->setMessage(State::Warning, folder ? u"No file follows this layout: say above how the paths are made up."_s
                                                     : u"No row can be used; the reasons are above."_s);
    else if (!m_ready)
        m_message->setMessage(State::Info, m_counts.differing ? u"Nothing new: what differs from the votes here is not taken over. Revert "
                                                                u"the earlier import on the Data page to take it."_s
                                                              : u"Everything here is in the project already: nothing to import."_s);
    else if (!import.note.empty())
        m_message->setMessage(State::Warning, u"Nothing of it can be compared yet: "_s + qstr(import.note) + u'.');
    else if (m_counts.pairs + m_counts.votes == 0)
        m_message->setMessage(State::Warning, u"No two images share a prompt, so nothing of it can be compared yet."_s);
    else
        m_message->setMessage(State::Info, u"Nothing is stored yet."_s);
    Q_EMIT shown();
}

void ImageImportSheet::confirm() {
    if (!m_ready || !m_read || m_storing)
        return;
    m_later->stop();
    ++m_asked; // what is on screen is what is imported
    m_storing = true;
    setBusy(u"Copying the images"_s);
    m_layout->setEnabled(false);
    m_cancel->setEnabled(false);
    m_folder->setEnabled(false);
    storeFrom(m_read, 0);
}

void ImageImportSheet::failed(const Error& error) {
    m_storing = false;
    m_layout->setEnabled(true);
    m_cancel->setEnabled(true);
    m_folder->setEnabled(true);
    refuse(u"Nothing was imported. "_s + errorText(error));
}

/// A few files at a time; the rows, which make them visible, come last and all at once.
void ImageImportSheet::storeFrom(std::shared_ptr<Read> read, size_t file) {
    const size_t end = std::min(read->files.size(), file + kFilesAtATime);
    if (file >= end) {
        finish(std::move(read));
        return;
    }
    m_progress->setValue(static_cast<double>(file) / static_cast<double>(read->files.size()));
    m_context.ask(
        this,
        [read, file, end](desk::Project& p) -> Status {
            for (size_t i = file; i < end; ++i)
                PL_CHECK(desk::storeImage(p, read->files[i].first, read->files[i].second));
            return {};
        },
        [this, read, end](Status stored) {
            if (!stored)
                return failed(stored.error());
            storeFrom(read, end);
        });
}

void ImageImportSheet::finish(std::shared_ptr<Read> read) {
    m_context.ask(
        this,
        [read, task = m_context.task.id](desk::Project& p) {
            return p.importRows(desk::importMeta(read->import, task, kAnnotator), read->import.rows, false);
        },
        [this](Result<desk::ImportCounts> counts) {
            if (!counts)
                return failed(counts.error());
            m_storing = false;
            m_cancel->setEnabled(true);
            m_counts = *counts;
            m_context.say(State::Done, u"%1 prompts, %2 images, %3 pairs and %4 votes imported; Revert takes them back"_s.arg(
                                           formatCount(counts->prompts), formatCount(counts->candidates),
                                           formatCount(counts->pairs), formatCount(counts->votes)));
            Q_EMIT imported();
        });
}

} // namespace pl::ui
